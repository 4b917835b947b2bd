"""Mails that tell people of private messages, as each has chosen (``directory.preferences``): of each at once, or once a day.

A notification is a message of its own (kind ``summary``), of no author, individually mailed to a person's own address from the
no-reply address; it stands in no inbox, causes no report, and is gone after ``KEPT``. It says who wrote, and the subject; what was
written only to people who asked for that. Whoever has left, or has no address, gets none, and the queue passes over suppressed addresses.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, case, exists, func, insert, literal_column, null, select, update

from postroom.clock import DAY, MINUTE
from postroom.directory import people
from postroom.messages import queueing, reports
from postroom.messages.notification_texts import MAX_EXCERPT, Notification, Original, of_message, of_threads
from postroom.messages.records import Language
from postroom.settings import Settings
from postroom.storage import bulk, wakeup
from postroom.storage.database import Tx
from postroom.storage.tables import IS_UNREAD, messages, recipients, users

PAGE: Final = "/notifications"
"""Where a person chooses about these mails, below the public URL."""

PAUSE: Final = DAY
"""Milliseconds between two digests of one person at least."""

MAX_THREADS: Final = 20
"""Threads that a digest lists at most; the number of others is stated."""

KEPT: Final = 30 * DAY
"""How long a notification can be asked about after it was written."""

_DELAY: Final = MINUTE
"""A digest tells of what came before this: what is being committed now, under an earlier time, is told of the next time."""

_BEGINNING: Final = 10 * MAX_EXCERPT
"""Characters of a message that an excerpt is made of; HTML takes more than it says."""

_r: Final = recipients.c
_LANGUAGE: Final[ColumnElement[Language]] = case((users.c.language == "en", "en"), else_="pl")


def queue(tx: Tx, settings: Settings, message_id: int, now: int) -> None:
    """Queue the notifications of a private message that was just written, to those on its roll who want to hear of each.

    One statement when there is nobody, ten at most, however many there are.
    """
    wanting = and_(
        _r.message_id == message_id, _r.received_at != null(), users.c.notify == "each", users.c.active, queueing.own_address() != null()
    )
    source = recipients.join(users, users.c.id == _r.user_id)
    key = (_LANGUAGE, users.c.notify_content)
    groups = tx.execute(select(*key, func.count()).select_from(source).where(wanting).group_by(*key).order_by(*key)).all()
    if not groups:
        return
    original = _original(tx, message_id)
    page = settings.public_url + PAGE
    written = [of_message(original, language, page, with_content=content) for language, content, _ in groups]
    numbers = _write(tx, written, [language for language, _, _ in groups], now)
    number = case(
        *[
            (and_(key[0] == language, users.c.notify_content.is_(content)), number)
            for number, (language, content, _) in zip(numbers, groups, strict=True)
        ]
    )
    readers = select(number, users.c.id, queueing.own_address()).select_from(source).where(wanting)
    tx.execute(insert(recipients).from_select(["message_id", "user_id", "email"], readers.order_by(_r.id)))
    lane = queueing.lane_of(settings.delivery, sum(count for _, _, count in groups))
    queueing.queue_listed(tx, settings.delivery, numbers, lane, now)
    reports.settle(tx, settings, numbers, now)  # at once, where all addresses are suppressed
    wakeup.notify(tx)


def queue_digests(tx: Tx, settings: Settings, now: int, limit: int) -> int:
    """Queue the digests of people who want one, have heard nothing for ``PAUSE`` and have new unread threads; return how many there were.

    At most ``limit`` people. New is what came since the last digest, or since a person chose to get one, to the inbox alone: what was
    mailed to them needs no second mail. Eleven statements at most, whatever the number. Any number of workers may call this at once.
    """
    until = now - _DELAY
    readers = _due_readers(tx, until, limit)
    if not readers:
        return 0
    newest = _newest(tx, [reader.id for reader in readers], until)
    page = settings.public_url + PAGE
    written = [of_threads(*newest[reader.id], reader.language, page, with_content=reader.notify_content) for reader in readers]
    numbers = _write(tx, written, [reader.language for reader in readers], now)
    rows = [{"message_id": number, "user_id": reader.id, "email": reader.email} for number, reader in zip(numbers, readers, strict=True)]
    bulk.insert_rows(tx, recipients, rows)
    queueing.queue_listed(tx, settings.delivery, numbers, "bulk", now)
    reports.settle(tx, settings, numbers, now)
    tx.execute(update(users).where(users.c.id.in_([reader.id for reader in readers])).values(notified_at=until))
    wakeup.notify(tx)
    return len(readers)


def _original(tx: Tx, message_id: int) -> Original:
    m = messages.c
    source = messages.outerjoin(users, users.c.id == m.author_id)
    row = tx.execute(select(people.full_name(), m.subject, m.content, m.content_format).select_from(source).where(m.id == message_id)).one()
    return Original(author=row[0], subject=row.subject, content=row.content, content_format=row.content_format)


def _write(tx: Tx, written: Sequence[Notification], languages: Sequence[Language], now: int) -> list[int]:
    """Write the messages, with nobody on their rolls yet; return their numbers."""
    numbers = bulk.reserve_ids(tx, messages, len(written))
    rows = [
        {
            "id": number,
            "kind": "summary",
            "dialect": "postroom",
            "subject": one.subject,
            "content": one.content,
            "content_format": one.content_format,
            "language": language,
            "status": "pending",
            "created_at": now,
            "modified_at": now,
            "sent_at": now,
            "retain_until": now + KEPT,
        }
        for number, one, language in zip(numbers, written, languages, strict=True)
    ]
    bulk.insert_rows(tx, messages, rows)
    return numbers


def _new(until: int) -> ColumnElement[bool]:
    """Return the condition that a line of a roll is in the inbox alone, stands there for an unread thread, and no digest told of it."""
    since = func.coalesce(users.c.notified_at, 0)
    return and_(IS_UNREAD, _r.user_id == users.c.id, _r.email == null(), _r.received_at > since, _r.received_at <= until)


def _due_readers(tx: Tx, until: int, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the people whose digests are due, and keep others from finding them until this transaction ends."""
    due = and_(
        users.c.notify == literal_column("'digest'"),  # as the partial index says it
        users.c.active,
        func.coalesce(users.c.notified_at, 0) <= until - PAUSE,
        queueing.own_address() != null(),
        exists().where(_new(until)),
    )
    columns = (users.c.id, _LANGUAGE.label("language"), users.c.notify_content, queueing.own_address().label("email"))
    return tx.execute(select(*columns).where(due).order_by(users.c.id).limit(limit).with_for_update(key_share=True, skip_locked=True)).all()


