"""The end of a message: its status is settled when the last recipient is done, and its author may get a summary report.

A report is a message of its own (kind ``summary``), of no author, in reply to the one it speaks of, in its language, to its
author alone; a long one is several messages. Of a message that a program sent in its own name, it goes to the address that the
program gave (``summary_email``). It is made in the transaction that settles the message, so there is
one for each time that a message becomes settled, and a new one after a retry. Bounces that come after the end make one more,
when no more of them have come for a while. How letters end is told in another way (``endings``).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BindParameter, Row, and_, bindparam, case, exists, func, insert, literal_column, not_, null, or_, select, update

from postroom.clock import MINUTE
from postroom.directory.values import chunks
from postroom.messages import connections, endings, misses, queueing
from postroom.messages.records import Language, MessageStatus, State
from postroom.messages.report_texts import MAX_EXCERPT, Summary, Unreached, render
from postroom.settings import Settings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.tables import IS_OPEN, messages, recipients, users

QUIET: Final = 15 * MINUTE
"""How long after the last late bounce of a message its author is told of them: bounces of a mailing come in crowds."""

_AT_ONCE: Final = 20
"""Messages whose reports are written together, so that memory stays bounded."""

_NUMBERS: Final[BindParameter[int]] = bindparam("numbers", expanding=True)
_OWN: Final = recipients.c.message_id == messages.c.id
_MISSED: Final = or_(
    recipients.c.state.in_(("failed", "expired", "cancelled")), and_(recipients.c.state == "suppressed", recipients.c.email != null())
)

_EXCERPT: Final = case(
    (and_(messages.c.author_id == null(), messages.c.content_format == "plain"), func.substr(messages.c.content, 1, MAX_EXCERPT + 1)),
    else_="",
)
"""What a report quotes: a program keeps no list of what it sent, an author does. HTML would have to be made text first."""
_REPORTED: Final = (
    *(messages.c[name] for name in ("id", "dialect", "subject", "language", "sent_at", "settled_at", "retain_until")),
    _EXCERPT.label("original"),
)

_LOCK: Final = select(messages.c.id).where(messages.c.id.in_(_NUMBERS)).order_by(messages.c.id).with_for_update(key_share=True)

# Each group commit of outcomes runs these two, so they are built once.
_LOCK_PENDING: Final = _LOCK.where(messages.c.status == "pending")
_SETTLE: Final = (
    update(messages)
    .where(messages.c.id.in_(_NUMBERS), not_(exists().where(_OWN, IS_OPEN)))
    .values(
        status=case((exists().where(_OWN, recipients.c.role != "self", _MISSED), "error"), else_="sent"),
        settled_at=bindparam("now"),
        bounced_at=None,  # what bounced before the end is part of it
    )
    .returning(messages.c.id, messages.c.status, messages.c.letter)
)


def settle(tx: Tx, settings: Settings, message_ids: Iterable[int], now: int) -> list[int]:
    """Settle those of the messages that are pending and have no open recipient left; return their numbers.

    The status becomes ``error`` when somebody with an address was not reached, else ``sent``; people without an address and
    the copy to oneself do not count against it. The number of statements does not depend on the number of recipients; it grows by a
    few for every 500 messages, and for every 20 that want a report.

    Whoever ends the last open recipients of a message calls this in the same transaction, after that. The row of the
    message is locked first: of two transactions that each end one of the last two recipients, the second sees what the first did.
    """
    settled: list[int] = []
    letters: dict[int, MessageStatus] = {}
    for chunk in chunks(sorted(set(message_ids))):
        locked = list(tx.execute(_LOCK_PENDING, {"numbers": chunk}).scalars())
        ended = _settle_locked(tx, locked, now) if locked else []
        settled += sorted(row.id for row in ended)
        letters |= {row.id: row.status for row in ended if row.letter}
    if letters:
        connections.forget(tx, letters)
        endings.finish(tx, settings, letters, now)
    _report_all(tx, settings, settled, now)
    return settled


def note_bounces(tx: Tx, message_ids: Iterable[int], now: int) -> None:
    """Let settled messages know that recipients whom mail had been handed over for failed after all (the copy to oneself aside).

    They are in ``error`` from now on, however they ended, and their authors hear of it in a new report (``report_late_bounces``). Whoever
    lets the recipients fail calls this in the same transaction, after that, and then ``settle`` for the messages that were pending. Rows
    are locked whatever their status: of this and a transaction that settles the message, the second sees what the first did.
    """
    for chunk in chunks(sorted(set(message_ids))):
        tx.execute(_LOCK, {"numbers": chunk})
        ended = and_(messages.c.id.in_(chunk), messages.c.status.in_(("sent", "error")))
        tx.execute(update(messages).where(ended).values(status="error", bounced_at=now))


def report_late_bounces(tx: Tx, settings: Settings, now: int, limit: int) -> int:
    """Write a new report of messages whose bounces came after their end, once ``QUIET`` has passed since the last of these.

    At most ``limit`` messages; returns how many there were, those included whose author wants no report. Any number of workers
    may call this at the same time.
    """
    due = (
        select(messages.c.id, messages.c.letter)
        .where(messages.c.bounced_at <= now - QUIET, messages.c.status == "error")
        .order_by(messages.c.bounced_at)
    )
    locked = due.limit(limit).with_for_update(key_share=True, skip_locked=True)
    rows = tx.execute(locked).all()
    numbers = [row.id for row in rows]
    for chunk in chunks(numbers):
        tx.execute(update(messages).where(messages.c.id.in_(chunk)).values(bounced_at=None))
    endings.tell(tx, settings, [row.id for row in rows if row.letter], now)
    _report_all(tx, settings, numbers, now)
    return len(numbers)


def _report_all(tx: Tx, settings: Settings, settled: Sequence[int], now: int) -> None:
    for some in chunks(_wanting_report(tx, settled), _AT_ONCE):
        _report(tx, settings, some, now)


def settle_forgotten(tx: Tx, settings: Settings, now: int, limit: int) -> int:
    """Settle up to ``limit`` messages that are pending though nobody of them is open any more; return how many there were.

    Whoever ends the last recipient settles the message; this finds those of which nobody knew that they were the last.
    """
    forgotten = select(messages.c.id).where(messages.c.status == literal_column("'pending'"), not_(exists().where(_OWN, IS_OPEN)))
    return len(settle(tx, settings, tx.scalars(forgotten.order_by(messages.c.id).limit(limit)).all(), now))


def _settle_locked(tx: Tx, message_ids: Sequence[int], now: int) -> Sequence[Row[*tuple[Any, ...]]]:
    return tx.execute(_SETTLE, {"numbers": message_ids, "now": now}).all()


def _wanting_report(tx: Tx, settled: Sequence[int]) -> list[int]:
    """Return those of the settled messages that somebody is to get a report of."""
    to_author = and_(messages.c.send_summary, messages.c.author_id != null())
    wanting: list[int] = []
    for chunk in chunks(settled):
        wanted = and_(messages.c.id.in_(chunk), messages.c.kind == "message", or_(to_author, messages.c.summary_email != null()))
        wanting += tx.execute(select(messages.c.id).where(wanted).order_by(messages.c.id)).scalars()
    return wanting


def _report(tx: Tx, settings: Settings, message_ids: Sequence[int], now: int) -> None:
    """Write the reports of a few settled messages and queue them."""
    rows = tx.execute(select(*_REPORTED).where(messages.c.id.in_(message_ids)).order_by(messages.c.id)).all()
    outcomes = _outcomes(tx, message_ids)
    unreached = misses.unreached(tx, message_ids)
    parts = [part for row in rows for part in _parts(row, outcomes[row.id], unreached[row.id], now)]
    numbers = list(tx.execute(insert(messages).returning(messages.c.id), parts).scalars())
    _list_readers(tx, numbers)
    queueing.queue_listed(tx, settings.delivery, numbers, "single", now)
    _settle_locked(tx, numbers, now)  # at once, where the author has no address
    wakeup.notify(tx)


class _Outcomes(Struct):
    """How a message ended, in numbers; see ``Summary``."""

    states: dict[State, int]
    twice: int = 0
    copy: State | None = None


def _outcomes(tx: Tx, message_ids: Sequence[int]) -> dict[int, _Outcomes]:
    found = {number: _Outcomes(states={}) for number in message_ids}
    key = (recipients.c.message_id, recipients.c.role == "self", recipients.c.state)
    twice = func.sum(case((recipients.c.ambiguous, 1), else_=0))
    for number, is_copy, state, count, ambiguous in tx.execute(
        select(*key, func.count(), twice).where(recipients.c.message_id.in_(message_ids)).group_by(*key)
    ):
        outcomes = found[number]
        if is_copy:
            outcomes.copy = state
            continue
        outcomes.states[state] = count
        if state == "delivered":
            outcomes.twice = ambiguous
    return found


def _parts(row: Row[*tuple[Any, ...]], outcomes: _Outcomes, unreached: list[Unreached], now: int) -> list[dict[str, Any]]:
    """Return the rows of the messages that a report consists of."""
    language: Language = row.language or "pl"
    summary = Summary(
        subject=row.subject,
        sent_at=row.sent_at,
        finished_at=row.settled_at,
        states=outcomes.states,
        twice=outcomes.twice,
        copy=outcomes.copy,
        unreached=unreached,
        original=row.original,
    )
    common = {"kind": "summary", "dialect": row.dialect, "in_reply_to": row.id, "language": language, "status": "pending"}
    times = {"created_at": now, "modified_at": now, "sent_at": now, "retain_until": row.retain_until}
    return [{**common, **times, "subject": part.subject, "content": part.content} for part in render(summary, language)]


def _list_readers(tx: Tx, report_ids: Sequence[int]) -> None:
    """Put on the roll of each report the author of the message it speaks of, or else the address that was given for it."""
    subject = messages.alias("subject")
    source = messages.join(subject, subject.c.id == messages.c.in_reply_to).outerjoin(users, users.c.id == subject.c.author_id)
    email = case((subject.c.author_id == null(), subject.c.summary_email), else_=queueing.own_address())
    reader = select(messages.c.id, users.c.id, email).select_from(source).where(messages.c.id.in_(report_ids))
    tx.execute(insert(recipients).from_select(["message_id", "user_id", "email"], reader.order_by(messages.c.id)))
