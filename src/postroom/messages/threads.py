"""Threads: which messages belong together, who sees which of them, and which one stands for its thread in a person's folders.

A thread has the number of its first message. A message that answered none has no ``thread_id`` and begins a thread of its own.
Of a thread a person sees the messages that they sent, and those that came to their mailbox, unless they deleted them.

Of a person's lines in one thread that they see exactly the newest has no ``superseded_at``: it stands for the thread in the inbox.
So do their own messages in the folder of sent ones. Whoever adds an answer to a thread, or takes a single message out of
one, holds its lock meanwhile (``lock``); then come the rows of messages, then those of recipients. (A person who deletes a
message while it is being answered in their own name can meet the other order; PostgreSQL ends that, and the unit runs again.)
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer

from postroom.directory.values import LARGEST_ID, chunks
from postroom.errors import NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import STANDS_IN_INBOX, STANDS_IN_SENT, messages, recipients

_LOCK_CLASS: Final = 0x54687264
"""Name space of our advisory locks on PostgreSQL: 'Thrd'."""

_m: Final = messages.c
_r: Final = recipients.c

NUMBER: Final = func.coalesce(_m.thread_id, _m.id)
"""The thread of a message, in SQL."""


def holds(thread_id: int) -> ColumnElement[bool]:
    """Return, in SQL, whether a message belongs to the thread: ``NUMBER`` in a form that indexes serve."""
    return or_(and_(_m.id == thread_id, _m.thread_id.is_(None)), _m.thread_id == thread_id)


def sent_by(user_id: int) -> ColumnElement[bool]:
    """Return, in SQL, whether a message is one that this person sent, and has not deleted."""
    return and_(_m.author_id == user_id, _m.sent_at.is_not(None), _m.deleted_at.is_(None))


def came_to(user_id: int) -> ColumnElement[bool]:
    """Return, in SQL, whether a line of a roll is one that this person has received, and has not deleted."""
    return and_(_r.user_id == user_id, _r.received_at.is_not(None), _r.deleted_at.is_(None))


def seen_by(user_id: int, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select messages that a person sees, with the person's line on the roll of each that came to them."""
    line = and_(_r.message_id == _m.id, came_to(user_id))
    return select(*columns).select_from(messages.outerjoin(recipients, line)).where(or_(sent_by(user_id), _r.id.is_not(None)))


def lines_in(thread_id: int) -> ColumnElement[bool]:
    """Return, in SQL, whether a line is of the roll of a message of the thread, which is known to be one."""
    return _r.message_id.in_(union_all(select(literal(thread_id)), select(_m.id).where(_m.thread_id == thread_id)))


def of_message(tx: Tx, user_id: int, message_id: int) -> int:
    """Return the number of the thread of a message that the person sees. Raises ``NotFound("message", id)``."""
    if 0 < message_id <= LARGEST_ID:
        number: int | None = tx.execute(seen_by(user_id, NUMBER).where(_m.id == message_id)).scalar()
        if number is not None:
            return number
    raise NotFound("message", message_id)


def newest(tx: Tx, user_id: int, thread_id: int) -> int:
    """Return the newest message of a thread that the person sees. Raises ``NotFound("thread", id)``."""
    if 0 < thread_id <= LARGEST_ID:
        found = seen_by(user_id, _m.id).where(holds(thread_id)).order_by(_m.sent_at.desc(), _m.id.desc()).limit(1)
        number: int | None = tx.execute(found).scalar()
        if number is not None:
            return number
    raise NotFound("thread", thread_id)


def lock(tx: Tx, thread_ids: Iterable[int]) -> None:
    """Keep others from adding to these threads, and from taking out of them, until this transaction ends. SQLite has one writer anyway."""
    if tx.dialect.name == "postgresql":
        ordered = func.unnest(literal(sorted(set(thread_ids)), ARRAY(Integer))).column_valued("thread_id")
        tx.execute(select(func.pg_advisory_xact_lock(_LOCK_CLASS, ordered)))


