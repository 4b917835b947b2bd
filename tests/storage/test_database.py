"""Units of work on both databases (storage/database.py): durable when answered, all of a unit or nothing, none in another's way."""

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from postroom.errors import NotFound, Unavailable
from postroom.settings import DatabaseSettings, Settings
from postroom.storage.database import Tx, open_database, ping
from postroom.storage.store import Store
from postroom.storage.tables import clients, counters, users


def add_client(tx: Tx, key: str) -> int:
    row = {"key": key, "secret": "s", "name": key, "created_at": 1}
    return tx.execute(insert(clients).values(row).returning(clients.c.id)).scalar_one()


def keys(tx: Tx) -> set[str]:
    return set(tx.scalars(select(clients.c.key)))


def fail_after(tx: Tx, key: str, error: BaseException) -> None:
    add_client(tx, key)
    raise error


def test_what_a_unit_returned_is_durable(store: Store, settings: Settings) -> None:
    """Design promise 1: a second, independent opening of the store sees it."""
    store.database.write_now(add_client, "a")
    other = open_database(settings)
    try:
        assert other.read_now(keys) == {"a"}
    finally:
        other.close()


@pytest.mark.parametrize("error", [NotFound("message", 1), ValueError("x"), KeyError("x")])
def test_a_unit_that_raises_leaves_nothing_and_its_caller_hears_why(store: Store, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        store.database.write_now(fail_after, "a", error)
    assert caught.value is error
    assert store.database.read_now(keys) == set()


def test_units_beside_one_that_fails_are_kept(store: Store) -> None:
    """A unit that fails rolls back alone, also when it shares its commit with others (design.md section 2)."""

    async def main() -> list[Any]:
        units = [
            store.database.write(add_client, f"good-{number}") if number % 3 else store.database.write(fail_after, "bad", ValueError("x"))
            for number in range(30)
        ]
        return await asyncio.gather(*units, return_exceptions=True)

    results = asyncio.run(main())
    assert [isinstance(result, ValueError) for result in results] == [number % 3 == 0 for number in range(30)]
    assert store.database.read_now(keys) == {f"good-{number}" for number in range(30) if number % 3}


def test_a_broken_constraint_is_an_error_of_its_own_unit(store: Store) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*[store.database.write(add_client, key) for key in ("a", "a", "b")], return_exceptions=True)

    results = asyncio.run(main())
    assert sorted(type(result).__name__ for result in results) == ["IntegrityError", "int", "int"]
    assert store.database.read_now(keys) == {"a", "b"}


def test_an_error_shows_no_values(store: Store) -> None:
    """What is logged of an error must not show the secret, the address or the text that stood in the statement."""
    store.database.write_now(add_client, "visible-key")
    with pytest.raises(IntegrityError) as caught:
        store.database.write_now(add_client, "visible-key")
    assert "parameters" not in str(caught.value) or "hidden" in str(caught.value)


def test_a_read_cannot_write(store: Store) -> None:
    """Whatever the databases call it: it is an error, and nothing is changed."""
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        store.database.read_now(add_client, "a")
    assert store.database.read_now(keys) == set()


def test_a_read_sees_one_snapshot(store: Store) -> None:
    def twice(tx: Tx) -> tuple[int, int]:
        count = select(func.count()).select_from(clients)
        before = tx.scalars(count).one()
        writer = threading.Thread(target=store.database.write_now, args=(add_client, "meanwhile"))
        writer.start()
        writer.join()
        return before, tx.scalars(count).one()

    assert store.database.read_now(twice) == (0, 0)
    assert store.database.read_now(keys) == {"meanwhile"}


def test_a_unit_sees_what_earlier_ones_wrote(store: Store) -> None:
    store.database.write_now(add_client, "a")
    assert store.database.write_now(keys) == {"a"}


def test_foreign_keys_hold(store: Store) -> None:
    def orphan(tx: Tx) -> None:
        tx.execute(insert(users).values(first_name="A", last_name="B", created_at=1, modified_at=1))
        tx.exec_driver_sql("INSERT INTO tokens (token, secret, client_id, user_id, created_at) VALUES ('t', 's', 999, 999, 1)")

    with pytest.raises(IntegrityError):
        store.database.write_now(orphan)


def test_a_closed_store_says_so(settings: Settings) -> None:
    database = open_database(settings)
    database.write_now(ping)
    database.close()
    database.close()  # no error the second time
    for call in (database.read_now, database.write_now):
        with pytest.raises(Unavailable, match="closed"):
            call(ping)

    async def main() -> None:
        for call in (database.read, database.write):
            with pytest.raises(Unavailable, match="closed"):
                await call(ping)

    asyncio.run(main())


def test_closing_finishes_what_waits(settings: Settings) -> None:
    """Database.close: units that were taken are not dropped."""
    database = open_database(settings)

    async def main() -> list[Any]:
        waiting = [asyncio.ensure_future(database.write(ping)) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(database.close)
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert all(result is None or isinstance(result, Unavailable) for result in asyncio.run(main()))


def test_a_caller_that_is_cancelled_disturbs_nobody(store: Store) -> None:
    async def main() -> None:
        tasks = [asyncio.ensure_future(store.database.write(add_client, f"k{number}")) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, int) for result in results[1::2])

    asyncio.run(main())
    assert {f"k{number}" for number in range(1, 20, 2)} <= store.database.read_now(keys)
    store.database.write_now(add_client, "still works")


def test_a_server_that_is_away_is_unavailable() -> None:
    """Nothing listens on port 1: Unavailable, not an error of a library."""
    database = open_database(Settings(database=DatabaseSettings(url="postgresql://postroom@127.0.0.1:1/postroom")))
    with pytest.raises(Unavailable):
        database.read_now(ping)
    with pytest.raises(Unavailable):
        database.write_now(ping)
    database.close()


def test_what_is_written_before_reading_stays_when_the_reading_is_refused(store: Store) -> None:
    """Database.read_behind: a nonce stays used though there is nothing to show; when the writing is refused nothing is read."""
    database = store.database

    def note(tx: Tx) -> None:
        tx.execute(insert(counters).values(name="noted", value=1))

    def refuse(_tx: Tx) -> int:
        raise NotFound("message", 1)

    def noted(tx: Tx) -> int:
        return int(tx.execute(select(counters.c.value).where(counters.c.name == "noted")).scalar_one_or_none() or 0)

    async def main() -> None:
        with pytest.raises(NotFound):
            await database.read_behind(refuse, noted, brief=False)  # type: ignore[arg-type]
        assert await database.look_up(noted) == 0
        with pytest.raises(NotFound):
            await database.read_behind(note, refuse, brief=False)
        assert await database.look_up(noted) == 1
        assert await database.read_behind(lambda _tx: None, noted, brief=True) == 1

    asyncio.run(main())
