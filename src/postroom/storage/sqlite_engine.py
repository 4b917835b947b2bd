"""Connections to the file of the embedded store: how they are set up and begin, and which errors speak of the disk or of other writers."""

import sqlite3
import time
from pathlib import Path
from typing import Final, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from postroom.errors import Unavailable

BUSY_TIMEOUT: Final = 15.0
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


def driver_of(tx: Connection) -> sqlite3.Connection:
    """Return the driver's own connection, for what SQLAlchemy does at a cost."""
    return cast("sqlite3.Connection", tx.connection.driver_connection)


def translated(error: BaseException) -> BaseException:
    """Return ``Unavailable`` for what the disk or other writers caused, the error itself for everything else."""
    raised = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(raised, "sqlite_errorcode", None)
    return Unavailable(str(raised)) if code is not None and code & 0xFF in _UNAVAILABLE else error


def make_engine(path: Path, *, begin: str, pool_size: int, pragma: str, look: float = BUSY_TIMEOUT) -> Engine:
    """Make an engine whose transactions begin with ``begin``; ``look``: seconds for which SQLite itself waits for whoever writes."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),  # not parsed: a path may hold any character
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        hide_parameters=True,  # errors are logged; addresses, secrets and contents of messages must not be
        connect_args={"timeout": look, "check_same_thread": False, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we begin and commit ourselves, sqlite3 must not
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        for setting in ("foreign_keys=ON", "cache_size=-32768", pragma):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        try:
            _begin(driver_of(connection), begin, connection.info.get("patience", BUSY_TIMEOUT))
        except sqlite3.Error as error:
            raise DBAPIError.instance(begin, None, error, sqlite3.Error) from error

    return engine


def _begin(driver: sqlite3.Connection, statement: str, patience: float) -> None:
    """Begin a transaction, waiting so many seconds for whoever writes; once begun, it waits for nobody."""
    end = time.monotonic() + patience
    while True:
        try:
            driver.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
        else:
            return


def _switch_to_wal(cursor: DBAPICursor) -> None:
    """Wait for our turn ourselves: for this one switch, made once in the life of a file, SQLite does not."""
    end = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
