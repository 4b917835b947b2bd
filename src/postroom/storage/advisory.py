"""Locks on what is no single row: PostgreSQL's advisory locks, held until the transaction ends. SQLite has one writer at a time anyway."""

from collections.abc import Iterable

from sqlalchemy import Integer, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from postroom.storage.database import Tx


def lock(tx: Tx, name_space: int, numbers: Iterable[int]) -> None:
    """Wait until nobody else holds these numbers of a name space (32 bits, one for each kind of thing), then hold them; one statement.

    Numbers are locked in their order, so that two that want the same ones never wait for each other.
    """
    if tx.dialect.name == "postgresql":
        ordered = func.unnest(literal(sorted(set(numbers)), ARRAY(Integer))).column_valued("number")
        tx.execute(select(func.pg_advisory_xact_lock(name_space, ordered)))
