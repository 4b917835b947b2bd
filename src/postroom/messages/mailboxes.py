"""What a person has in the mailbox: the folders of received and of sent messages, threads, what is read and what is deleted.

A folder shows each thread once, by its newest message there. It makes no difference which dialect a message came through. What
somebody else has read or deleted changes nothing here; deleting un-sends nothing. A thread of which a person sees
nothing is as if not there: ``NotFound("thread", id)``.
"""

from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    true,
    update,
)

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

_MOST: Final[BindParameter[int]] = bindparam("most", type_=Integer)


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


def _page(folder: Folder) -> Select[Any]:
    """Build the statement of one folder: the page is picked from an index that holds all that this takes, and then shown."""
    if folder == "inbox":
        picked = select(_r.message_id.label("id"), _r.received_at.label("at")).where(_r.user_id == threads.PERSON, STANDS_IN_INBOX)
        picked = picked.order_by(_r.received_at.desc(), _r.id.desc())
    else:
        picked = select(_m.id.label("id"), _m.sent_at.label("at")).where(_m.author_id == threads.PERSON, STANDS_IN_SENT)
        picked = picked.order_by(_m.sent_at.desc(), _m.id.desc())
    keys = picked.offset(bindparam("start", type_=Integer)).limit(_MOST).subquery("keys")
    source = keys.join(messages, _m.id == keys.c.id).outerjoin(users, users.c.id == _m.author_id)
    read: ColumnElement[bool] = true()
    if folder == "inbox":
        source, read = source.join(recipients, and_(_r.user_id == threads.PERSON, _r.message_id == keys.c.id)), _r.read_at.is_not(None)
    return select(*_columns(keys.c.at, read)).select_from(source).order_by(keys.c.at.desc(), keys.c.id.desc())


def _thread() -> Select[Any]:
    at = func.coalesce(_r.received_at, _m.sent_at)
    read = or_(_r.id.is_(None), _r.read_at.is_not(None))
    found = threads.seen(*_columns(at, read)).where(threads.HOLDS).outerjoin(users, users.c.id == _m.author_id)
    return found.order_by(_m.sent_at.desc(), _m.id.desc()).limit(_MOST)


def _columns(at: ColumnElement[int], read: ColumnElement[bool]) -> tuple[ColumnElement[Any], ...]:
    own = _m.author_id == threads.PERSON
    return (
        threads.NUMBER.label("thread_id"),
        _m.id.label("message_id"),
        _m.author_id,
        people.full_name().label("author_name"),
        case((or_(_m.shared, own), _named()), else_=cast(threads.PERSON, Text)).label("recipient_ids"),
        at.label("at"),
        _m.subject,
        _m.content,
        _m.content_format,
        read.label("read"),
    )


def _named() -> ColumnElement[str]:
    """Return, in SQL, the people on the roll of a message, separated by commas: hidden ones for its author and themselves alone."""
    roll = recipients.alias("roll")
    first: Select[Any] = select(roll.c.user_id, roll.c.role).where(roll.c.message_id == _m.id).order_by(roll.c.id)
    listed = first.limit(bindparam("shown", type_=Integer)).correlate(messages).subquery("listed")
    knows = or_(_m.author_id == threads.PERSON, listed.c.user_id == threads.PERSON)
    shown = or_(listed.c.role.in_(("to", "cc")), and_(listed.c.role == "bcc", knows))
    together = func.aggregate_strings(cast(listed.c.user_id, Text), ",")
    return select(together).select_from(listed).where(listed.c.user_id.is_not(None), shown).correlate(messages).scalar_subquery()


_PAGES: Final[dict[Folder, Select[Any]]] = {"inbox": _page("inbox"), "sent": _page("sent")}
_THREAD: Final = _thread()
_MARK_UNREAD: Final = threads.for_each(update(recipients).where(_r.user_id == threads.PERSON, threads.STANDING).values(read_at=None))
_DELETE_LINES: Final = threads.for_each(update(recipients).where(threads.CAME).values(deleted_at=threads.NOW))
_DELETE_SENT: Final = update(messages).where(threads.SENT, threads.HOLDS).values(deleted_at=threads.NOW)


def page(tx: Tx, user_id: int, folder: Folder, start: int, limit: int) -> tuple[list[ThreadLine], bool]:
    """Return ``limit`` threads of a folder, newest first, from the ``start``-th on, and whether more follow; one statement."""
    values = {"person": user_id, "start": min(max(start, 0), LARGEST_ID), "most": limit + 1, "shown": MAX_SHOWN}
    rows = tx.execute(_PAGES[folder], values).all()
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
        plain.plan_anew(tx)
        values = {"person": user_id, "thread": thread_id, "most": MAX_THREAD, "shown": MAX_SHOWN}
        rows = list(tx.execute(_THREAD, values).all())
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
    tx.execute(_MARK_UNREAD[tx.dialect.name], {"person": user_id, "thread": thread_id})


def delete(tx: Tx, user_id: int, thread_id: int, now: int) -> None:
    """Delete what a person sees of a thread, from both folders and for this person alone. Raises ``NotFound("thread", id)``.

    A message that comes later brings the thread back, with that message only.
    """
    threads.newest(tx, user_id, thread_id)
    values = {"person": user_id, "thread": thread_id, "now": now}
    tx.execute(_DELETE_LINES[tx.dialect.name], values)
    tx.execute(_DELETE_SENT, values)


def delete_message(tx: Tx, user_id: int, message_id: int, now: int) -> None:
    """Delete one message for one person; the one before it stands for the thread from now on. Raises ``NotFound("message", id)``."""
    thread_id = threads.of_message(tx, user_id, message_id)
    threads.lock(tx, [thread_id])
    mine = {"person": user_id}
    tx.execute(update(recipients).where(threads.CAME, _r.message_id == message_id).values(deleted_at=now), mine)
    threads.promote_line(tx, user_id, thread_id)
    tx.execute(update(messages).where(threads.SENT, _m.id == message_id).values(deleted_at=now), mine)
    threads.promote_sent(tx, user_id, [thread_id])


def _line(row: Row[*tuple[Any, ...]]) -> ThreadLine:
    # taken apart by position: a long thread has hundreds, and to name each value of each row takes as long as reading them
    thread_id, message_id, author_id, author_name, named, at, subject, content, content_format, read = row
    return ThreadLine(
        thread_id=thread_id,
        message_id=message_id,
        author_id=author_id,
        author_name=author_name,
        recipient_ids=sorted({int(number) for number in named.split(",")}) if named else [],
        at=at,
        subject=subject,
        content=markup.safe(content, content_format),
        content_format=content_format,
        read=read,
    )
