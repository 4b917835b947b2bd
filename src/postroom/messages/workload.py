"""How much waits to be delivered, and whether anybody delivers: a few numbers for those who watch an installation."""

from typing import Final

from sqlalchemy import exists, func, literal_column, select

from postroom.clock import SECOND
from postroom.storage.database import Tx
from postroom.storage.tables import IS_OPEN, messages, recipients, workers

SILENT_AFTER: Final = 30 * SECOND
"""A worker that has told nothing for so long hangs, has lost the store or is gone."""

# All three are answered from partial indexes, which hold nothing of what is done: their cost grows with what waits, not with the store.
_ALL: Final = select(func.count()).select_from(recipients).where(IS_OPEN)
_PENDING: Final = messages.c.status == literal_column("'pending'")


def pending(tx: Tx) -> int:
    """Return how many recipients, of whatever message, have no outcome yet."""
    return int(tx.execute(_ALL).scalar_one())


def pending_of_client(tx: Tx, client_id: int) -> int:
    """Return how many recipients of the messages that a program sent in its own name have no outcome yet."""
    own = select(func.count()).select_from(messages.join(recipients, recipients.c.message_id == messages.c.id))
    return int(tx.execute(own.where(messages.c.client_id == client_id, _PENDING, IS_OPEN)).scalar_one())


def is_served(tx: Tx, now: int) -> bool:
    """Tell whether some worker was heard of within ``SILENT_AFTER``."""
    return bool(tx.execute(select(exists().where(workers.c.seen_at > now - SILENT_AFTER))).scalar_one())
