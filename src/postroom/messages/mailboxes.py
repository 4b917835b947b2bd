"""What a person has in the mailbox: the folders of received and of sent messages, threads, what is read and what is deleted.

A folder shows each thread once, by its newest message there. It makes no difference which dialect a message came through. What
somebody else has read or deleted changes nothing here; deleting un-sends nothing. A thread of which a person sees
nothing is as if not there: ``NotFound("thread", id)``.
"""

from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, Select, Subquery, Text, and_, case, cast, func, literal, or_, select, true, update

from postroom.directory import people
from postroom.directory.values import LARGEST_ID
from postroom.errors import NotFound
from postroom.messages import markup, threads
from postroom.messages.records import ContentFormat
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import STANDS_IN_INBOX, STANDS_IN_SENT, messages, recipients, users

Folder = Literal["inbox", "sent"]

MAX_THREAD: Final = 1_000
"""Messages of a thread that are shown: the newest ones."""
MAX_SHOWN: Final = 500
"""Lines of a roll whose people are shown with a message; people come first on a roll."""

_m: Final = messages.c
_r: Final = recipients.c

# ``IS_UNREAD`` in plain words, since every look into the inbox asks for it. Where SQLite has statistics it would take the index of the
# whole inbox instead, and look up each line of it.
_UNREAD: Final = {
    dialect: (
        f"SELECT count(*) FROM recipients{index} WHERE user_id = {user_id}"
        " AND received_at IS NOT NULL AND deleted_at IS NULL AND superseded_at IS NULL AND read_at IS NULL"
    )
    for dialect, index, user_id in (("sqlite", " INDEXED BY ix_recipients_unread", ":user_id"), ("postgresql", "", "%(user_id)s"))
}


class ThreadLine(Struct, frozen=True, kw_only=True):
    """One thread in a folder, shown by its newest message there; or one message of a thread."""

    thread_id: int
    message_id: int
    author_id: int | None
    author_name: str
    recipient_ids: list[int]
    """People whom the reader may know to have got it, ascending; bare addresses are not among them."""
    at: int
    """When it was received, or sent, in milliseconds."""
    subject: str
    content: str
    """HTML is made safe (``markup``); right after sending it is what the author wrote."""
    content_format: ContentFormat
    read: bool
    """What oneself sent counts as read."""


def page(tx: Tx, user_id: int, folder: Folder, start: int, limit: int) -> tuple[list[ThreadLine], bool]:
    """Return ``limit`` threads of a folder, newest first, from the ``start``-th on, and whether more follow; one statement."""
    keys = _keys(user_id, folder, min(max(start, 0), LARGEST_ID), limit + 1)
    if folder == "inbox":
        # The line is looked up again by its key: the index that the page is picked from has all that the picking needs, and no more.
        mine = and_(_r.user_id == user_id, _r.message_id == keys.c.id)
        source = keys.join(messages, _m.id == keys.c.id).join(recipients, mine)
        read: ColumnElement[bool] = _r.read_at.is_not(None)
    else:
        source, read = keys.join(messages, _m.id == keys.c.id), true()
    statement = select(*_columns(user_id, keys.c.at, read)).select_from(source.outerjoin(users, users.c.id == _m.author_id))
    rows = tx.execute(statement.order_by(keys.c.at.desc(), keys.c.id.desc())).all()
    return [_line(row) for row in rows[:limit]], len(rows) > limit


def unread_count(tx: Tx, user_id: int) -> int:
    """Return how many threads of the inbox are unread."""
    return int(plain.run(tx, (_UNREAD, {"user_id": user_id}))[0][0][0])


def thread(tx: Tx, user_id: int, thread_id: int) -> list[ThreadLine]:
    """Return the messages of a thread that the person sees, oldest first; of a long one the newest 1,000.

    Raises ``NotFound("thread", id)``. One statement.
    """
    rows: list[Row[Any]] = []
    if 0 < thread_id <= LARGEST_ID:
        at = func.coalesce(_r.received_at, _m.sent_at)
        read = or_(_r.id.is_(None), _r.read_at.is_not(None))
        found = threads.seen_by(user_id, *_columns(user_id, at, read)).where(threads.holds(thread_id))
        found = found.outerjoin(users, users.c.id == _m.author_id).order_by(_m.sent_at.desc(), _m.id.desc()).limit(MAX_THREAD)
        rows = list(tx.execute(found).all())
    if not rows:
        raise NotFound("thread", thread_id)
    return [_line(row) for row in reversed(rows)]


