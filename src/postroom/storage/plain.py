"""Statements in the words of each driver, for the one place where SQLAlchemy's way to say them costs more than running them.

The worker settles outcomes thousands of times a second. Through SQLAlchemy's result machinery each of its statements took
33 µs on SQLite, 18 of them in SQLite itself.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from postroom.storage.database import Tx

Statements = Mapping[str, str]
"""The same statement for each dialect: ``:name`` stands for a value on ``sqlite``, ``%(name)s`` on ``postgresql``."""


def run(tx: Tx, statements: Statements, values: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
    """Run a statement and return its rows."""
    if tx.dialect.name == "sqlite":
        driver = cast("sqlite3.Connection", tx.connection.driver_connection)
        return driver.execute(statements["sqlite"], values).fetchall()
    return tx.exec_driver_sql(statements[tx.dialect.name], values).all()
