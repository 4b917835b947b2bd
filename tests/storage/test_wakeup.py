"""Waiting for commits of others: none is missed, and none is needed to go on."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import insert, make_url

from postroom.settings import DatabaseSettings, Settings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.store import Store, open_store
from postroom.storage.tables import institutional_addresses
from tests.support import counted


@pytest.fixture
def postgresql_store(postgresql_url: str, tmp_path: Path) -> Iterator[Store]:
    """A store on PostgreSQL, for what only a server can do."""
    store = open_store(Settings(data_dir=tmp_path, secret_key="k" * 32, database=DatabaseSettings(url=postgresql_url)))
    yield store
    store.close()


def work(tx: Tx) -> None:
    row = {"email": f"{time.monotonic_ns()}@x.example", "name": "x", "created_at": 1}
    tx.execute(insert(institutional_addresses).values(row))
    wakeup.notify(tx)


async def quiet(waiter: wakeup.Wakeup) -> None:
    """Let what is reported at the beginning pass."""
    while await waiter.wait(0.3):
        pass


def test_a_commit_wakes_whoever_waits(store: Store) -> None:
    async def main() -> float:
        async with wakeup.open_wakeup(store.settings) as waiter:
            await quiet(waiter)
            waiting = asyncio.create_task(waiter.wait(10))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await store.database.write(work)
            start = time.monotonic()
            assert await waiting
            return time.monotonic() - start

    assert asyncio.run(main()) < 1.0


def test_a_commit_between_two_waits_is_not_missed(store: Store) -> None:
    async def main() -> None:
        async with wakeup.open_wakeup(store.settings) as waiter:
            await quiet(waiter)
            await store.database.write(work)
            await asyncio.sleep(0.1)
            assert await waiter.wait(1)
            assert not await waiter.wait(0.1)

    asyncio.run(main())


def test_work_that_is_rolled_back_wakes_nobody(postgresql_store: Store) -> None:
    """The notice is part of the transaction. (SQLite may take it for a commit: a wake-up may come for nothing.)"""

    def broken(tx: Tx) -> None:
        work(tx)
        raise KeyError

    async def main() -> None:
        async with wakeup.open_wakeup(postgresql_store.settings) as waiter:
            await quiet(waiter)
            with pytest.raises(KeyError):
                await postgresql_store.database.write(broken)
            assert not await waiter.wait(0.3)

    asyncio.run(main())


def test_notice_costs_nothing_on_sqlite(sqlite_store: Store) -> None:
    with counted(sqlite_store) as statements:
        sqlite_store.database.write_now(wakeup.notify)
    assert statements == []


def test_listener_comes_back_after_it_was_cut_off(postgresql_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart of the server costs a moment, no message."""
    monkeypatch.setattr(wakeup, "_RECONNECT", 0.05)

    async def main() -> None:
        async with wakeup.open_wakeup(postgresql_store.settings) as waiter:
            await quiet(waiter)
            await asyncio.to_thread(cut_off, postgresql_store.settings)
            assert await waiter.wait(5)  # it reports what it may have missed
            await quiet(waiter)
            await postgresql_store.database.write(work)
            assert await waiter.wait(5)

    asyncio.run(main())


def cut_off(settings: Settings) -> None:
    url = make_url(settings.database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN postroom_queue%'")


def test_store_that_is_away_is_waited_for(postgresql_store: Store) -> None:
    away = msgspec.structs.replace(
        postgresql_store.settings,
        database=msgspec.structs.replace(postgresql_store.settings.database, url="postgresql://nobody@127.0.0.1:1/none"),
    )

    async def main() -> None:
        async with wakeup.open_wakeup(away) as waiter:
            assert not await waiter.wait(0.2)

    asyncio.run(main())
