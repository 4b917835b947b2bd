"""How a worker learns that there is something to do, without asking for it all the time.

On PostgreSQL whoever queues recipients notifies a channel inside of its transaction, so the notice goes out with the
commit and never without it. On SQLite there is nothing to send: ``PRAGMA data_version`` changes as seen by one
connection whenever another one commits, and reading it costs microseconds. When to read it, the kernel tells (inotify):
a commit writes to the ``-wal`` file beside the database. Where that cannot be had, the worker looks a few dozen times a second.

A wake-up says "look now", not what there is: it may come for nothing, and never for too little. Everything that was
committed before ``wait`` returned is visible to the next read. However many commits there are, a waiter is woken once
in ``_REST`` seconds at most.
"""

import asyncio
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import psycopg
import structlog
from sqlalchemy import make_url, text

from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.inotify import FolderWatch

CHANNEL: Final = "postroom_queue"

_REST: Final = 0.01
"""Seconds after a wake-up in which there is no other: a busy API commits thousands of times a second, and one look finds it all."""

_POLL: Final = 0.035
"""Seconds between two looks at SQLite without inotify: a worker is to start within 50 ms of a commit."""

_FIRST: Final = 0.001
_GROWTH: Final = 1.5
_LISTENING: Final = 0.025
_LONGEST: Final = 1.0
"""Pauses between two looks at SQLite with inotify, in seconds.

The kernel tells of the write to the log, and the commit is visible only when the disk has confirmed that: in a
millisecond, or in a hundred. So pauses begin short and grow with the time that has passed, and whatever is written
meanwhile is looked at by the same looks. From ``_LISTENING`` on, another write begins the row anew. The longest is the
pause of an idle worker; it would find what the kernel did not tell of.
"""

_SILENCE: Final = 60.0
"""Seconds that the listener waits for word of PostgreSQL at a time."""

_RECONNECT: Final = 1.0
"""Seconds before the next try to reach a PostgreSQL server that is away."""

_log: Final = structlog.get_logger("postroom.storage")


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
        """Watch the database file at ``path``, which may be made later."""
        self._path = path.resolve()  # SQLite too puts the log beside the file itself, not beside a link to it
        self._connection: sqlite3.Connection | None = None
        self._folder: FolderWatch | None = None
        self._seen = -1  # so that the first wait returns at once: what came before it is work too
        self._pause = _FIRST
        self._rested_at = 0.0

    async def __aenter__(self) -> Self:
        try:
            self._folder = FolderWatch(self._path.parent)
        except OSError as error:
            _log.warning("store_polled", reason=str(error))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._folder is not None:
            self._folder.close()
        if self._connection is not None:
            self._connection.close()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - see Wakeup.wait
        """See ``Wakeup.wait``."""
        clock = asyncio.get_running_loop().time
        end = clock() + timeout
        await asyncio.sleep(min(self._rested_at - clock(), timeout))
        while not self._changed():
            rest = end - clock()
            if rest <= 0:
                return False
            await self._wait_to_look(rest)
        self._rested_at = clock() + _REST
        return True

    async def _wait_to_look(self, rest: float) -> None:
        """Wait until it is time for the next look, ``rest`` seconds at most."""
        if self._folder is None:
            await asyncio.sleep(min(_POLL, rest))
            return
        if self._pause < _LISTENING:
            await asyncio.sleep(min(self._pause, rest))
        elif await _readable(self._folder.fileno(), min(self._pause, rest)):
            self._folder.drain()
            self._pause = _FIRST
            return
        self._pause = min(self._pause * _GROWTH, _LONGEST)

    def _changed(self) -> bool:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(f"{self._path.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.OperationalError:  # not there yet, or locked for a moment, as after a crash: the next look will tell
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
        async with await self._connect() as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self._woken.set()  # whatever was committed before this connection listened
            while True:
                if await _readable(connection.fileno(), _SILENCE):  # by ourselves: psycopg looks ten times a second
                    if [notice async for notice in connection.notifies(timeout=0)]:
                        self._woken.set()
                    await asyncio.sleep(_REST)

    async def _connect(self) -> psycopg.AsyncConnection:
        """Connect so that the system finds out within a minute when the server is gone without a word, as when its machine fails."""
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=10, keepalives_idle=30, keepalives_interval=10, keepalives_count=3
        )


async def _readable(descriptor: int, seconds: float) -> bool:
    """Wait up to ``seconds`` until there is something to read; tell whether there is."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(seconds):
            await ready.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True
