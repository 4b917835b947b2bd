"""Messages that are kept for a time only: they are gone for good when ``retain_until`` is over and they are settled.

With the message go its roll, the tries of its recipients, its audience, tags, attachments and copies. Replies, reports
and suppressions that spoke of it stay and speak of nothing. A draft, or a message that still has somebody to deliver to, waits.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Table, delete, null, select, update

from postroom.storage.database import Tx
from postroom.storage.tables import attachments, audience, messages, recipients

_TOGETHER: Final = 200
"""Messages deleted together at most."""


class Removed(Struct, frozen=True, kw_only=True):
    """What one step of deleting did."""

    rows: int = 0
    """Messages, and lines of their rolls and audiences; 0 when there is nothing left to do."""
    blob_keys: list[str] = []
    """Files that may be needed by nobody now, to be deleted after the commit (``attachments.blobs_in_use``)."""


def remove_due(tx: Tx, now: int, limit: int) -> Removed:
    """Delete messages whose time is over, at most ``limit`` rows of rolls and audiences at a time; repeat while it finds any.

    A long roll goes in pieces, one transaction each. With the first piece the message leaves its author's list, so that nobody
    sees, or sends again, what is half there. Several callers at once take different messages (PostgreSQL) or wait (SQLite).
    """
    over = select(messages.c.id).where(messages.c.retain_until <= now, messages.c.status.in_(("sent", "error")))
    ids = list(tx.execute(over.order_by(messages.c.retain_until).limit(_TOGETHER).with_for_update(skip_locked=True)).scalars())
    if not ids:
        return Removed()
    rows = 0
    for table in (recipients, audience):
        rows += _remove_lines(tx, table, ids, limit - rows)
        if rows >= limit:
            tx.execute(update(messages).where(messages.c.id.in_(ids), messages.c.deleted_at == null()).values(deleted_at=now))
            return Removed(rows=rows)
    gone = tx.execute(delete(attachments).where(attachments.c.message_id.in_(ids)).returning(attachments.c.blob_key))
    blob_keys = list(gone.scalars())
    tx.execute(delete(messages).where(messages.c.id.in_(ids)))
    return Removed(rows=rows + len(ids), blob_keys=blob_keys)


def _remove_lines(tx: Tx, table: Table, message_ids: Sequence[int], limit: int) -> int:
    some = select(table.c.id).where(table.c.message_id.in_(message_ids)).limit(limit)
    return tx.execute(delete(table).where(table.c.id.in_(some.scalar_subquery()))).rowcount
