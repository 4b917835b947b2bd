"""The store for more than one machine (storage/postgresql.py): deadlocks, lost connections, too few connections."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select, text, update

from postroom.errors import Unavailable
from postroom.settings import DatabaseSettings, Settings
from postroom.storage import plain, postgresql
from postroom.storage.database import Database, Tx, open_database, ping
from postroom.storage.tables import clients


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Database]:
    opened = open_database(Settings(database=DatabaseSettings(url=postgresql_url, connections=2)))
    opened.write_now(lambda tx: tx.execute(text("TRUNCATE clients CASCADE")) and None)
    yield opened
    opened.close()


def names(tx: Tx) -> list[str]:
    return list(tx.scalars(select(clients.c.name).order_by(clients.c.key)))


def test_units_that_deadlock_both_succeed(database: Database) -> None:
    """PostgreSQL gives one of them up; it runs again from the start, and nobody hears of it."""
    rows = [{"key": key, "secret": "s", "name": "", "created_at": 1} for key in ("a", "b")]
    database.write_now(lambda tx: tx.execute(insert(clients), rows) and None)
    both_hold_one, runs, failures = threading.Barrier(2), [], []

    def append(tx: Tx, first: str, second: str) -> None:
        runs.append(first)
        for key in (first, second):
            tx.execute(update(clients).where(clients.c.key == key).values(name=clients.c.name + first))
            if key == first and runs.count(first) == 1:
                both_hold_one.wait(10)

    def work(first: str, second: str) -> None:
        try:
            database.write_now(append, first, second)
        except Exception as error:  # noqa: BLE001 - told to the test by way of the list
            failures.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(runs) > 2, "a unit ran again"
    assert {"".join(sorted(name)) for name in database.read_now(names)} == {"ab"}


def test_after_a_lost_connection_the_store_recovers_by_itself(database: Database, postgresql_url: str) -> None:
    """The server restarted, or a firewall cut the line: at most one unit hears of it, as Unavailable."""
    database.write_now(ping)
    other = open_database(Settings(database=DatabaseSettings(url=postgresql_url)))
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    try:
        other.write_now(lambda tx: tx.execute(kill) and None)
        try:
            database.write_now(ping)
        except Unavailable:
            pass
        database.write_now(ping)
        database.read_now(ping)
    finally:
        other.close()


def test_a_unit_that_is_cut_off_in_the_middle_leaves_nothing_and_is_unavailable(database: Database) -> None:
    def cut(tx: Tx) -> None:
        tx.execute(insert(clients).values(key="a", secret="s", name="", created_at=1))
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Unavailable):
        database.write_now(cut)
    assert database.read_now(names) == []


def test_when_every_connection_is_busy_the_store_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, go = threading.Barrier(3), threading.Event()

    def hold(_tx: Tx) -> None:
        busy.wait(10)
        assert go.wait(20)

    monkeypatch.setattr(database._engine.pool, "_timeout", 0.2)  # type: ignore[attr-defined]
    threads = [threading.Thread(target=database.write_now, args=(hold,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    busy.wait(10)
    try:
        with pytest.raises(Unavailable, match="busy"):
            database.write_now(ping)
    finally:
        go.set()
        for thread in threads:
            thread.join(20)
    database.write_now(ping)


def test_a_statement_that_takes_too_long_is_unavailable(database: Database) -> None:
    """No request holds a connection for ever; the limit itself is minutes, here it is shortened."""

    def slow(tx: Tx) -> None:
        tx.execute(text("SET LOCAL statement_timeout = 50"))
        tx.execute(text("SELECT pg_sleep(10)"))

    with pytest.raises(Unavailable):
        database.write_now(slow)
    assert postgresql._STATEMENT_TIMEOUT_MS >= 60_000


def test_what_depends_on_its_values_is_planned_with_them_each_time(database: Database) -> None:
    """Design 5: whoever has a large mailbox does not wait for the plan that serves anybody; what comes next is prepared as ever."""
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%clients.name%'")

    def asked(tx: Tx, *, anew: bool) -> int:
        if anew:
            plain.plan_anew(tx)
        for _ in range(12):
            names(tx)
        return int(tx.execute(prepared).scalar_one())

    assert [database.read_now(asked, anew=anew) for anew in (True, False)] == [0, 1]
