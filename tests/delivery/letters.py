"""Messages that are on their way, put straight into the tables."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from postroom import clock
from postroom.delivery import counters, worker
from postroom.settings import DeliverySettings, MailSettings, RelaySettings, Settings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attempts, messages, recipients, users

FAST = DeliverySettings(retry_first=0.05, retry_longest=0.2, unknown_pause=0.05, lease=5)


def with_relay(store: Store, port: int, delivery: DeliverySettings = FAST, mail: MailSettings | None = None, **relay: Any) -> Store:
    """The same store with a relay on a loopback port."""
    parts = {"relay": RelaySettings(**{"port": port, "connections": 3, "timeout": 5.0, **relay}), "delivery": delivery}
    settings: Settings = msgspec.structs.replace(store.settings, **parts, **({"mail": mail} if mail else {}))
    return msgspec.structs.replace(store, settings=settings)


def add_person(tx: Tx, first: str = "Ala", last: str = "Kot", email: str | None = "ala@uni.example") -> int:
    row = {"first_name": first, "last_name": last, "email": email, "created_at": 1, "modified_at": 1}
    return tx.execute(insert(users).values(row).returning(users.c.id)).scalar_one()


def add_message(tx: Tx, emails: Sequence[str | None], *, lane: str = "single", expires_at: int | None = None, **columns: Any) -> int:
    """A message that was sent just now to these addresses; whoever has none is a person."""
    now = clock.now()
    author = columns.pop("author_id", None) or add_person(tx)
    row = {
        "author_id": author,
        "dialect": "usos",
        "subject": "Zażółć",
        "content": "Dzień dobry.\n",
        "language": "pl",
        "status": "pending",
        "created_at": now,
        "modified_at": now,
        "sent_at": now,
        **columns,
    }
    message = tx.execute(insert(messages).values(row).returning(messages.c.id)).scalar_one()
    rows = [
        {
            "message_id": message,
            "email": email,
            "user_id": author if email is None else None,
            "state": "queued",
            "lane": lane,
            "due_at": now,
            "expires_at": expires_at or now + clock.DAY,
        }
        for email in emails
    ]
    tx.execute(insert(recipients), rows)
    return message


def rows(tx: Tx, message: int) -> dict[str, Any]:
    """The recipients of a message by address."""
    found = tx.execute(select(recipients).where(recipients.c.message_id == message).order_by(recipients.c.id))
    return {row.email: row for row in found}


def states(tx: Tx, message: int) -> dict[str, str]:
    return {email: row.state for email, row in rows(tx, message).items()}


def status(tx: Tx, message: int) -> str:
    return tx.execute(select(messages.c.status).where(messages.c.id == message)).scalar_one()


def tries(tx: Tx) -> list[Any]:
    return list(tx.execute(select(attempts).order_by(attempts.c.id)))


def tallies(store: Store) -> dict[str, int]:
    """What the store has counted, by name."""
    return {counter.name: counter.value for counter in store.database.read_now(counters.read)}


def make_due(tx: Tx) -> None:
    tx.execute(update(recipients).where(recipients.c.due_at.is_not(None)).values(due_at=clock.now()))


@contextlib.asynccontextmanager
async def working(store: Store) -> AsyncIterator[asyncio.Task[None]]:
    """A worker runs meanwhile and is stopped cleanly at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(store, stop))
    try:
        yield task
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds; it is looked at often."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it speaks of the database, which sets no event of ours
            await asyncio.sleep(0.005)


async def settled(store: Store, message: int, seconds: float = 60.0) -> None:
    """Wait until the message is settled."""
    await until(lambda: store.database.read_now(status, message) != "pending", seconds)
