"""Threads: which messages belong together, who sees which of them, and which one stands for its thread in a person's folders.

A thread has the number of its first message. A message that answered none has no ``thread_id`` and begins a thread of its own.
Of a thread a person sees the messages that they sent, and those that came to their mailbox, unless they deleted them.

Of a person's lines in one thread that they see exactly one, the last to come, has no ``superseded_at``: it stands for the thread in the
inbox. So it is with their own messages and the folder of sent ones. Whoever adds an answer to a thread, or takes a single message out of
one, holds its lock meanwhile (``lock``); then come lines of rolls, then rows of messages, as where outcomes are settled. (Who deletes
messages from the list of an author locks their rows first. If the author answers at the same moment PostgreSQL ends one of the two, and it
runs again.)
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Update,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    union_all,
    update,
)

from postroom.directory.values import LARGEST_ID, chunks
from postroom.errors import NotFound
from postroom.storage import advisory, plain
from postroom.storage.database import Tx
from postroom.storage.tables import STANDS_IN_SENT, messages, recipients

_LOCK_CLASS: Final = 0x54687264
"""Name space of our advisory locks on PostgreSQL: 'Thrd'."""

_m: Final = messages.c
_r: Final = recipients.c

# The conditions are about a person and a thread whose numbers are given when a statement is executed: statements are built once, which
# takes as long as it takes to execute them.
PERSON: Final[BindParameter[int]] = bindparam("person", type_=Integer)
THREAD: Final[BindParameter[int]] = bindparam("thread", type_=Integer)
MESSAGE: Final[BindParameter[int]] = bindparam("message", type_=Integer)
NOW: Final[BindParameter[int]] = bindparam("now")

NUMBER: Final = func.coalesce(_m.thread_id, _m.id)
"""The thread of a message, in SQL."""

HOLDS: Final = or_(and_(_m.id == THREAD, _m.thread_id.is_(None)), _m.thread_id == THREAD)
"""Whether a message belongs to the thread: ``NUMBER`` in a form that indexes serve."""

SENT: Final = and_(_m.author_id == PERSON, _m.sent_at.is_not(None), _m.deleted_at.is_(None))
"""Whether a message is one that the person sent, and has not deleted."""

_RECEIVED: Final = and_(_r.received_at.is_not(None), _r.deleted_at.is_(None))

CAME: Final = and_(_r.user_id == PERSON, _RECEIVED)
"""Whether a line of a roll is one that the person has received, and has not deleted."""

STANDING: Final = and_(_RECEIVED, func.coalesce(_r.superseded_at, 0) == 0)
"""``STANDS_IN_INBOX`` for lines that are looked for by their thread.

In other words, so that no planner takes the index of whole inboxes for them: where it cannot know how large the inbox is that it
will meet, it would read all of it. (Measured with 50,000 threads on PostgreSQL: 15 ms instead of 1.)
"""


def lines_in(dialect: str) -> ColumnElement[bool]:
    """Return, in SQL, whether a line is of the roll of a message of the thread, which is known to be one."""
    numbers = union_all(select(THREAD), select(_m.id).where(_m.thread_id == THREAD))
    if dialect == "postgresql":  # as an array, for the same reason: it makes lines be looked up by person and message
        return _r.message_id == any_(func.array(numbers.scalar_subquery()))
    return _r.message_id.in_(numbers)


def for_each(change: Update) -> Mapping[str, Update]:
    """Return, for each dialect, a change of those lines of the thread that it is about."""
    return {dialect: change.where(lines_in(dialect)) for dialect in ("sqlite", "postgresql")}


def seen(*columns: ColumnElement[Any]) -> Select[Any]:
    """Select messages that the person sees, with the person's line on the roll of each that came to them."""
    line = recipients.alias("line")
    came = and_(line.c.user_id == PERSON, line.c.received_at.is_not(None), line.c.deleted_at.is_(None))
    mine = select(line.c.id).where(line.c.message_id == _m.id, came).limit(1).correlate(messages)
    # Looked up for each message, by a subquery that nothing else can be made of: as a mere join PostgreSQL would, once it has prepared a
    # plan for anybody, read all lines of the person beforehand. (Measured with 50,000 of them: 13 ms instead of 1.)
    source = messages.outerjoin(recipients, _r.id == mine.scalar_subquery())
    return select(*columns).select_from(source).where(or_(SENT, _r.id.is_not(None)))


_OF_MESSAGE: Final = seen(NUMBER).where(_m.id == MESSAGE)
_NEWEST: Final = seen(_m.id).where(HOLDS).order_by(_m.sent_at.desc(), _m.id.desc()).limit(1)
_REACHED: Final = select(_r.user_id).where(_r.message_id == MESSAGE, _r.received_at.is_not(None), _r.user_id.is_not(None))
_SUPERSEDE_LINES: Final = for_each(
    update(recipients)
    .where(STANDING, _r.message_id != MESSAGE, _r.user_id.in_(_REACHED.correlate(None).scalar_subquery()))
    .values(superseded_at=NOW)
)
_SUPERSEDE_SENT: Final = update(messages).where(_m.author_id == PERSON, STANDS_IN_SENT, _m.id != MESSAGE, HOLDS).values(superseded_at=NOW)
_READ: Final = update(recipients).where(CAME, _r.read_at.is_(None)).values(read_at=NOW)
_MARK_READ: Final = for_each(_READ)


