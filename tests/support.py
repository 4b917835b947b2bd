"""What several tests need: counting statements, people and messages to begin with."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Engine, event, text

from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.plain import Rows, Statement
from postroom.storage.store import Store

EASY_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Hashes passwords with little work, for tests that have nothing to do with how much it is."""


@contextlib.contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """Collect the SQL statements that any thread of this process runs meanwhile, without those that open and close transactions."""
    statements: list[str] = []

    def remember(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.split(None, 1)[0].upper() not in {"BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA"}:
            statements.append(statement)

    run, run_many = plain.run, plain.run_many

    def remember_plain(tx: Tx, *given: tuple[Statement, Mapping[str, object]]) -> list[Rows]:
        statements.extend(statement[tx.dialect.name] for statement, _ in given)
        return run(tx, *given)

    def remember_many(tx: Tx, statement: str, given: Sequence[Mapping[str, object]]) -> None:
        statements.append(statement)
        run_many(tx, statement, given)

    event.listen(Engine, "before_cursor_execute", remember)
    plain.run, plain.run_many = remember_plain, remember_many
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
        plain.run, plain.run_many = run, run_many


def plans(tx: Tx, unit: Callable[..., Any], *arguments: Any) -> list[str]:
    """Run a unit and return the plans of its statements, one text each; PostgreSQL is kept from reading small tables whole."""
    sent: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    explain = "EXPLAIN QUERY PLAN "
    if tx.dialect.name == "postgresql":
        explain = "EXPLAIN "
        tx.execute(text("SET LOCAL enable_seqscan = off"))
    event.listen(tx, "before_cursor_execute", remember)
    unit(tx, *arguments)
    event.remove(tx, "before_cursor_execute", remember)
    return ["\n".join(str(row[-1]) for row in tx.exec_driver_sql(explain + statement, parameters)) for statement, parameters in sent]
