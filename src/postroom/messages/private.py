"""Private messages between people: written and sent in one transaction, never a draft. The inbox is the delivery.

All who get one see who else does (``shared``). Only in a conversation that bare addresses take part in does mail leave the
house: an answer to everybody goes to them too, and its roll accounts for them like any other.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Select, and_, cast, insert, null, select, union
from sqlalchemy.types import Text

from postroom.clock import DAY
from postroom.directory import contact_rules, people
from postroom.directory.records import Person
from postroom.errors import Invalid, TooLarge
from postroom.messages import labels, links, mail_filters, markup, notifications, queueing, reports, search, threads, uploads
from postroom.messages.links import Link
from postroom.messages.mailboxes import ThreadLine
from postroom.messages.queueing import Line
from postroom.messages.records import MAX_CONTENT, MAX_SUBJECT
from postroom.messages.texts import check_line, check_text
from postroom.settings import Settings
from postroom.storage import bulk, wakeup
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients

MAX_RECIPIENTS: Final = 500
"""Recipients of one private message, people and bare addresses together."""

_m: Final = messages.c
_r: Final = recipients.c


class PrivateMessage(Struct, frozen=True, kw_only=True):
    """What somebody writes, and to whom."""

    subject: str
    content: str
    recipient_ids: list[int]
    """People; of an answer nobody in particular: everybody who takes part in the conversation."""
    upload_ids: list[int] = []
    """Files of the author's that have come already (``uploads``)."""
    links: list[Link] = []


class _Circle(Struct, frozen=True):
    """Who is to get a message."""

    user_ids: list[int]
    emails: list[str] = []
    """Bare addresses."""


def send(tx: Tx, settings: Settings, author_id: int, message: PrivateMessage, now: int, dialect: str) -> ThreadLine:  # noqa: PLR0917 - as units are called
    """Begin a conversation; return the message with the people that it went to. Ten statements, up to 500 recipients; files: two.

    Raises the first of these that holds: ``Invalid`` or ``TooLarge`` for ``subject``, ``content``, ``links`` and ``attachments``;
    ``TooLarge("recipient_ids", 500)``; ``Invalid("recipient_ids", …)`` for nobody, oneself, and whoever the author may not write to, or
    is nobody at all; ``Invalid("uploads", …)`` as ``uploads.take_over``.
    """
    _check(message)
    circle = _named(tx, settings, author_id, message.recipient_ids)
    author = people.get(tx, author_id)
    message_id = _write(tx, settings, author, message, circle, {"dialect": dialect}, now)
    return _line(author, message, circle.user_ids, message_id, message_id, now)


def reply(  # noqa: PLR0917 - as units are called
    tx: Tx,
    settings: Settings,
    author_id: int,
    thread_id: int,
    message: PrivateMessage,
    now: int,
    dialect: str,
    *,
    keep_unread: bool = False,
) -> ThreadLine:
    """Answer in a thread; return the answer with all people who take part in it, its author among them.

    It goes to the people named, or to everybody who visibly takes part: the authors of messages that the replier sees and
    those whom these openly name, as far as the replier may write to them; bare addresses get mail. The thread counts as read then,
    unless it is to be ``keep_unread``. The number of statements does not depend on the number of recipients.

    Raises as ``send``, and ``NotFound("thread", id)`` behind what is wrong with the message itself.
    """
    _check(message)
    answered = threads.newest(tx, author_id, thread_id)
    threads.lock(tx, [thread_id])
    if message.recipient_ids:
        circle = _named(tx, settings, author_id, [number for number in message.recipient_ids if number != author_id])
    else:
        circle = _everybody(tx, settings, author_id, thread_id)
    author = people.get(tx, author_id)
    values = {"dialect": dialect, "thread_id": thread_id, "in_reply_to": answered}
    message_id = _write(tx, settings, author, message, circle, values, now)
    threads.add_answer(tx, author_id, message_id, thread_id, now, keep_unread=keep_unread)
    if circle.emails:
        _mail(tx, settings, message_id, circle.emails, now)
    return _line(author, message, [*circle.user_ids, author_id], thread_id, message_id, now)


def _check(message: PrivateMessage) -> None:
    check_line("subject", message.subject, MAX_SUBJECT)
    if not message.subject.strip():
        raise Invalid("subject", "a subject is required")
    check_text("content", message.content, MAX_CONTENT)
    links.check(message.links, len(message.upload_ids))


