"""Searching by names: folded words, by an index, the same on both databases (docs/usos.md, Search)."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import event, insert, select, text

from postroom.directory import names, people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid, TooLarge
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import user_words, users
from tests.support import counted

NOW = 1_700_000_000_000
PEOPLE = (
    ("Łucja", "Maria", "Żółkiewska"),
    ("Jan", "", "Nowak"),
    ("Adam", "", "Nowakowski"),
    ("Ewa", "", "Nowak-Kowalska"),
    ("Jürgen", "", "Weiß"),
    ("Анна", "", "Иванова"),
)


@pytest.fixture
def place(store: Store) -> Store:
    for first, middle, last in PEOPLE:
        store.database.write_now(people.add, NewPerson(first_name=first, middle_names=middle, last_name=last), NOW)
    store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Nowak", active=False), NOW)
    return store


def found(store: Store, query: str, start: int = 0, limit: int = 50) -> list[str]:
    def unit(tx: Tx) -> list[str]:
        numbers = names.search(tx, query, start, limit)
        kept = people.by_ids(tx, numbers)
        return [kept[number].last_name for number in numbers]

    return store.database.read_now(unit)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("zolkiewska", ["Żółkiewska"]),
        ("ŻÓŁ łuc", ["Żółkiewska"]),
        ("mar", ["Żółkiewska"]),
        ("kiewska", []),
        ("weiss jurgen", ["Weiß"]),
        ("ива", ["Иванова"]),
        ("kowalska", ["Nowak-Kowalska"]),
        ("nowak-kow", ["Nowak-Kowalska"]),
        ("nowak", ["Nowak", "Nowak-Kowalska", "Nowakowski"]),
        ("no j", ["Nowak"]),
        ("nowak jan adam", []),
        ("no%", ["Nowak", "Nowak-Kowalska", "Nowakowski"]),
    ],
)
def test_each_word_begins_a_word_of_the_name(place: Store, query: str, expected: list[str]) -> None:
    """Who is called exactly so comes first; case and accents do not matter; inactive people are not found."""
    assert found(place, query) == expected


def test_the_answer_is_cut_by_start_and_limit(place: Store) -> None:
    assert found(place, "nowak", 0, 2) == ["Nowak", "Nowak-Kowalska"]
    assert found(place, "nowak", 2, 2) == ["Nowakowski"]
    assert found(place, "nowak", 9, 2) == []


def test_queries_that_are_refused(sqlite_store: Store) -> None:
    for query in ("", "a", "a b", "- _ !", "a b c d e f g h ij"):
        with pytest.raises(Invalid):
            found(sqlite_store, query)
    with pytest.raises(TooLarge):
        found(sqlite_store, "x" * 101)


@given(st.text(max_size=60))
@example("\N{MATHEMATICAL BOLD SCRIPT CAPITAL A}")
def test_folding_twice_is_folding_once_and_words_are_short(text: str) -> None:
    words = names.words_of(text)
    assert words == names.words_of(" ".join(words))
    assert all(0 < len(word) <= 50 for word in words)


def test_changed_names_are_found_and_old_ones_not(place: Store) -> None:
    place.database.write_now(names.index, [(2, "Jan Kowal")])
    assert found(place, "kowal") == ["Nowak", "Nowak-Kowalska"]
    assert found(place, "nowak") == ["Nowak-Kowalska", "Nowakowski"]


def test_a_search_is_one_statement(place: Store) -> None:
    with counted(place) as statements:
        place.database.read_now(names.search, "no ja", 0, 20)
    assert len(statements) == 1


def test_a_search_among_many_people_goes_by_the_index(store: Store) -> None:
    """20,000 people, of whom few match: nothing reads the whole table."""

    def many(tx: Tx) -> None:
        rows = [{"first_name": "Zofia", "last_name": f"Wojcik{number}", "created_at": NOW, "modified_at": NOW} for number in range(20_000)]
        tx.execute(insert(users), rows)
        numbers = tx.execute(select(users.c.id, users.c.last_name)).all()
        tx.execute(insert(user_words), [{"word": names.fold(last), "user_id": number} for number, last in numbers])
        if tx.dialect.name == "postgresql":
            tx.execute(text("ANALYZE user_words, users"))

    store.database.write_now(many)
    assert len(store.database.read_now(names.search, "wojcik1234", 0, 20)) == 11
    plan = store.database.read_now(explained, "wojcik1234 zofia")
    assert "pk_user_words" in plan or "user_words USING PRIMARY KEY" in plan
    assert "SCAN" not in plan
    assert "Seq Scan" not in plan


def explained(tx: Tx, query: str) -> str:
    """Return how the database would search."""
    ran: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        ran.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", remember)
    names.search(tx, query, 0, 20)
    event.remove(tx, "before_cursor_execute", remember)
    ((statement, parameters),) = ran
    explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(row) for row in tx.exec_driver_sql(explain + statement, parameters))