def of_message(tx: Tx, user_id: int, message_id: int) -> int:
    """Return the number of the thread of a message that the person sees. Raises ``NotFound("message", id)``."""
    if 0 < message_id <= LARGEST_ID:
        number: int | None = tx.execute(_OF_MESSAGE, {"person": user_id, "message": message_id}).scalar()
        if number is not None:
            return number
    raise NotFound("message", message_id)


def newest(tx: Tx, user_id: int, thread_id: int) -> int:
    """Return the newest message of a thread that the person sees. Raises ``NotFound("thread", id)``."""
    if 0 < thread_id <= LARGEST_ID:
        plain.plan_anew(tx)
        number: int | None = tx.execute(_NEWEST, {"person": user_id, "thread": thread_id}).scalar()
        if number is not None:
            return number
    raise NotFound("thread", thread_id)


def lock(tx: Tx, thread_ids: Iterable[int]) -> None:
    """Keep others from adding to these threads, and from taking out of them, until this transaction ends."""
    advisory.lock(tx, _LOCK_CLASS, thread_ids)


def add_answer(tx: Tx, author_id: int, message_id: int, thread_id: int, now: int, *, keep_unread: bool = False) -> None:
    """Let a message that was just sent stand for its thread: with everybody to whom it came, and with its author.

    For the author the thread counts as read, unless it is to be kept unread. The caller holds the lock of the thread. Three
    statements, or two.
    """
    values = {"person": author_id, "message": message_id, "thread": thread_id, "now": now}
    tx.execute(_SUPERSEDE_LINES[tx.dialect.name], {name: values[name] for name in ("message", "thread", "now")})
    if not keep_unread:
        mark_read(tx, author_id, thread_id, now)
    tx.execute(_SUPERSEDE_SENT, values)


def mark_read(tx: Tx, user_id: int, thread_id: int, now: int) -> None:
    """Mark everything read that came to the person in a thread; what was read before keeps its time."""
    tx.execute(_MARK_READ[tx.dialect.name], {"person": user_id, "thread": thread_id, "now": now})


def mark_messages_read(tx: Tx, user_id: int, message_ids: Iterable[int], now: int) -> None:
    """Mark these messages read where they came to the person, and no others of their threads; one statement for 500."""
    for chunk in chunks(message_ids):
        tx.execute(_READ.where(_r.message_id.in_(chunk)), {"person": user_id, "now": now})


def promote_line(tx: Tx, user_id: int, thread_id: int) -> None:
    """Let the line that stood before stand for a thread, unless another one does, after a single one of a person's was deleted."""
    left = select(_r.id).where(CAME, lines_in(tx.dialect.name)).order_by(*_last_standing(_r.superseded_at, _r.received_at, _r.message_id))
    left = left.limit(1)
    promoted = update(recipients).where(_r.id == left.correlate(None).scalar_subquery(), _r.superseded_at.is_not(None))
    tx.execute(promoted.values(superseded_at=None), {"person": user_id, "thread": thread_id})


def promote_sent(tx: Tx, author_id: int, thread_ids: Iterable[int]) -> None:
    """Do the same for messages of an author, in several threads; one statement for 500."""
    for chunk in chunks(sorted(set(thread_ids))):
        place = func.row_number().over(partition_by=NUMBER, order_by=_last_standing(_m.superseded_at, _m.sent_at, _m.id)).label("place")
        left = select(_m.id, place).where(SENT, or_(_m.id.in_(chunk), _m.thread_id.in_(chunk))).subquery()
        newest_ones = select(left.c.id).where(left.c.place == 1)
        promoted = update(messages).where(_m.id.in_(newest_ones), _m.superseded_at.is_not(None)).values(superseded_at=None)
        tx.execute(promoted, {"person": author_id})


def _last_standing(superseded_at: ColumnElement[Any], at: ColumnElement[Any], number: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    """Return the order of what stands, then of what stood last: times and numbers may have been given before the lock was."""
    return superseded_at.is_not(None), superseded_at.desc(), at.desc(), number.desc()


def stand(tx: Tx, user_id: int, thread_ids: Iterable[int], now: int) -> None:
    """Let the newest line and the newest own message in each thread stand for it, and no other, after any have come and gone.

    The caller holds the locks of the threads. Four statements for each 500.
    """
    for chunk in chunks(sorted(set(thread_ids))):
        within = union_all(select(_m.id).where(_m.id.in_(chunk)), select(_m.id).where(_m.thread_id.in_(chunk)))
        newest_first = func.row_number().over(partition_by=NUMBER, order_by=(_r.received_at.desc(), _r.message_id.desc()))
        came = select(_r.id, newest_first.label("place")).join(messages, _m.id == _r.message_id)
        lines = came.where(CAME, _r.message_id.in_(within)).subquery()
        newest_first = func.row_number().over(partition_by=NUMBER, order_by=(_m.sent_at.desc(), _m.id.desc()))
        own = select(_m.id, newest_first.label("place")).where(SENT, _m.id.in_(within)).subquery()
        for table, places in ((recipients, lines), (messages, own)):
            first, others = (select(places.c.id).where(places.c.place == 1), select(places.c.id).where(places.c.place > 1))
            stands = update(table).where(table.c.id.in_(first), table.c.superseded_at.is_not(None)).values(superseded_at=None)
            tx.execute(stands, {"person": user_id})
            superseded = update(table).where(table.c.id.in_(others), table.c.superseded_at.is_(None)).values(superseded_at=now)
            tx.execute(superseded, {"person": user_id})
