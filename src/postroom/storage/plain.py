"""Statements in the words of each driver, for the one place where SQLAlchemy's way to say them costs more than running them.

The worker settles outcomes thousands of times a second. Through SQLAlchemy's result machinery each of its statements took
33 µs on SQLite, 18 of them in SQLite itself; on PostgreSQL each was a round trip, where several can share one.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy.exc import DBAPIError

from postroom.storage.database import Tx

Statement = Mapping[str, str]
"""One statement for each dialect, with rows as its result: ``:name`` is a value on ``sqlite``, ``%(name)s`` on ``postgresql``."""

Rows = Sequence[tuple[Any, ...]]


def run(tx: Tx, *statements: tuple[Statement, Mapping[str, object]]) -> list[Rows]:
    """Run statements with their values, one after the other, and return the rows of each.

    Raises ``DBAPIError`` as SQLAlchemy would, on SQLite the driver's own errors.
    """
    if tx.dialect.name == "sqlite":
        driver = cast("sqlite3.Connection", tx.connection.driver_connection)
        return [driver.execute(statement["sqlite"], values).fetchall() for statement, values in statements]
    return _run_in_pipeline(tx, [(statement["postgresql"], values) for statement, values in statements])


def _run_in_pipeline(tx: Tx, statements: Sequence[tuple[str, Mapping[str, object]]]) -> list[Rows]:
    """Send all statements before the first answer is waited for (psycopg's pipeline mode): one round trip."""
    import psycopg  # noqa: PLC0415 - only where that store is used

    driver = cast("psycopg.Connection[tuple[Any, ...]]", tx.connection.driver_connection)
    try:
        with driver.pipeline():
            cursors = [driver.execute(statement.encode(), values) for statement, values in statements]
        return [cursor.fetchall() for cursor in cursors]
    except psycopg.Error as error:
        if driver.closed:
            tx.invalidate(error)
        raise DBAPIError.instance(statements[0][0], None, error, psycopg.Error, connection_invalidated=driver.closed) from error
