"""Which addresses are whose: what one sends from, and whose inbox an address stands for (ONLYOFFICE contract §1a.5, §8.7; ours)."""

import pytest
from sqlalchemy import update

from postroom.directory import addresses, owned_addresses, people
from postroom.directory.owned_addresses import OwnedAddress
from postroom.directory.people import NewPerson
from postroom.errors import Forbidden, NotFound
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import users
from tests.support import counted

NOW = 1_700_000_000_000


def two_people(tx: Tx) -> tuple[int, int, int]:
    """Anna, Otto, and an office whose address is assigned to both."""
    anna = people.add(tx, NewPerson(first_name="Anna", last_name="Żak", email="Anna@uni.example", alt_email="anna@home.example"), NOW)
    otto = people.add(tx, NewPerson(first_name="Otto", last_name="Kot", email="otto@uni.example", alt_email="OTTO@uni.example"), NOW)
    office = addresses.add(tx, "dean@uni.example", "Dean's office", NOW)
    for user_id in (otto, anna):
        addresses.assign(tx, office, user_id, NOW)
    return anna, otto, office


def test_a_person_sends_from_each_address_once(store: Store) -> None:
    anna, otto, office = store.database.write_now(two_people)
    with counted(store) as statements:
        found = store.database.read_now(owned_addresses.of_person, anna)
    assert len(statements) == 2
    dean = OwnedAddress(name="Dean's office", email="dean@uni.example", address_id=office)
    assert found == [
        OwnedAddress(name="Anna Żak", email="Anna@uni.example"),
        OwnedAddress(name="Anna Żak", email="anna@home.example"),
        dean,
    ]
    assert store.database.read_now(owned_addresses.of_person, otto) == [OwnedAddress(name="Otto Kot", email="otto@uni.example"), dean]


def test_an_address_is_found_in_any_case_of_letters_and_among_ones_own(store: Store) -> None:
    anna, _, _ = store.database.write_now(two_people)
    assert store.database.read_now(owned_addresses.find, anna, "ANNA@UNI.example").email == "Anna@uni.example"
    for foreign in ("otto@uni.example", "x", ""):
        with pytest.raises(NotFound) as raised:
            store.database.read_now(owned_addresses.find, anna, foreign)
        assert (raised.value.kind, raised.value.key) == ("account", foreign)


def test_addresses_are_those_of_active_people(store: Store) -> None:
    anna, otto, office = store.database.write_now(two_people)
    asked = ["ANNA@HOME.example", "dean@uni.example", "Otto@uni.example", "nobody@x.example", *(f"p{n}@x.example" for n in range(600))]
    with counted(store) as statements:
        found = store.database.read_now(owned_addresses.owners, asked)
    assert len(statements) == 2
    assert found == {"anna@home.example": [anna], "dean@uni.example": [anna, otto], "otto@uni.example": [otto]}

    def change(tx: Tx) -> None:
        addresses.revoke(tx, office, anna, NOW)
        tx.execute(update(users).where(users.c.id == otto).values(active=False))

    store.database.write_now(change)
    assert store.database.read_now(owned_addresses.owners, asked) == {"anna@home.example": [anna]}
    assert store.database.read_now(owned_addresses.owners, []) == {}


def test_since_when_a_person_has_addresses(store: Store) -> None:
    """By the number of the institutional ones; those that were revoked are not among them, but are told from foreign ones."""
    anna, otto, office = store.database.write_now(two_people)

    def change(tx: Tx) -> None:
        addresses.revoke(tx, office, anna, NOW + 1)
        addresses.revoke(tx, office, otto, NOW + 1)
        addresses.assign(tx, office, otto, NOW + 2)

    store.database.write_now(change)
    assert store.database.read_now(owned_addresses.held_since, anna) == {None: NOW}
    assert store.database.read_now(owned_addresses.held_since, otto) == {None: NOW, office: NOW + 2}
    with pytest.raises(Forbidden, match="address_revoked"):
        store.database.read_now(owned_addresses.find, anna, "DEAN@uni.example")
