"""Sessions of programs (wire/onlyoffice.md §2: tokens)."""

import pytest
from sqlalchemy import func, select, update

from postroom.clock import DAY
from postroom.directory import people, sessions
from postroom.directory.people import NewPerson
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import sessions as table
from postroom.storage.tables import users
from tests.support import counted

NOW = 1_700_000_000_000


@pytest.fixture
def jan(store: Store) -> int:
    return store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak"), NOW)


def begin(store: Store, user_id: int, now: int = NOW) -> str:
    return store.database.write_now(sessions.begin, "onlyoffice", user_id, now, DAY).token


def holder(store: Store, token: str, now: int = NOW) -> int | None:
    return store.database.read_now(sessions.holder, "onlyoffice", token, now)


def test_a_token_stands_for_its_person_until_it_ends(store: Store, jan: int) -> None:
    opened = store.database.write_now(sessions.begin, "onlyoffice", jan, NOW, DAY)
    assert opened.expires_at == NOW + DAY
    assert holder(store, opened.token) == jan
    assert holder(store, opened.token, NOW + DAY - 1) == jan
    assert holder(store, opened.token, NOW + DAY) is None


def test_the_store_holds_no_token(store: Store, jan: int) -> None:
    opened = store.database.write_now(sessions.begin, "onlyoffice", jan, NOW, DAY)
    kept = store.database.read_now(lambda tx: [tuple(row) for row in tx.execute(select(table))])
    assert opened.token not in repr(kept)
    assert opened.token not in repr(opened)


def test_a_session_is_good_at_its_own_interface_only(store: Store, jan: int) -> None:
    token = begin(store, jan)
    store.database.write_now(lambda tx: tx.execute(update(table).values(kind="another")) and None)
    assert holder(store, token) is None


@pytest.mark.parametrize("token", ["", "x", "a\0b", "\ud800", "ż" * 500, "' OR 1=1 --"])
def test_what_is_no_token_stands_for_nobody(store: Store, jan: int, token: str) -> None:
    begin(store, jan)
    assert holder(store, token) is None


def test_the_inactive_are_nobody(store: Store, jan: int) -> None:
    token = begin(store, jan)
    store.database.write_now(lambda tx: tx.execute(update(users).values(active=False)) and None)
    assert holder(store, token) is None


def test_sessions_end_one_by_one_or_all_together(store: Store, jan: int) -> None:
    first, second, third = (begin(store, jan) for _ in range(3))
    store.database.write_now(sessions.end, "onlyoffice", first)
    assert [holder(store, token) for token in (first, second, third)] == [None, jan, jan]
    store.database.write_now(sessions.end, "onlyoffice", "unknown")
    assert store.database.write_now(sessions.end_all, jan) == 2
    assert [holder(store, token) for token in (second, third)] == [None, None]


def test_the_oldest_of_too_many_end(store: Store, jan: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    ewa = store.database.write_now(people.add, NewPerson(first_name="Ewa", last_name="Lis"), NOW)
    hers = begin(store, ewa)
    tokens = [begin(store, jan, NOW + number) for number in range(5)]
    assert [holder(store, token) for token in tokens] == [None, None, jan, jan, jan]
    assert holder(store, hers) == ewa


def test_those_that_are_over_are_forgotten_in_steps(store: Store, jan: int) -> None:
    for number in range(3):
        begin(store, jan, NOW + number)
    assert store.database.write_now(sessions.forget, NOW + DAY + 1, 1) == 1
    assert store.database.write_now(sessions.forget, NOW + DAY + 1, 5) == 1
    assert store.database.read_now(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one()) == 1


def test_a_token_costs_one_statement(store: Store, jan: int) -> None:
    token = begin(store, jan)
    with counted(store) as statements:
        holder(store, token)
    assert len(statements) == 1


def test_a_deleted_person_has_no_sessions(store: Store, jan: int) -> None:
    token = begin(store, jan)

    def delete(tx: Tx) -> None:
        tx.execute(users.delete())

    store.database.write_now(delete)
    assert holder(store, token) is None
