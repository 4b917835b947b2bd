"""What several tests need: counting statements, people and messages to begin with."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, event

from postroom.storage.store import Store


@contextlib.contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """Collect the SQL statements that any thread of this process runs meanwhile, without those that open and close transactions."""
    statements: list[str] = []

    def remember(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.split(None, 1)[0].upper() not in {"BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA"}:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
