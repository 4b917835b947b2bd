"""Files that nobody needs any more (dialects/blobs.py): deleted, but not while another attachment is over the same bytes."""

import asyncio

import pytest
from sqlalchemy import insert

from postroom.dialects import blobs
from postroom.errors import NotFound
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attachments
from tests.delivery.letters import add_message


async def kept(store: Store) -> str:
    async with store.blobs.writer() as writer:
        await writer.write(b"bytes")
        return await writer.commit()


async def content(store: Store, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.blobs.read(key, 0, 5)])


def add_file(tx: Tx, key: str) -> None:
    message = add_message(tx, ["a@x.example"])
    row = {"message_id": message, "blob_key": key, "filename": "a", "content_type": "text/plain", "size": 5, "created_at": 1}
    tx.execute(insert(attachments).values(row))


def test_what_another_attachment_needs_stays(sqlite_store: Store) -> None:
    async def main() -> None:
        shared, alone = await kept(sqlite_store), await kept(sqlite_store)
        await sqlite_store.database.write(add_file, shared)
        await blobs.delete_unused(sqlite_store, [shared, alone])
        await blobs.delete_unused(sqlite_store, [])
        assert await content(sqlite_store, shared) == b"bytes"
        with pytest.raises(NotFound):
            await content(sqlite_store, alone)

    asyncio.run(main())
