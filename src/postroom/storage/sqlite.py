"""The embedded store: SQLite in WAL mode, one writer thread with group commit, a few readers.

All writing units of a process go through one thread. It takes whatever waits, runs each unit in a savepoint of its own
and commits them together: many acceptances, one fsync. A unit that fails rolls back alone. Other processes (the worker
beside the API) write through writers of their own; SQLite serialises them, BEGIN IMMEDIATE waits its turn.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from postroom.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_GROUP: Final = 256
"""Units in one commit at most, so that the first of a rush does not wait for the last."""

_WAITING: Final = 10_000
"""Units that may wait for the writer; beyond that the store says that it is busy."""

_READERS: Final = 2
"""Reading threads: one for a long list, one beside it. More take the interpreter lock from each other (4: a fifth slower)."""

_BUSY_TIMEOUT: Final = 15.0
"""Seconds to wait for another process that writes."""

_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
"""Result codes that speak of the disk, the file or other writers, never of the unit."""


class SqliteDatabase:
    """A ``Database`` in one file."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``, making it and its folder when they are missing.

        Raises ``Unavailable`` when the folder cannot be made.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # letters and addresses are nobody else's business
        except OSError as error:
            raise Unavailable(str(error)) from error
        self._closed = False
        self._read_engine = _engine(path, begin="BEGIN", pool_size=_READERS, pragma="query_only=ON")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._writer = _Writer(_engine(path, begin="BEGIN IMMEDIATE", pool_size=1, pragma="synchronous=FULL"))

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write``."""
        return await asyncio.wrap_future(self._writer.submit(lambda tx: unit(tx, *args, **kwargs)))

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read``."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: self.read_now(unit, *args, **kwargs))

    def write_now(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write_now``."""
        return self._writer.submit(lambda tx: unit(tx, *args, **kwargs)).result()

    def read_now(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read_now``."""
        self._check_open()
        try:
            with self._read_engine.begin() as tx:
                return unit(tx, *args, **kwargs)
        except DBAPIError as error:
            raise _translated(error) from error

    def close(self) -> None:
        """See ``Database.close``."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._readers.shutdown()
        self._read_engine.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")


class _Work:
    """A unit that waits for the writer, and the future that its caller holds."""

    __slots__ = ("future", "result", "unit")

    def __init__(self, unit: Callable[[Connection], Any]) -> None:
        self.unit = unit
        self.future: Future[Any] = Future()
        self.result: Any = None


class _Writer:
    """The thread that writes. ``submit`` may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.Queue[_Work | None] = queue.Queue(_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Callable[[Connection], T]) -> Future[T]:
        if self._closing.is_set():
            raise Unavailable("the store is closed")
        work = _Work(unit)
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            raise Unavailable("too many writes are waiting") from None
        return work.future

    def close(self) -> None:
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, last = self._gather(first)
            self._commit_together([work for work in group if work.future.set_running_or_notify_cancel()])
            if last:
                break
        while not self._waiting.empty():  # units that slipped in while the store was closing
            late = self._waiting.get()
            if late is not None and late.future.set_running_or_notify_cancel():
                late.future.set_exception(Unavailable("the store is closed"))

    def _gather(self, first: _Work) -> tuple[list[_Work], bool]:
        """Take what waits behind ``first``; the flag says that the end was met."""
        group = [first]
        while len(group) < _GROUP:
            try:
                work = self._waiting.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, True
            group.append(work)
        return group, False

    def _commit_together(self, group: list[_Work]) -> None:
        if not group:
            return
        succeeded: list[_Work] = []
        try:
            with self._engine.begin() as tx:
                for work in group:
                    if _run_in_savepoint(tx, work):
                        succeeded.append(work)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers who wait must hear of it
            failure = _translated(error) if isinstance(error, DBAPIError) else error
            for work in group:
                if not work.future.done():
                    work.future.set_exception(failure)
            return
        for work in succeeded:
            work.future.set_result(work.result)


def _run_in_savepoint(tx: Connection, work: _Work) -> bool:
    """Run one unit; tell whether its changes are to be committed.

    Raises when SQLite gave up the whole transaction (a full disk does that), since then the units before are undone too.
    """
    tx.exec_driver_sql("SAVEPOINT unit")  # SQLAlchemy's own savepoints cost more than many a unit
    try:
        work.result = work.unit(tx)
    except BaseException as error:
        failure = _translated(error) if isinstance(error, DBAPIError) else error
        if not _in_transaction(tx):  # nor is there a savepoint any more that could be rolled back to
            raise failure from error
        tx.exec_driver_sql("ROLLBACK TO unit")
        tx.exec_driver_sql("RELEASE unit")
        work.future.set_exception(failure)
        return False
    tx.exec_driver_sql("RELEASE unit")
    return True


def _in_transaction(tx: Connection) -> bool:
    if tx.invalidated or tx.closed:
        return False
    return bool(tx.connection.driver_connection.in_transaction)  # type: ignore[union-attr]  # the driver's own connection is untyped


def _translated(error: DBAPIError) -> Exception:
    """``Unavailable`` for what the disk or other writers caused, the error itself for everything else."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return Unavailable(str(error.orig)) if code is not None and code & 0xFF in _UNAVAILABLE else error


def _engine(path: Path, *, begin: str, pool_size: int, pragma: str) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),  # not parsed: a path may hold any character
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_BUSY_TIMEOUT,
        hide_parameters=True,  # errors are logged; addresses, secrets and contents of messages must not be
        connect_args={"timeout": _BUSY_TIMEOUT, "check_same_thread": False, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we begin and commit ourselves, sqlite3 must not
        cursor = connection.cursor()
        for setting in ("journal_mode=WAL", "foreign_keys=ON", "cache_size=-32768", pragma):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
