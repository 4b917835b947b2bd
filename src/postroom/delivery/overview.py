"""What an operator wants to know: what waits, why and since when; and what became of each recipient of a message."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, case, func, literal_column, select

from postroom.delivery.records import PARKED_MARK, Attempt, DomainLine, QueueLine, RollLine
from postroom.directory import people
from postroom.messages.records import Recipient
from postroom.storage.database import Tx
from postroom.storage.tables import IS_HELD, IS_OPEN, IS_WAITING, attempts, messages, recipients, users

_r: Final = recipients.c
_IS_PARKED: Final = and_(IS_HELD, _r.reply_text.startswith(PARKED_MARK))


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
            func.sum(case((IS_HELD, 1), else_=0)).label("held"),
            func.sum(case((_IS_PARKED, 1), else_=0)).label("parked"),
            messages.c.subject,
            messages.c.sent_at,
        )
        .join_from(recipients, messages, messages.c.id == _r.message_id)
        .where(IS_OPEN, _r.message_id.in_(ids))
        .group_by(_r.message_id, _r.lane, _r.state, messages.c.subject, messages.c.sent_at)
    ).all()
    replies = _last_replies(tx, ids)
    by_message: dict[int, list[Row[Any]]] = {}
    for row in counts:
        by_message.setdefault(row.message_id, []).append(row)
    return [_line(rows, replies.get(message_id, "")) for message_id, rows in sorted(by_message.items())]


def domains(tx: Tx, limit: int) -> list[DomainLine]:
    """List the ``limit`` domains that most recipients wait at. Two statements, whatever the limit."""
    domain = _domain(tx)
    tried = _r.state.in_(("deferred", "unknown"))
    waiting = func.count().label("waiting")
    rows = tx.execute(
        select(domain.label("domain"), waiting, func.sum(case((tried, 1), else_=0)).label("deferred"))
        .where(IS_WAITING)
        .group_by(domain)
        .order_by(waiting.desc(), domain)
        .limit(limit)
    ).all()
    latest = (
        select(func.max(attempts.c.id))
        .join_from(attempts, recipients, _r.id == attempts.c.recipient_id)
        .where(IS_WAITING, tried, domain.in_([row.domain for row in rows]))
        .group_by(domain)
    )
    said = select(domain.label("domain"), attempts.c.reply_text).join_from(attempts, recipients, _r.id == attempts.c.recipient_id)
    replies = {row.domain: row.reply_text for row in tx.execute(said.where(attempts.c.id.in_(latest.scalar_subquery())))}
    return [
        DomainLine(domain=row.domain, waiting=row.waiting, deferred=row.deferred, last_reply=replies.get(row.domain, "")) for row in rows
    ]


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


def _domain(tx: Tx) -> ColumnElement[str]:
    """Return the domain of a recipient, in SQL: an address in its normal form holds one @, and its domain is in lower case."""
    if tx.dialect.name == "postgresql":
        return func.split_part(_r.email, literal_column("'@'"), literal_column("2"))
    return func.substr(_r.email, func.instr(_r.email, literal_column("'@'")) + literal_column("1"))


def _line(rows: Sequence[Row[Any]], last_reply: str) -> QueueLine:
    first = rows[0]
    return QueueLine(
        message_id=first.message_id,
        subject=first.subject,
        lane=first.lane,
        states={row.state: sum(other.people for other in rows if other.state == row.state) for row in rows},
        held=sum(row.held for row in rows),
        parked=sum(row.parked for row in rows),
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
        select(attempts.c.recipient_id, *(attempts.c[name] for name in Attempt.__struct_fields__))
        .join_from(attempts, recipients, _r.id == attempts.c.recipient_id)
        .where(_r.message_id == message_id, _r.id.between(first, last))
        .order_by(attempts.c.id)
    ).all()
    found: dict[int, list[Attempt]] = {}
    for row in rows:
        tried = Attempt(**{name: getattr(row, name) for name in Attempt.__struct_fields__})
        found.setdefault(row.recipient_id, []).append(tried)
    return found
