"""The store for more than one machine: PostgreSQL through psycopg 3, units on a small pool of threads.

Each unit is one transaction on one connection of the pool. A unit that PostgreSQL gave up for the sake of another one
(deadlock, serialisation) runs again, a few times.
"""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Final, ParamSpec, TypeVar

import psycopg.errors
from msgspec import Struct
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from postroom.errors import PostroomError, Unavailable
from postroom.storage import plain

P = ParamSpec("P")
T = TypeVar("T")

_TRIES: Final = 5
_PAUSE: Final = (0.005, 0.05)
"""Seconds before the next try, so that the unit which waits for what this one let go gets it first."""

_CONNECT_TIMEOUT: Final = 10
_STATEMENT_TIMEOUT_MS: Final = 120_000
_POOL_TIMEOUT: Final = 30.0

_SESSION: Final = (
    f"statement_timeout={_STATEMENT_TIMEOUT_MS}",
    "timezone=UTC",
    # What a request reads are few rows that an index names, from memory or a disk without moving parts. As if it were a disk of old
    # PostgreSQL reads whole tables to save itself a few hundred look-ups, and compiles statements that run for a millisecond.
    "random_page_cost=1.1",
    "jit=off",
    # Starting processes to share such a request takes longer than the request.
    "max_parallel_workers_per_gather=0",
)

_AGAIN: Final = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_UNAVAILABLE: Final = (
    psycopg.errors.DiskFull,
    psycopg.errors.OutOfMemory,
    psycopg.errors.TooManyConnections,
    psycopg.errors.QueryCanceled,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.ReadOnlySqlTransaction,
)


class PostgresqlDatabase:
    """A ``Database`` on a PostgreSQL server."""

    dialect = "postgresql"

    def __init__(self, url: URL, connections: int = 4) -> None:
        """Prepare a pool of at most ``connections`` to the server at ``url`` (driver ``postgresql+psycopg``)."""
        self._closed = False
        options = {"connect_timeout": _CONNECT_TIMEOUT, "options": " ".join(f"-c {setting}" for setting in _SESSION)}
        self._engine: Engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT,
            pool_pre_ping=False,
            hide_parameters=True,  # errors are logged; addresses, secrets and contents of messages must not be
            connect_args=options,
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._noted = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="postgresql")

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write``."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.write_now(unit, *args, **kwargs))

    async def write_briefly(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write_briefly``. A server that is slow, or away, would hold up the loop: so it is as any other."""
        return await self.write(unit, *args, **kwargs)

    async def read_briefly(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read_briefly``, and ``write_briefly``."""
        return await self.read(unit, *args, **kwargs)

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read``."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.read_now(unit, *args, **kwargs))

    async def read_behind(self, first: Callable[[Connection], None], unit: Callable[[Connection], T], *, brief: bool) -> T:  # noqa: ARG002 - as above
        """See ``Database.read_behind``."""

        def both(tx: Connection) -> T | _Refused:
            first(tx)
            try:
                return unit(tx)
            except Unavailable:
                raise
            except PostroomError as error:  # the transaction goes on, to keep what was written first
                return _Refused(error)

        self._check_open()
        outcome = await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._run(self._noted, both))
        if isinstance(outcome, _Refused):
            raise outcome.error
        return outcome

    async def look_up(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.look_up``."""
        self._check_open()
        work = lambda: self._run(self._single, lambda tx: unit(tx, *args, **kwargs))  # noqa: E731 - as above
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def write_now(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.write_now``."""
        return self._run(self._engine, lambda tx: unit(tx, *args, **kwargs))

    def read_now(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Database.read_now``."""
        return self._run(self._snapshots, lambda tx: unit(tx, *args, **kwargs))

    def close(self) -> None:
        """See ``Database.close``."""
        if self._closed:
            return
        self._closed = True
        self._threads.shutdown()
        self._engine.dispose()

    def _run(self, engine: Engine, unit: Callable[[Connection], T]) -> T:
        self._check_open()
        for rest in reversed(range(_TRIES)):
            try:
                with engine.begin() as tx:
                    plain.plan_once(tx)
                    return unit(tx)
            except DBAPIError as error:
                if not isinstance(error.orig, _AGAIN) or not rest:
                    raise _translated(error) from error
                time.sleep(random.uniform(*_PAUSE))  # noqa: S311 - no secret: it only parts those that met
            except PoolTimeout as error:
                raise Unavailable("every connection to the store is busy") from error
        raise AssertionError("unreachable: the last try returns or raises")

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")


class _Refused(Struct, frozen=True):
    """A reading unit was refused, behind one that wrote."""

    error: PostroomError


def _translated(error: DBAPIError) -> Exception:
    """``Unavailable`` for what the server or the network caused, the error itself for everything else."""
    away = isinstance(error, OperationalError) and error.orig is not None and getattr(error.orig, "sqlstate", None) is None
    if away or error.connection_invalidated or isinstance(error.orig, (*_AGAIN, *_UNAVAILABLE)):
        return Unavailable(str(error.orig).strip())
    return error
