"""Finding the numbers of people, groups, addresses and clients (docs/cli.md, find)."""

import pytest

from postroom.directory import addresses, clients, groups, people
from postroom.directory.finding import find
from postroom.storage.store import Store
from tests.support import counted


@pytest.fixture
def place(store: Store) -> Store:
    database = store.database
    person = people.NewPerson(uid="A-17", first_name="Łucja", last_name="Żółkiewska", email="lz@uni.example")
    lucja = database.write_now(people.add, person, 1)
    database.write_now(people.add, people.NewPerson(first_name="Jan", last_name="Nowak", active=False), 1)
    database.write_now(groups.create_primary, "MAT", "Wydział Matematyki", None, 1)
    database.write_now(groups.create_custom, lucja, "Rada", 1)
    database.write_now(addresses.add, "dean@uni.example", "Dziekan", 1)
    database.write_now(clients.add_client, store.vault, "Timetable", administrative=False, now=1)
    return store


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("żółk", ["user"]),
        ("ŁUCJA żółkiewska", ["user"]),
        ("a-17", ["user"]),
        ("lucja nowak", []),
        ("MAT", ["primary group"]),
        ("uni.example", ["user", "address"]),
        ("timetable", ["client"]),
        ("100%", []),
        ("", ["user", "user", "primary group", "custom group", "address", "client"]),
    ],
)
def test_each_word_stands_somewhere_in_any_case_of_letters(place: Store, words: str, kinds: list[str]) -> None:
    assert [found.kind for found in place.database.read_now(find, words, 50)] == kinds


def test_what_is_told_of_each(place: Store) -> None:
    lucja, jan, *_, group, _, client = place.database.read_now(find, "", 50)
    assert (lucja.key, lucja.name, lucja.email, lucja.active) == ("A-17", "Łucja Żółkiewska", "lz@uni.example", True)
    assert (jan.key, jan.active) == (None, False)
    assert (group.name, group.owner_id) == ("Rada", lucja.id)
    assert client.key is not None
    assert place.database.read_now(clients.client_by_key, place.vault, client.key) is not None


def test_it_is_bounded_in_answers_and_statements(place: Store) -> None:
    with counted(place) as statements:
        assert len(place.database.read_now(find, "", 2)) == 2
    assert len(statements) <= 4
