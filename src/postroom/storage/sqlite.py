"""The embedded store: SQLite in WAL mode, one writer thread with group commit, a few readers.

All writing units of a process go through one thread. It takes whatever waits, runs each unit in a savepoint of its own
and commits them together: many acceptances, one fsync. A unit that fails rolls back alone. Other processes (the worker
beside the API) write through writers of their own; they take turns (``turn``), and SQLite's BEGIN IMMEDIATE sees to it.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from postroom.errors import Unavailable
from postroom.storage.sqlite_engine import BUSY_TIMEOUT, driver_of, make_engine, translated
from postroom.storage.turn import Turn

P = ParamSpec("P")
T = TypeVar("T")

_GROUP: Final = 256
"""Units in one commit at most, so that the first of a rush does not wait for the last."""

_WAITING: Final = 10_000
"""Units that may wait for the writer; beyond that the store says that it is busy."""

_READERS: Final = 2
"""Reading threads: one for a long list, one beside it. More take the interpreter lock from each other (4: a fifth slower)."""

_LOOK: Final = 0.005
"""Seconds for which SQLite itself waits for somebody who writes: the event loop may have to stand still for so long."""

_SLOW: Final = 0.2
"""Seconds from which a commit takes too long for the event loop, all of whose requests wait for it."""

_SPARED: Final = 5.0
"""Seconds after such a commit for which the event loop leaves writing to the thread."""


class SqliteDatabase:
    """A ``Database`` in one file."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``, making it and its folder when they are missing.

        Raises ``Unavailable`` when the folder cannot be made.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # letters and addresses are nobody else's business
            if not path.exists():
                path.touch(mode=0o600)
            turn = Turn(path)
        except OSError as error:
            raise Unavailable(str(error)) from error
        self._closed = False
        self._brief: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
        self._read_engine = make_engine(path, begin="BEGIN", pool_size=_READERS, pragma="query_only=ON")
        self._brief_reader = _Reader(make_engine(path, begin="BEGIN", pool_size=1, pragma="query_only=ON"))
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._writer = _Writer(make_engine(path, begin="BEGIN IMMEDIATE", pool_size=1, pragma="synchronous=FULL", look=_LOOK), turn)

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._writer.submit(_Work(lambda tx: unit(tx, *args, **kwargs), future, loop))
        return await future

    async def write_briefly(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write_briefly``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        waiting = self._brief.get(loop)
        if waiting is None:
            waiting = self._brief[loop] = []
            loop.call_soon(self._flush_brief, loop)
        waiting.append(_Work(lambda tx: unit(tx, *args, **kwargs), future, loop))
        return await future

    async def read_briefly(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read_briefly``."""
        self._check_open()
        return self._brief_reader.run(lambda tx: unit(tx, *args, **kwargs))

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read``."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: self.read_now(unit, *args, **kwargs))

    async def read_behind(self, first: Callable[[Connection], None], unit: Callable[[Connection], T], *, brief: bool) -> T:
        """See ``Database.read_behind``. There is one writer, and it had better not read."""
        await self.write_briefly(first)
        return await (self.read_briefly(unit) if brief else self.read(unit))

    async def look_up(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.look_up``."""
        return await self.read_briefly(unit, *args, **kwargs)

    def write_now(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write_now``."""
        future: Future[T] = Future()
        self._writer.submit(_Work(lambda tx: unit(tx, *args, **kwargs), future, None))
        return future.result()

    def read_now(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read_now``."""
        self._check_open()
        try:
            with self._read_engine.begin() as tx:
                return unit(tx, *args, **kwargs)
        except DBAPIError as error:
            raise translated(error) from error

    def close(self) -> None:
        """See ``Database.close``."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._readers.shutdown()
        self._read_engine.dispose()
        self._brief_reader.close()

    def _flush_brief(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write the brief units of one turn of the loop; called by the loop."""
        group = [work for work in self._brief.pop(loop) if not work.future.cancelled()]
        if self._writer.run_here(group):
            _hand_over_all(group)
            return
        for work in group:
            try:
                self._writer.submit(work)
            except Unavailable as error:
                work.error = error
                work.hand_over()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")


class _Reader:
    """One connection that is kept: to take one from the pool costs more than many a unit. For one thread at a time; others wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._turn = threading.Lock()

    def run(self, unit: Callable[[Connection], T]) -> T:
        with self._turn:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                with self._connection.begin():
                    return unit(self._connection)
            except DBAPIError as error:
                self._forget()
                raise translated(error) from error

    def close(self) -> None:
        self._forget()
        self._engine.dispose()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Work:
    """A unit that waits for the writer, the future that its caller holds, and the event loop of that future if it has one."""

    __slots__ = ("error", "future", "loop", "result", "unit")

    def __init__(self, unit: Callable[[Connection], Any], future: Any, loop: asyncio.AbstractEventLoop | None) -> None:  # noqa: ANN401 - of either kind
        self.unit = unit
        self.future = future
        self.loop = loop
        self.result: Any = None
        self.error: BaseException | None = None

    def hand_over(self) -> None:
        """Tell the caller, unless it was cancelled meanwhile; on its own thread if it has an event loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class _Writer:
    """The thread that writes. ``submit`` may be called from any thread."""

    def __init__(self, engine: Engine, turn: Turn) -> None:
        self._engine = engine
        self._others = turn
        self._connection: Connection | None = None  # kept: to take one from the pool costs more than many a unit
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._turn = threading.Lock()  # whoever holds it uses the connection
        self._thread_works = False
        self._spared_until = 0.0  # on the monotonic clock
        self._gate = threading.Lock()  # nothing may come behind the None that ends the thread: nobody would answer it
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, work: _Work) -> None:
        with self._gate:
            if self._closing:
                raise Unavailable("the store is closed")
            if self._waiting.qsize() >= _WAITING:
                raise Unavailable("too many writes are waiting")
            self._waiting.put(work)

    def run_here(self, group: list[_Work]) -> bool:
        """Run units on the calling thread; ``False``: others write now, or the disk refuses or is slow, and nothing was done."""
        if self._closing or self._thread_works or time.monotonic() < self._spared_until:
            return False
        if not self._waiting.empty() or not self._turn.acquire(blocking=False):
            return False  # units that wait for the thread come first: it might never get its turn otherwise
        try:
            if self._connection is None or not self._others.take(0):  # opening a connection, or waiting for others, takes longer
                return False
            try:
                return self._transact_briefly(group)
            finally:
                self._others.give_back()
        finally:
            self._turn.release()

    def _transact_briefly(self, group: list[_Work]) -> bool:
        committed = self._transact(group, patience=0)
        if committed or not any(isinstance(work.error, Unavailable) for work in group):
            return True
        for work in group:
            work.error = None
        return False

    def close(self) -> None:
        with self._gate:
            self._closing = True
            self._waiting.put(None)
        self._thread.join()
        self._forget()
        self._engine.dispose()
        self._others.close()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._thread_works = True
            group, last = self._gather(first)
            wanted = [work for work in group if not work.future.cancelled()]
            with self._turn:
                self._transact_in_turn(wanted)
            self._thread_works = False
            _tell(wanted)
            if last:
                break

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

    def _transact_in_turn(self, wanted: list[_Work]) -> None:
        if not self._others.take(BUSY_TIMEOUT):
            for work in wanted:
                work.error = Unavailable("another process writes and does not let go")
            return
        try:
            self._transact(wanted, BUSY_TIMEOUT)
        finally:
            self._others.give_back()

    def _transact(self, wanted: list[_Work], patience: float) -> bool:
        """Run units in one transaction and note what became of each; return whether it was committed.

        ``patience``: seconds to wait for somebody who writes without taking turns.
        """
        if not wanted:
            return True
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            self._connection.info["patience"] = patience
            with self._connection.begin():
                if len(wanted) == 1:  # what it changed is undone with the transaction: no need of a savepoint
                    wanted[0].result = wanted[0].unit(self._connection)
                else:
                    for work in wanted:
                        _run_in_savepoint(self._connection, work)
                worked = time.monotonic()
            committed = time.monotonic()
            if committed - worked > _SLOW:
                self._spared_until = committed + _SPARED
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers who wait must hear of it
            failure = translated(error)
            for work in wanted:
                work.error = work.error or failure
            self._forget()
            return False
        return True


def _tell(done: list[_Work]) -> None:
    """Hand out what became of units: to all callers on one event loop at once, since waking it costs more than many a unit."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
    for work in done:
        if work.loop is None:
            work.hand_over()
        else:
            by_loop.setdefault(work.loop, []).append(work)
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_hand_over_all, theirs)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass


def _hand_over_all(done: list[_Work]) -> None:
    for work in done:
        work.hand_over()


def _run_in_savepoint(tx: Connection, work: _Work) -> None:
    """Run one unit and note what became of it; what it changed is undone when it fails.

    Raises when SQLite gave up the whole transaction (a full disk does that), since then the units before are undone too.
    """
    driver = driver_of(tx)  # SQLAlchemy's own savepoints cost more than many a unit
    driver.execute("SAVEPOINT unit")
    try:
        work.result = work.unit(tx)
    except BaseException as error:
        failure = translated(error)
        if tx.invalidated or tx.closed or not driver.in_transaction:  # nor is there a savepoint that could be rolled back to
            raise failure from error
        driver.execute("ROLLBACK TO unit")
        work.error = failure
    driver.execute("RELEASE unit")
