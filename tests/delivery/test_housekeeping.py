"""Housekeeping: files whose links are over go, nonces are forgotten, and it may run anywhere at any time."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from postroom import clock
from postroom.delivery import housekeeping
from postroom.errors import NotFound
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attachments, clients, nonces
from tests.delivery.letters import add_message

NOW = clock.now()


def add_file(tx: Tx, message: int, key: str, expires_at: int | None) -> None:
    row = {"message_id": message, "blob_key": key, "filename": "x", "content_type": "text/plain", "size": 1, "created_at": 1}
    tx.execute(insert(attachments).values(**row, expires_at=expires_at))


async def blob(store: Store) -> str:
    async with store.blobs.writer() as writer:
        await writer.write(b"x")
        return await writer.commit()


async def exists(store: Store, key: str) -> bool:
    try:
        return [chunk async for chunk in store.blobs.read(key, 0, 1)] == [b"x"]
    except NotFound:
        return False


def test_files_are_deleted_when_their_links_are_over(store: Store) -> None:
    """Contract 1.3: after this time attachments will be automatically deleted."""

    async def main() -> None:
        message = store.database.write_now(add_message, ["a@x.example"])
        over, alive, draft = [await blob(store) for _ in range(3)]
        for key, end in ((over, NOW), (alive, NOW + 1), (draft, None)):
            store.database.write_now(add_file, message, key, end)
        await asyncio.gather(housekeeping.clear(store, NOW), housekeeping.clear(store, NOW))
        assert [await exists(store, key) for key in (over, alive, draft)] == [False, True, True]
        revoked = store.database.read_now(lambda tx: dict(tx.execute(select(attachments.c.blob_key, attachments.c.revoked_at)).all()))
        assert revoked == {over: NOW, alive: None, draft: None}

    asyncio.run(main())


def test_old_nonces_are_forgotten(store: Store) -> None:
    def prepare(tx: Tx) -> None:
        client = tx.execute(insert(clients).values(key="k", secret="s", name="n", created_at=1).returning(clients.c.id)).scalar_one()
        seconds = NOW // 1000
        window = store.settings.usos.timestamp_window
        rows: list[dict[str, Any]] = [{"client_id": client, "timestamp": seconds - age, "nonce": "x"} for age in (0, window, 3 * window)]
        tx.execute(insert(nonces), rows)

    store.database.write_now(prepare)
    asyncio.run(housekeeping.clear(store, NOW))
    assert len(store.database.read_now(lambda tx: tx.execute(select(nonces)).all())) == 2


def test_a_busy_minute_leaves_no_nonces_behind(store: Store) -> None:
    """What a busy API uses up in a minute is cleared in one: the table must not grow for ever."""

    def prepare(tx: Tx) -> None:
        client = tx.execute(insert(clients).values(key="k", secret="s", name="n", created_at=1).returning(clients.c.id)).scalar_one()
        tx.execute(insert(nonces), [{"client_id": client, "timestamp": 1, "nonce": str(number)} for number in range(2_500)])

    store.database.write_now(prepare)
    asyncio.run(housekeeping.clear(store, NOW))
    assert store.database.read_now(lambda tx: tx.execute(select(nonces)).all()) == []


def test_a_blob_that_is_gone_already_stops_nothing(store: Store) -> None:
    """Two workers, or one after a crash, may come for the same file."""
    message = store.database.write_now(add_message, ["a@x.example"])
    store.database.write_now(add_file, message, "ab" * 16, NOW)
    asyncio.run(housekeeping.clear(store, NOW))
    store.database.write_now(lambda tx: tx.execute(update(attachments).values(revoked_at=None)))
    asyncio.run(housekeeping.clear(store, NOW))


def test_no_work_is_no_trouble(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(housekeeping.clear(store, NOW))
    assert "cleared" not in capsys.readouterr().out
