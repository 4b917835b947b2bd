"""What an operator wants to know: what waits, why and since when; and what became of each recipient of a message."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Row, func, select

from postroom.delivery.records import Attempt, QueueLine, RollLine
from postroom.directory import people
from postroom.messages.records import Recipient
from postroom.storage.database import Tx
from postroom.storage.tables import IS_OPEN, attempts, messages, recipients, users

_r: Final = recipients.c


def overview(tx: Tx, limit: int) -> list[QueueLine]:
    """List the ``limit`` oldest messages that have open recipients. Three statements, whatever the limit."""
    ids = list(tx.scalars(select(_r.message_id).where(IS_OPEN).distinct().order_by(_r.message_id).limit(limit)))
    counts = tx.execute(
        select(
            _r.message_id,
            _r.lane,
            _r.state,
            func.count().label("people"),
            func.min(_r.due_at).label("due"),
            messages.c.subject,
            messages.c.sent_at,
        )
        .join_from(recipients, messages, messages.c.id == _r.message_id)
        .where(IS_OPEN, _r.message_id.in_(ids))
        .group_by(_r.message_id, _r.lane, _r.state, messages.c.subject, messages.c.sent_at)
    ).all()
    replies = _last_replies(tx, ids)
    by_message: dict[int, list[Row[tuple[int, str, str, int, int | None, str, int | None]]]] = {}
    for row in counts:
        by_message.setdefault(row.message_id, []).append(row)
    return [_line(rows, replies.get(message_id, "")) for message_id, rows in sorted(by_message.items())]


def roll(tx: Tx, message_id: int, after_id: int, limit: int) -> list[RollLine]:
    """Return up to ``limit`` recipients of a message behind ``after_id``, in the order of the roll, each with all its failed tries."""
    rows = tx.execute(
        select(
            *(_r[name] for name in Recipient.__struct_fields__),
            people.full_name().label("name"),
        )
        .join_from(recipients, users, users.c.id == _r.user_id, isouter=True)
        .where(_r.message_id == message_id, _r.id > after_id)
        .order_by(_r.id)
        .limit(limit)
    ).all()
    tries = _tries(tx, message_id, rows[0].id, rows[-1].id) if rows else {}
    return [RollLine(**row._mapping, tries=tries.get(row.id, [])) for row in rows]  # noqa: SLF001 - the public name of a row as a mapping


def _line(rows: Sequence[Row[tuple[int, str, str, int, int | None, str, int | None]]], last_reply: str) -> QueueLine:
    first = rows[0]
    return QueueLine(
        message_id=first.message_id,
        subject=first.subject,
        lane=first.lane,
        states={row.state: sum(other.people for other in rows if other.state == row.state) for row in rows},
        since=first.sent_at,
        next_due=min((row.due for row in rows if row.due is not None and row.state != "sending"), default=None),
        last_reply=last_reply,
    )


def _last_replies(tx: Tx, message_ids: Sequence[int]) -> dict[int, str]:
    """Return for each message the reply to its open recipient that was tried last."""
    latest = (
        select(func.max(attempts.c.id))
        .join_from(attempts, recipients, _r.id == attempts.c.recipient_id)
        .where(IS_OPEN, _r.message_id.in_(message_ids))
        .group_by(_r.message_id)
    )
    rows = tx.execute(
        select(_r.message_id, attempts.c.reply_text)
        .join_from(attempts, recipients, _r.id == attempts.c.recipient_id)
        .where(attempts.c.id.in_(latest.scalar_subquery()))
    ).all()
    return {row.message_id: row.reply_text for row in rows}


def _tries(tx: Tx, message_id: int, first: int, last: int) -> dict[int, list[Attempt]]:
    rows = tx.execute(
        select(attempts.c.recipient_id, attempts.c.at, attempts.c.relay, attempts.c.outcome, attempts.c.reply_code, attempts.c.reply_text)
        .join_from(attempts, recipients, _r.id == attempts.c.recipient_id)
        .where(_r.message_id == message_id, _r.id.between(first, last))
        .order_by(attempts.c.id)
    ).all()
    found: dict[int, list[Attempt]] = {}
    for row in rows:
        tried = Attempt(at=row.at, relay=row.relay, outcome=row.outcome, reply_code=row.reply_code, reply_text=row.reply_text)
        found.setdefault(row.recipient_id, []).append(tried)
    return found
