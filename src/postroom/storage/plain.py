"""Statements in the words of each driver, where SQLAlchemy's way to run them costs more than the statement itself.

The worker settles outcomes thousands of times a second, and every signed request looks up who calls. Through SQLAlchemy's result
machinery a statement took 33 µs on SQLite, 18 of them in SQLite itself; on PostgreSQL each was a round trip, where several can share one.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import ClauseElement, Compiled, Dialect
from sqlalchemy.dialects import registry
from sqlalchemy.exc import DBAPIError

from postroom.storage.database import Tx
from postroom.storage.sqlite_engine import driver_of

if TYPE_CHECKING:
    import psycopg

_PREPARED_AFTER: Final = 5
"""Times that a connection runs a statement before it has the server prepare it."""

Statement = Mapping[str, str]
"""One statement for each dialect, with rows as its result: ``:name`` is a value on ``sqlite``, ``%(name)s`` on ``postgresql``."""

_DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite": registry.load("sqlite")(paramstyle="named"),
    "postgresql": registry.load("postgresql.psycopg")(),
}

Rows = Sequence[tuple[Any, ...]]


def compiled(build: Callable[[str], ClauseElement]) -> Statement:
    """Put a statement, built for each dialect, into the words of its driver; its values are the ``bindparam`` in it, and nothing else.

    It returns rows, in which SQLite has 0 and 1 for truth values. Raises ``ValueError`` for values that stand in the statement.
    """
    return {dialect: _words(build(dialect).compile(dialect=made)) for dialect, made in _DIALECTS.items()}


def run(tx: Tx, *statements: tuple[Statement, Mapping[str, object]]) -> list[Rows]:
    """Run statements with their values, one after the other, and return the rows of each.

    Raises ``DBAPIError`` as SQLAlchemy would.
    """
    if tx.dialect.name == "sqlite":
        driver = driver_of(tx)
        try:
            return [driver.execute(statement["sqlite"], values).fetchall() for statement, values in statements]
        except sqlite3.Error as error:
            raise DBAPIError.instance(statements[0][0]["sqlite"], None, error, sqlite3.Error) from error
    return _run_in_pipeline(tx, [(statement["postgresql"], values) for statement, values in statements])


def run_many(tx: Tx, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Run one statement of SQLite's, which returns nothing, for each of the rows. Raises as ``run``."""
    driver = driver_of(tx)
    try:
        driver.executemany(statement, rows)
    except sqlite3.Error as error:
        raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error


@contextmanager
def savepoint(tx: Tx) -> Iterator[None]:
    """Undo what is done within when it raises, and nothing else."""
    if tx.dialect.name != "sqlite":
        with tx.begin_nested():
            yield
        return
    driver = driver_of(tx)
    driver.execute("SAVEPOINT work")
    try:
        yield
    except BaseException:
        if driver.in_transaction:  # else SQLite gave up the whole of it, as on a full disk
            driver.execute("ROLLBACK TO work")
            driver.execute("RELEASE work")
        raise
    driver.execute("RELEASE work")


def plan_anew(tx: Tx) -> None:
    """Have PostgreSQL plan the statements of this transaction with their values, from now on; SQLite always plans them without.

    For what reads mailboxes: one holds ten messages and another a hundred thousand, and a word is rare or in every text. The plan for
    anybody, which the server comes to prefer, took 70 ms for a thread that the plan for its values reads in 2; to plan takes half a
    millisecond.
    """
    if tx.dialect.name == "postgresql":
        _psycopg(tx).prepare_threshold = None


def plan_once(tx: Tx) -> None:
    """Have PostgreSQL keep the plans of statements that come again and again, as each transaction begins."""
    if tx.dialect.name == "postgresql":
        _psycopg(tx).prepare_threshold = _PREPARED_AFTER


def _words(made: Compiled) -> str:
    if any(value is not None for value in made.params.values()):
        raise ValueError(f"only named values can be given: {made}")
    return str(made)


def _run_in_pipeline(tx: Tx, statements: Sequence[tuple[str, Mapping[str, object]]]) -> list[Rows]:
    """Send all statements before the first answer is waited for (psycopg's pipeline mode): one round trip."""
    import psycopg  # noqa: PLC0415 - only where that store is used

    driver = _psycopg(tx)
    try:
        with driver.pipeline():
            cursors = [driver.execute(statement.encode(), values) for statement, values in statements]
        return [cursor.fetchall() for cursor in cursors]
    except psycopg.Error as error:
        if driver.closed:
            tx.invalidate(error)
        raise DBAPIError.instance(statements[0][0], None, error, psycopg.Error, connection_invalidated=driver.closed) from error


def _psycopg(tx: Tx) -> "psycopg.Connection[tuple[Any, ...]]":
    return cast("psycopg.Connection[tuple[Any, ...]]", tx.connection.driver_connection)
