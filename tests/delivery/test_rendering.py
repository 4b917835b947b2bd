"""From claimed recipients to jobs: what is wrong with one message holds up no other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from postroom import clock
from postroom.delivery import contexts, queue
from postroom.delivery.dispatch import Dispatch
from postroom.delivery.rendering import Renderer
from postroom.errors import Unavailable
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attachments, messages
from tests.delivery.letters import add_message, rows, settled, until, with_relay, working
from tests.delivery.sink import Sink, running


class Broken:
    """A store of attachments whose disk fails when a file is read."""

    def __init__(self, blobs: Any, error: Exception) -> None:
        self._blobs = blobs
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    async def read(self, *_: Any) -> AsyncIterator[bytes]:
        raise self._error
        yield b""


def attach(tx: Tx, message: int) -> None:
    now = clock.now()
    row = {"message_id": message, "blob_key": "ab" + "0" * 30, "filename": "a.txt", "size": 3, "description": "", "created_at": now}
    tx.execute(insert(attachments).values(**row, content_type="text/plain", expires_at=now + clock.DAY, disposition="attachment"))


def claimed(store: Store) -> list[Any]:
    return store.database.write_now(queue.claim, "me", clock.now(), 60_000, single=100, bulk=100)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), Unavailable("the disk is away")])
def test_a_file_that_cannot_be_read_now_holds_up_only_its_own_message(sqlite_store: Store, error: Exception) -> None:
    """It is no fault of the recipient: whoever needs the file is tried again later, no attempt burnt."""
    store = sqlite_store
    bad = store.database.write_now(add_message, ["ok-bad@x.example"])
    good = store.database.write_now(add_message, ["ok-good@x.example"])
    store.database.write_now(attach, bad)

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = msgspec.structs.replace(with_relay(store, sink.port), blobs=Broken(store.blobs, error))
            async with working(ours) as task:
                await settled(store, good, 10)
                await until(lambda: store.database.read_now(rows, bad)["ok-bad@x.example"].state == "queued")
                assert not task.done()
            assert sink.recipients() == ["ok-good@x.example"]

    asyncio.run(main())
    row = store.database.read_now(rows, bad)["ok-bad@x.example"]
    assert (row.attempts, row.lease_owner) == (0, None)
    assert 30 * clock.SECOND < row.due_at - clock.now() <= 60 * clock.SECOND


def test_recipients_of_one_message_have_its_mail_rendered_once(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many claims bring them, as long as the message stays as it is."""
    store = sqlite_store
    message = store.database.write_now(add_message, ["a@x.example", "b@x.example", "c@x.example"])
    first, *rest = claimed(store)
    monkeypatch.setattr("postroom.delivery.rendering._FRESH", -1.0)  # read anew each time

    async def main() -> None:
        renderer = Renderer(Dispatch(store, "me"))
        (one,) = await renderer.jobs([first])
        others = await renderer.jobs(rest)
        assert {id(job.skeleton) for job in others} == {id(one.skeleton)}
        await store.database.write(lambda tx: tx.execute(update(messages).where(messages.c.id == message).values(subject="New")))
        (changed,) = await renderer.jobs([first])
        assert changed.skeleton is not one.skeleton

    asyncio.run(main())


def test_messages_are_read_together(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim of many messages costs one look at the store."""
    store = sqlite_store
    for n in range(30):
        store.database.write_now(add_message, [f"{n}@x.example"])
    looks = []
    load = contexts.load

    def counting(*args: Any) -> Any:
        looks.append(args)
        return load(*args)

    monkeypatch.setattr(contexts, "load", counting)

    async def main() -> None:
        renderer = Renderer(Dispatch(store, "me"))
        assert len(await renderer.jobs(claimed(store))) == 30
        assert len(looks) == 1

    asyncio.run(main())


def test_rendered_messages_are_kept_within_bounds(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store = sqlite_store
    for n in range(10):
        store.database.write_now(add_message, [f"{n}@x.example"])
    monkeypatch.setattr("postroom.delivery.rendering._KEPT", 3)

    async def main() -> None:
        renderer = Renderer(Dispatch(store, "me"))
        assert len(await renderer.jobs(claimed(store))) == 10
        assert len(renderer._rendered) == 3
        monkeypatch.setattr("postroom.delivery.rendering._HELD", 0)
        await renderer.jobs([])
        assert len(renderer._rendered) == 0

    asyncio.run(main())


def test_a_message_that_is_gone_fails_for_its_recipients(sqlite_store: Store) -> None:
    """Its roll goes with it, so nothing is written; nobody else is held up."""
    store = sqlite_store
    gone = store.database.write_now(add_message, ["a@x.example"])
    store.database.write_now(add_message, ["b@x.example"])
    due = claimed(store)
    store.database.write_now(lambda tx: tx.execute(messages.delete().where(messages.c.id == gone)))

    async def main() -> None:
        jobs = await Renderer(Dispatch(store, "me")).jobs(due)
        assert [job.dues[0].email for job in jobs] == ["b@x.example"]

    asyncio.run(main())