def mark(tx: Tx, user_id: int, thread_id: int, *, read: bool, now: int) -> None:
    """Mark a thread read, all of it, or unread, which is a matter of its newest line. Raises ``NotFound("thread", id)``.

    In a thread that holds nothing but messages of one's own there is nothing to mark.
    """
    threads.newest(tx, user_id, thread_id)
    if read:
        threads.mark_read(tx, user_id, thread_id, now)
        return
    standing = and_(_r.user_id == user_id, STANDS_IN_INBOX, threads.lines_in(thread_id))
    tx.execute(update(recipients).where(standing).values(read_at=None))


def delete(tx: Tx, user_id: int, thread_id: int, now: int) -> None:
    """Delete what a person sees of a thread, from both folders and for this person alone. Raises ``NotFound("thread", id)``.

    A message that comes later brings the thread back, with that message only.
    """
    threads.newest(tx, user_id, thread_id)
    tx.execute(update(recipients).where(threads.came_to(user_id), threads.lines_in(thread_id)).values(deleted_at=now))
    tx.execute(update(messages).where(threads.sent_by(user_id), threads.holds(thread_id)).values(deleted_at=now))


def delete_message(tx: Tx, user_id: int, message_id: int, now: int) -> None:
    """Delete one message for one person; the one before it stands for the thread from now on. Raises ``NotFound("message", id)``."""
    thread_id = threads.of_message(tx, user_id, message_id)
    threads.lock(tx, [thread_id])
    tx.execute(update(messages).where(threads.sent_by(user_id), _m.id == message_id).values(deleted_at=now))
    tx.execute(update(recipients).where(threads.came_to(user_id), _r.message_id == message_id).values(deleted_at=now))
    threads.promote_sent(tx, user_id, [thread_id])
    threads.promote_line(tx, user_id, thread_id)


def _keys(user_id: int, folder: Folder, start: int, limit: int) -> Subquery:
    """Pick the messages of a page, from an index that holds all that this takes; columns ``id`` and ``at``."""
    if folder == "inbox":
        picked = select(_r.message_id.label("id"), _r.received_at.label("at")).where(_r.user_id == user_id, STANDS_IN_INBOX)
        picked = picked.order_by(_r.received_at.desc(), _r.message_id.desc())
    else:
        picked = select(_m.id.label("id"), _m.sent_at.label("at")).where(_m.author_id == user_id, STANDS_IN_SENT)
        picked = picked.order_by(_m.sent_at.desc(), _m.id.desc())
    return picked.offset(start).limit(limit).subquery("keys")


def _columns(user_id: int, at: ColumnElement[int], read: ColumnElement[bool]) -> tuple[ColumnElement[Any], ...]:
    return (
        threads.NUMBER.label("thread_id"),
        _m.id.label("message_id"),
        _m.author_id,
        people.full_name().label("author_name"),
        case((or_(_m.shared, _m.author_id == user_id), _named(user_id)), else_=cast(literal(user_id), Text)).label("recipient_ids"),
        at.label("at"),
        _m.subject,
        _m.content,
        _m.content_format,
        read.label("read"),
    )


def _named(user_id: int) -> ColumnElement[str]:
    """Return, in SQL, the people on the roll of a message, separated by commas: hidden ones for its author and themselves alone."""
    roll = recipients.alias("roll")
    first: Select[Any] = select(roll.c.user_id, roll.c.role).where(roll.c.message_id == _m.id).order_by(roll.c.id).limit(MAX_SHOWN)
    listed = first.correlate(messages).subquery("listed")
    shown = or_(listed.c.role.in_(("to", "cc")), and_(listed.c.role == "bcc", or_(_m.author_id == user_id, listed.c.user_id == user_id)))
    together = func.aggregate_strings(cast(listed.c.user_id, Text), ",")
    return select(together).select_from(listed).where(listed.c.user_id.is_not(None), shown).correlate(messages).scalar_subquery()


def _line(row: Row[Any]) -> ThreadLine:
    numbers = {int(number) for number in (row.recipient_ids or "").split(",") if number}
    content = markup.safe(row.content, row.content_format)
    return ThreadLine(**{**row._asdict(), "recipient_ids": sorted(numbers), "content": content})