def _newest(tx: Tx, user_ids: Sequence[int], until: int) -> dict[int, tuple[list[Original], int]]:
    """Return of each person the newest messages of the first ``MAX_THREADS`` new unread threads, and the number of such threads."""
    newest_first = (_r.received_at.desc(), _r.message_id.desc())
    place = func.row_number().over(partition_by=_r.user_id, order_by=newest_first).label("place")
    total = func.count().over(partition_by=_r.user_id).label("total")
    new = (
        select(_r.user_id, _r.message_id, place, total)
        .select_from(recipients.join(users, users.c.id == _r.user_id))
        .where(_r.user_id.in_(user_ids), _new(until))
        .subquery()
    )
    m = messages.c
    beginning = func.substr(m.content, 1, _BEGINNING).label("content")
    source = new.join(messages, m.id == new.c.message_id).outerjoin(users, users.c.id == m.author_id)
    columns = (new.c.user_id, new.c.total, people.full_name().label("author"), m.subject, beginning, m.content_format)
    listed = select(*columns).select_from(source).where(new.c.place <= MAX_THREADS).order_by(new.c.user_id, new.c.place)
    found: dict[int, tuple[list[Original], int]] = {}
    for row in tx.execute(listed):
        original = Original(author=row.author, subject=row.subject, content=row.content, content_format=row.content_format)
        found.setdefault(row.user_id, ([], row.total))[0].append(original)
    return found
