"""Counts of what happens in delivery and leaves no row behind, such as a bounce that nobody sent for.

A count is part of the transaction that it counts: what is rolled back is not counted, and nothing is counted twice.
"""

from typing import Final

from sqlalchemy import select

from postroom.delivery.records import Counter
from postroom.directory.inserting import insert_into
from postroom.storage.database import Tx
from postroom.storage.tables import counters

MAX_COUNTERS: Final = 100


def count(tx: Tx, name: str) -> None:
    """Add one to the counter ``name`` (``bounce.forged``, say), which begins at nothing; one statement.

    On PostgreSQL others who count the same wait until this transaction ends, so it comes last in a unit.
    """
    begun = insert_into(tx, counters).values(name=name, value=1)
    tx.execute(begun.on_conflict_do_update(index_elements=[counters.c.name], set_={"value": counters.c.value + 1}))


def read(tx: Tx) -> list[Counter]:
    """List the counters by name, at most ``MAX_COUNTERS``."""
    rows = tx.execute(select(counters.c.name, counters.c.value).order_by(counters.c.name).limit(MAX_COUNTERS))
    return [Counter(name=row.name, value=row.value) for row in rows]
