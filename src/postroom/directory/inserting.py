"""``INSERT … ON CONFLICT``, which both databases have and SQLAlchemy keeps apart."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from postroom.storage.database import Tx

Insert = sqlite.Insert | postgresql.Insert


def insert_into(tx: Tx, table: Table) -> Insert:
    """Return an insert that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``, alike in both databases."""
    return insert_for(tx.dialect.name, table)


def insert_for(dialect: str, table: Table) -> Insert:
    """``insert_into`` for statements that are built once, before there is a transaction."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
