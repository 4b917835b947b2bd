"""How a worker learns that there is something to do, without asking for it all the time.

On PostgreSQL whoever queues recipients notifies a channel inside of its transaction, so the notice goes out with the
commit and never without it. On SQLite there is nothing to send: ``PRAGMA data_version`` changes as seen by one
connection whenever another one commits, and reading it costs microseconds, so the worker looks a few dozen times a second.

A wake-up says "look now", not what there is: it may come for nothing, and never for too little. Everything that was
committed before ``wait`` returned is visible to the next read.
"""

import asyncio
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import psycopg
from sqlalchemy import make_url, text

from postroom.settings import Settings
from postroom.storage.database import Tx

CHANNEL: Final = "postroom_queue"

_POLL: Final = 0.035
"""Seconds between two looks at SQLite: an idle worker is to start within 50 ms, and idling is to cost next to nothing."""

_RECONNECT: Final = 1.0
"""Seconds before the next try to reach a PostgreSQL server that is away."""


def notify(tx: Tx) -> None:
    """Wake the workers when this transaction is committed; several calls in one transaction wake them once."""
    if tx.dialect.name == "postgresql":
        tx.execute(text(f"NOTIFY {CHANNEL}"))


class Wakeup(Protocol):
    """Waits for commits of others; to be used as ``async with``, by one waiter at a time."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - the time is part of what is waited for
        """Wait up to ``timeout`` seconds for a wake-up since the last call returned; tell whether there was one."""
        ...


def open_wakeup(settings: Settings) -> Wakeup:
    """Return the way to wait that fits the store of ``settings``."""
    if not settings.database.url:
        return SqliteWakeup(settings.database_file)
    return PostgresqlWakeup(make_url(settings.database.url).set(drivername="postgresql").render_as_string(hide_password=False))


class SqliteWakeup:
    """Looks at ``PRAGMA data_version`` over a connection of its own, which never writes."""

    def __init__(self, path: Path) -> None:
        """Watch the database file at ``path``."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._seen = -1  # so that the first wait returns at once: what came before it is work too

    async def __aenter__(self) -> Self:
        self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - see Wakeup.wait
        """See ``Wakeup.wait``."""
        end = asyncio.get_running_loop().time() + timeout
        while not self._changed():
            rest = end - asyncio.get_running_loop().time()
            if rest <= 0:
                return False
            await asyncio.sleep(min(_POLL, rest))
        return True

    def _changed(self) -> bool:
        if self._connection is None:
            msg = "a wake-up is used as 'async with'"
            raise RuntimeError(msg)
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.OperationalError:  # the file is locked for a moment, as after a crash: the next look will tell
            return False
        changed, self._seen = version != self._seen, version
        return changed


class PostgresqlWakeup:
    """Listens on a connection of its own; comes back by itself when the server was away."""

    def __init__(self, url: str) -> None:
        """Listen to the server at ``url`` (``postgresql://…``)."""
        self._url = url
        self._woken = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listener = asyncio.create_task(self._listen(), name="postroom wake-up")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - see Wakeup.wait
        """See ``Wakeup.wait``."""
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except psycopg.OperationalError:  # the server restarts, or the network is away; the worker's own reads tell of it
                await asyncio.sleep(_RECONNECT)

    async def _listen_once(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=10) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self._woken.set()  # whatever was committed before this connection listened
            async for _ in connection.notifies():
                self._woken.set()