def add_answer(tx: Tx, author_id: int, message_id: int, thread_id: int, now: int, *, keep_unread: bool = False) -> None:
    """Let a message that was just sent stand for its thread: with everybody to whom it came, and with its author.

    For the author the thread counts as read, unless it is to be kept unread. The caller holds the lock of the thread. Three
    statements, or two.
    """
    reached = select(_r.user_id).where(_r.message_id == message_id, _r.received_at.is_not(None), _r.user_id.is_not(None))
    older = and_(STANDS_IN_INBOX, _r.message_id != message_id, lines_in(thread_id))
    tx.execute(update(recipients).where(older, _r.user_id.in_(reached.scalar_subquery())).values(superseded_at=now))
    own = and_(_m.author_id == author_id, STANDS_IN_SENT, _m.id != message_id, holds(thread_id))
    tx.execute(update(messages).where(own).values(superseded_at=now))
    if not keep_unread:
        mark_read(tx, author_id, thread_id, now)


def mark_read(tx: Tx, user_id: int, thread_id: int, now: int) -> None:
    """Mark everything read that came to the person in a thread; what was read before keeps its time."""
    tx.execute(update(recipients).where(came_to(user_id), _r.read_at.is_(None), lines_in(thread_id)).values(read_at=now))


def promote_line(tx: Tx, user_id: int, thread_id: int) -> None:
    """Let the newest line that a person still has in a thread stand for it, after a single one was deleted."""
    left = select(_r.id).where(came_to(user_id), lines_in(thread_id)).order_by(_r.received_at.desc(), _r.message_id.desc()).limit(1)
    tx.execute(update(recipients).where(_r.id == left.scalar_subquery(), _r.superseded_at.is_not(None)).values(superseded_at=None))


def promote_sent(tx: Tx, author_id: int, thread_ids: Iterable[int]) -> None:
    """Let the newest message that an author still has in each thread stand for it, after others were deleted; one statement for 500."""
    for chunk in chunks(sorted(set(thread_ids))):
        place = func.row_number().over(partition_by=NUMBER, order_by=(_m.sent_at.desc(), _m.id.desc())).label("place")
        left = select(_m.id, place).where(sent_by(author_id), or_(_m.id.in_(chunk), _m.thread_id.in_(chunk))).subquery()
        newest_ones = select(left.c.id).where(left.c.place == 1)
        tx.execute(update(messages).where(_m.id.in_(newest_ones), _m.superseded_at.is_not(None)).values(superseded_at=None))


def stand(tx: Tx, user_id: int, thread_ids: Iterable[int], now: int) -> None:
    """Let the newest line and the newest own message in each thread stand for it, and no other, after any have come and gone.

    The caller holds the locks of the threads. Four statements for each 500.
    """
    for chunk in chunks(sorted(set(thread_ids))):
        within = union_all(select(_m.id).where(_m.id.in_(chunk)), select(_m.id).where(_m.thread_id.in_(chunk)))
        newest_first = func.row_number().over(partition_by=NUMBER, order_by=(_r.received_at.desc(), _r.message_id.desc()))
        came = select(_r.id, newest_first.label("place")).join(messages, _m.id == _r.message_id)
        lines = came.where(came_to(user_id), _r.message_id.in_(within)).subquery()
        newest_first = func.row_number().over(partition_by=NUMBER, order_by=(_m.sent_at.desc(), _m.id.desc()))
        own = select(_m.id, newest_first.label("place")).where(sent_by(user_id), _m.id.in_(within)).subquery()
        for table, places in ((recipients, lines), (messages, own)):
            first, others = (select(places.c.id).where(places.c.place == 1), select(places.c.id).where(places.c.place > 1))
            tx.execute(update(table).where(table.c.id.in_(first), table.c.superseded_at.is_not(None)).values(superseded_at=None))
            tx.execute(update(table).where(table.c.id.in_(others), table.c.superseded_at.is_(None)).values(superseded_at=now))
