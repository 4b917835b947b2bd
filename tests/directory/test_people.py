"""People: what is kept of them, and what is refused."""

import pytest

from postroom.directory import people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000
JAN = NewPerson(
    first_name="Jan", last_name="Żak", uid="1001", email="Jan@Example.EDU", title_before="dr hab.", picture="https://x.pl/1.jpg"
)
BEYOND = 2**31


def test_a_person_comes_back_as_added_with_normal_addresses(store: Store) -> None:
    number = store.database.write_now(people.add, JAN, NOW)
    person = store.database.read_now(people.get, number)
    assert (person.uid, person.first_name, person.last_name, person.email, person.alt_email) == (
        "1001",
        "Jan",
        "Żak",
        "Jan@example.edu",
        None,
    )
    assert (person.title_before, person.language, person.active, person.picture) == ("dr hab.", "pl", True, "https://x.pl/1.jpg")


def test_a_uid_belongs_to_one_person_but_many_may_have_none(store: Store) -> None:
    store.database.write_now(people.add, JAN, NOW)
    with pytest.raises(Invalid) as caught:
        store.database.write_now(people.add, JAN, NOW)
    assert caught.value.parameter == "uid"
    nameless = NewPerson(first_name="A", last_name="")
    assert store.database.write_now(people.add, nameless, NOW) != store.database.write_now(people.add, nameless, NOW)


@pytest.mark.parametrize(
    ("person", "parameter"),
    [
        (NewPerson(first_name="", last_name=" "), "last_name"),
        (NewPerson(first_name="A\r\nBcc: b@c.pl", last_name="B"), "first_name"),
        (NewPerson(first_name="A\0", last_name="B"), "first_name"),
        (NewPerson(first_name="A\ud800", last_name="B"), "first_name"),
        (NewPerson(first_name="A", last_name="B", email="nobody"), "email"),
        (NewPerson(first_name="A", last_name="B", alt_email="a@b\n"), "alt_email"),
        (NewPerson(first_name="A", last_name="B", language="de"), "language"),
        (NewPerson(first_name="A", last_name="B", picture="javascript:alert(1)"), "picture"),
    ],
)
def test_malformed_values_are_refused_by_name(store: Store, person: NewPerson, parameter: str) -> None:
    with pytest.raises(Invalid) as caught:
        store.database.write_now(people.add, person, NOW)
    assert caught.value.parameter == parameter


def test_over_long_values_are_refused(store: Store) -> None:
    with pytest.raises(TooLarge):
        store.database.write_now(people.add, NewPerson(first_name="A" * 201, last_name="B"), NOW)


@pytest.mark.parametrize("number", [0, -1, 999_999, BEYOND, 10**30])
def test_numbers_of_nobody_are_not_found_however_large(store: Store, number: int) -> None:
    with pytest.raises(NotFound):
        store.database.read_now(people.get, number)
    assert store.database.read_now(people.by_ids, [number]) == {}
    assert store.database.read_now(people.existing_ids, [number]) == set()


def test_inactive_people_are_known_but_cannot_be_written_to(store: Store) -> None:
    number = store.database.write_now(people.add, NewPerson(first_name="A", last_name="B", active=False), NOW)
    assert number in store.database.read_now(people.by_ids, [number])
    assert store.database.read_now(people.existing_ids, [number]) == set()


def test_many_people_take_one_query_for_each_500(store: Store) -> None:
    number = store.database.write_now(people.add, JAN, NOW)
    for ask in (people.by_ids, people.existing_ids):
        with counted(store) as statements:
            assert set(store.database.read_now(ask, [number, number, *range(2, 1_001)])) == {number}
        assert len(statements) == 2


def test_a_person_is_found_by_the_key_of_another_system(store: Store) -> None:
    write, read = store.database.write_now, store.database.read_now
    jan = write(people.add, NewPerson(first_name="Jan", last_name="Lis", uid="S-1"), NOW)
    write(people.add, NewPerson(first_name="Ewa", last_name="Kos", uid="S-2", active=False), NOW)
    found = read(people.by_uid, "S-1")
    assert found is not None
    assert found.id == jan
    assert [read(people.by_uid, uid) for uid in ("S-2", "S-3", "", "\0")] == [None] * 4


def test_pages_of_active_people_come_by_number(store: Store) -> None:
    write, read = store.database.write_now, store.database.read_now
    numbers = [write(people.add, NewPerson(first_name="P", last_name=str(number), active=number != 1), NOW) for number in range(4)]
    first, total = read(people.page, 0, 2)
    assert ([person.id for person in first], total) == ([numbers[0], numbers[2]], 3)
    assert [person.id for person in read(people.page, 2, 2)[0]] == [numbers[3]]
    assert read(people.page, 2_147_483_647, 2) == ([], 3)
