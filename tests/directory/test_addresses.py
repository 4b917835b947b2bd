"""Institutional addresses: assignments can be revoked and given again (design §3; wire/usos.md §1.4, inst_address_unassigned)."""

import pytest
from sqlalchemy import select

from postroom.directory import addresses, people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import address_assignments
from tests.support import counted

NOW = 1_700_000_000_000
BEYOND = 2**31


def office(tx: Tx) -> tuple[int, int]:
    return addresses.add(tx, "Office@Example.EDU", "Office", NOW), people.add(tx, NewPerson(first_name="Jan", last_name="Żak"), NOW)


def test_an_address_exists_once_regardless_of_case(store: Store) -> None:
    number, _ = store.database.write_now(office)
    assert store.database.read_now(addresses.get, number).email == "Office@example.edu"
    with pytest.raises(Invalid) as caught:
        store.database.write_now(addresses.add, "office@example.edu", "Another", NOW)
    assert caught.value.parameter == "email"


@pytest.mark.parametrize(("email", "name"), [("nothing", "Office"), ("a@b.pl", ""), ("a@b.pl", "Office\r\nX-Evil: 1")])
def test_malformed_addresses_and_names_are_refused(store: Store, email: str, name: str) -> None:
    with pytest.raises(Invalid):
        store.database.write_now(addresses.add, email, name, NOW)


def test_an_assignment_is_given_revoked_and_given_again(store: Store) -> None:
    def story(tx: Tx) -> None:
        address, user = office(tx)
        dates = select(address_assignments.c.assigned_at, address_assignments.c.revoked_at)
        assert not addresses.is_assigned(tx, address, user)
        addresses.revoke(tx, address, user, NOW)  # what was never given
        addresses.assign(tx, address, user, NOW)
        addresses.assign(tx, address, user, NOW + 1)
        assert tx.execute(dates).all() == [(NOW, None)]
        assert addresses.is_assigned(tx, address, user)
        addresses.revoke(tx, address, user, NOW + 2)
        addresses.revoke(tx, address, user, NOW + 3)
        assert tx.execute(dates).all() == [(NOW, NOW + 2)]
        assert not addresses.is_assigned(tx, address, user)
        addresses.assign(tx, address, user, NOW + 4)
        assert tx.execute(dates).all() == [(NOW + 4, None)]

    store.database.write_now(story)


def test_whom_or_what_there_is_not_cannot_be_assigned(store: Store) -> None:
    def story(tx: Tx) -> None:
        address, user = office(tx)
        for wrong in (0, 999, BEYOND):
            with pytest.raises(NotFound) as missing:
                addresses.assign(tx, wrong, user, NOW)
            assert missing.value.kind == "inst_address"
            with pytest.raises(NotFound) as nobody:
                addresses.assign(tx, address, wrong, NOW)
            assert nobody.value.kind == "user"
            addresses.revoke(tx, address, wrong, NOW)
            assert not addresses.is_assigned(tx, wrong, user)
            assert not addresses.is_assigned(tx, address, wrong)

    store.database.write_now(story)


def test_by_ids_and_is_assigned_are_one_query_each(store: Store) -> None:
    with counted(store) as statements:
        assert store.database.read_now(addresses.by_ids, range(1, 500)) == {}
        store.database.read_now(addresses.is_assigned, 1, 1)
    assert len(statements) == 2


def test_a_person_is_assigned_exactly_what_is_listed_and_keeps_the_date_of_what_they_had(store: Store) -> None:
    def story(tx: Tx) -> None:
        first, user = office(tx)
        second = addresses.add(tx, "second@uni.example", "Second", NOW)
        addresses.assign(tx, first, user, NOW)
        addresses.assign_exactly(tx, user, [second, first, second], NOW + 1)
        dates = select(address_assignments.c.assigned_at, address_assignments.c.revoked_at).order_by(address_assignments.c.address_id)
        assert tx.execute(dates).all() == [(NOW, None), (NOW + 1, None)]
        with pytest.raises(NotFound):
            addresses.assign_exactly(tx, user, [second, BEYOND], NOW + 2)
        addresses.assign_exactly(tx, user, [second], NOW + 3)
        assert tx.execute(dates).all() == [(NOW, NOW + 3), (NOW + 1, None)]
        assert [one.id for one in addresses.of_user(tx, user)] == [second]
        assert addresses.people_of(tx, [first, second], 1) == {first: [], second: [user]}
        with pytest.raises(TooLarge):
            addresses.people_of(tx, [first, second], 0)

    store.database.write_now(story)


def test_an_address_that_another_one_has_cannot_be_taken(store: Store) -> None:
    """The refusal leaves the transaction whole: what was done before it can still be committed."""

    def story(tx: Tx) -> None:
        first, _ = office(tx)
        addresses.add(tx, "second@uni.example", "Second", NOW)
        addresses.change(tx, first, None, "Renamed")
        with pytest.raises(Invalid):
            addresses.change(tx, first, "SECOND@uni.example", "Lost")
        assert addresses.get(tx, first).name == "Renamed"

    store.database.write_now(story)