def _named(tx: Tx, settings: Settings, author_id: int, given: Sequence[int]) -> _Circle:
    wanted = sorted(set(given))
    _check_size(len(wanted))
    if not wanted:
        raise Invalid("recipient_ids", "nobody to write to")
    if contact_rules.permitted(tx, settings, author_id, wanted) != set(wanted):
        raise Invalid("recipient_ids", "not all of them are people whom this person may write to")
    return _Circle(wanted)


def _taking_part() -> Select[Any]:
    """Build the statement that finds who visibly takes part in a thread: people, and bare addresses."""
    seen = threads.seen(_m.id, _m.author_id, _m.shared).where(threads.HOLDS).cte("seen")
    named = and_(_r.message_id == seen.c.id, seen.c.shared, _r.role.in_(("to", "cc")))
    bare = and_(_r.user_id.is_(None), _r.email.is_not(None))
    both = union(
        select(seen.c.author_id.label("user_id"), cast(null(), Text).label("email")).where(seen.c.author_id.is_not(None)),
        select(_r.user_id, cast(null(), Text)).join(seen, named).where(_r.user_id.is_not(None)),
        select(_r.user_id, _r.email).join(seen, named).where(bare),
    ).subquery()
    return select(both.c.user_id, both.c.email).limit(MAX_RECIPIENTS + 2)  # oneself, and one more than are allowed


_TAKING_PART: Final = _taking_part()


def _everybody(tx: Tx, settings: Settings, author_id: int, thread_id: int) -> _Circle:
    """Return who takes part in a thread, as far as the replier sees it and may write to them; three statements."""
    rows = tx.execute(_TAKING_PART, {"person": author_id, "thread": thread_id}).all()
    _check_size(sum(row.user_id != author_id for row in rows))
    user_ids = contact_rules.permitted(tx, settings, author_id, (row.user_id for row in rows if row.user_id is not None))
    emails = {row.email.lower(): row.email for row in rows if row.email is not None}
    if not (user_ids or emails):
        raise Invalid("recipient_ids", "nobody to answer")
    return _Circle(sorted(user_ids), [emails[folded] for folded in sorted(emails)])


def _check_size(count: int) -> None:
    if count > MAX_RECIPIENTS:
        raise TooLarge("recipient_ids", MAX_RECIPIENTS)


def _write(  # noqa: PLR0917 - one message
    tx: Tx, settings: Settings, author: Person, message: PrivateMessage, circle: _Circle, values: dict[str, Any], now: int
) -> int:
    """Write a message with its files and the people on its roll, and return its number; it is done unless there is mail to be sent."""
    days = settings.attachments.private_days
    row = {
        "author_id": author.id,
        "subject": message.subject,
        "content": message.content,
        "content_format": markup.format_of(message.content),
        "language": author.language,
        "shared": True,
        "attachments_lifetime": days,
        "options": links.encoded(message.links),
        "status": "pending" if circle.emails else "sent",
        "created_at": now,
        "modified_at": now,
        "sent_at": now,
        "settled_at": None if circle.emails else now,
        **values,
    }
    message_id = int(tx.execute(insert(messages).returning(_m.id), row).scalar_one())
    line = {"message_id": message_id, "state": "delivered", "received_at": now, "settled_at": now}
    bulk.insert_rows(tx, recipients, [{**line, "user_id": user_id} for user_id in circle.user_ids])
    search.index(tx, [message_id])
    labels.put_by_sender(tx, message_id)
    mail_filters.await_arrivals(tx, message_id)
    uploads.take_over(tx, author.id, message.upload_ids, message_id, now=now, end=now + days * DAY)
    notifications.queue(tx, settings, message_id, now)
    return message_id


def _mail(tx: Tx, settings: Settings, message_id: int, emails: Sequence[str], now: int) -> None:
    """Put bare addresses on the roll, behind the people, and queue them."""
    lane = queueing.lane_of(settings.delivery, len(emails))
    if queueing.queue_new(tx, settings.delivery, [Line(message_id, email) for email in emails], lane, now):
        reports.settle(tx, settings, [message_id], now)
    wakeup.notify(tx)


def _line(author: Person, message: PrivateMessage, user_ids: Sequence[int], thread_id: int, message_id: int, now: int) -> ThreadLine:  # noqa: PLR0917 - one record
    return ThreadLine(
        thread_id=thread_id,
        message_id=message_id,
        author_id=author.id,
        author_name=f"{author.first_name} {author.last_name}".strip(),
        recipient_ids=sorted(user_ids),
        at=now,
        subject=message.subject,
        content=message.content,
        content_format=markup.format_of(message.content),
        read=True,
    )
