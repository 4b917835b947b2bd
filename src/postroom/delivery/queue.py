"""The queue: rows of ``recipients`` that are due, claimed under a lease, and settled together.

A claim is durable before its work begins. Whoever holds it is named in ``lease_owner`` until ``lease_until``; a worker
that lives renews its leases, one that died loses them, and ``recover`` puts the rows back. Only the owner of a lease
can settle it, so two workers never write over each other. Leases compare the clock of their owner with the clock of
whoever recovers them, so the clocks of several hosts should agree to within a few seconds.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Boolean, Select, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from postroom.clock import HOUR
from postroom.delivery.records import Due, Outcome
from postroom.directory import people
from postroom.directory.values import chunks
from postroom.messages import reports
from postroom.messages.records import Lane
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import FINAL_STATES, IS_SENDING, IS_WAITING, attempts, recipients, users

OVERDUE: Final = HOUR
"""How long after its expiry a recipient is given up without a last try, because nobody could make that try."""

_r: Final = recipients.c
_NAME: Final = select(people.full_name()).where(users.c.id == _r.user_id).correlate(recipients).scalar_subquery()

# The two statements of each group commit, built once.
_HELD: Final = (
    select(_r.id)
    .where(_r.id.in_(bindparam("ids", expanding=True)), _r.state == "sending", _r.lease_owner == bindparam("owner"))
    .order_by(_r.id)
    .with_for_update()
)
_SETTLE: Final = (
    update(recipients)
    .where(_r.id == bindparam("settled_id"), _r.lease_owner == bindparam("settled_owner"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("new_due_at"),
        reply_code=bindparam("new_code"),
        reply_text=bindparam("new_text"),
        settled_at=bindparam("new_settled_at"),
        ambiguous=or_(_r.ambiguous, bindparam("new_ambiguous", type_=Boolean)),
        lease_owner=None,
        lease_until=None,
    )
)


def claim(tx: Tx, owner: str, limit: int, now: int, lease_ms: int, *, bulk: int | None = None) -> list[Due]:
    """Take up to ``limit`` due recipients for ``owner``, single mails first, at most ``bulk`` (default: all) out of the bulk lane.

    The rows are ``sending`` until they are settled, released, or their lease of ``lease_ms`` runs out. Two statements.
    """
    claimed = _claim_lane(tx, owner, "single", limit, now=now, lease_ms=lease_ms)
    rest = min(limit - len(claimed), limit if bulk is None else bulk)
    return claimed + _claim_lane(tx, owner, "bulk", rest, now=now, lease_ms=lease_ms)


def release(tx: Tx, owner: str, ids: Sequence[int]) -> None:
    """Put claimed recipients back as they were due, as if they had never been tried: no attempt is burnt."""
    for chunk in chunks(sorted(ids)):
        tx.execute(
            update(recipients)
            .where(_r.id.in_(chunk), _held_by(owner))
            .values(state=case((_r.attempts > 1, "deferred"), else_="queued"), attempts=_r.attempts - 1, lease_owner=None, lease_until=None)
        )


def renew(tx: Tx, owner: str, ids: Sequence[int], until: int) -> set[int]:
    """Keep the leases on ``ids`` until then; return those that ``owner`` still holds."""
    kept: set[int] = set()
    for chunk in chunks(sorted(ids)):
        renewed = update(recipients).where(_r.id.in_(chunk), _held_by(owner)).values(lease_until=until).returning(_r.id)
        kept.update(tx.scalars(renewed))
    return kept


def recover(tx: Tx, now: int) -> int:
    """Put back every recipient whose lease ran out; return how many.

    Its worker died or lost the store, perhaps between handing the mail over and writing that down, so the recipient
    is marked as perhaps delivered twice from now on. At most the windows of the workers that died.
    """
    result = tx.execute(
        update(recipients)
        .where(IS_SENDING, _r.lease_until <= now)
        .values(state="queued", due_at=now, recoveries=_r.recoveries + 1, ambiguous=True, lease_owner=None, lease_until=None)
    )
    return result.rowcount


def settle(tx: Tx, settings: Settings, owner: str, outcomes: Sequence[Outcome], now: int) -> list[int]:
    """Write what became of claimed recipients, and settle the messages that have nobody open any more.

    Returns the recipients that ``owner`` no longer held: somebody else answers for them now, and nothing was changed.
    """
    lost = record(tx, owner, outcomes, now)
    finished = {outcome.message_id for outcome in outcomes if outcome.state in FINAL_STATES}
    if finished:
        reports.settle(tx, settings, sorted(finished), now)
    return lost


def record(tx: Tx, owner: str, outcomes: Sequence[Outcome], now: int) -> list[int]:
    """Write outcomes as ``settle`` does, without a look at the messages. Constant number of statements for each 500."""
    held = _held(tx, owner, [outcome.recipient_id for outcome in outcomes])
    kept = sorted((outcome for outcome in outcomes if outcome.recipient_id in held), key=lambda outcome: outcome.recipient_id)
    if kept:
        tx.execute(_SETTLE, [_settled_row(outcome, owner, now) for outcome in kept])
    failed = [_attempt_row(outcome, now) for outcome in kept if outcome.state != "delivered"]
    if failed:
        tx.execute(insert(attempts), failed)
    return [outcome.recipient_id for outcome in outcomes if outcome.recipient_id not in held]


def expire(tx: Tx, settings: Settings, now: int, limit: int) -> int:
    """Give up waiting recipients whose last try is overdue by ``OVERDUE``, as when the relay is away for days; return how many.

    In normal times a recipient's own last try, at its expiry, decides; those held for a person to decide are left alone.
    """
    overdue = select(_r.id).where(IS_WAITING, _r.due_at <= now, _r.expires_at <= now - OVERDUE).limit(limit)
    if tx.dialect.name == "postgresql":
        overdue = overdue.with_for_update(skip_locked=True)
    rows = tx.execute(
        update(recipients)
        .where(_r.id.in_(overdue.scalar_subquery()))
        .values(state="expired", due_at=None, settled_at=now, reply_text=func.coalesce(_r.reply_text, "no relay could be reached in time"))
        .returning(_r.message_id)
    ).all()
    if rows:
        reports.settle(tx, settings, sorted({row.message_id for row in rows}), now)
    return len(rows)


def next_due(tx: Tx) -> int | None:
    """Return when the earliest waiting recipient is due, ``None`` when nobody waits. Two look-ups in an index."""
    lanes = (select(func.min(_r.due_at)).where(_r.lane == lane, IS_WAITING).scalar_subquery() for lane in ("single", "bulk"))
    found = [value for value in tx.execute(select(*lanes)).one() if value is not None]
    return min(found, default=None)


def _claim_lane(tx: Tx, owner: str, lane: Lane, limit: int, *, now: int, lease_ms: int) -> list[Due]:
    if limit <= 0:
        return []
    rows = tx.execute(
        update(recipients)
        .where(_r.id.in_(_due(tx, lane, limit, now).scalar_subquery()))
        .values(state="sending", attempts=_r.attempts + 1, lease_owner=owner, lease_until=now + lease_ms)
        .returning(
            _r.id,
            _r.message_id,
            _r.email,
            _r.role,
            _r.lane,
            _r.attempts,
            _r.ambiguous,
            _r.expires_at,
            _r.variables,
            func.coalesce(_NAME, _r.name, "").label("name"),
        )
    ).all()
    return [
        Due(
            id=row.id,
            message_id=row.message_id,
            email=row.email,
            name=row.name,
            role=row.role,
            lane=row.lane,
            attempts=row.attempts,
            ambiguous=row.ambiguous,
            expires_at=row.expires_at,
            variables=row.variables,
        )
        for row in rows
    ]


def _due(tx: Tx, lane: Lane, limit: int, now: int) -> Select[tuple[int]]:
    due = select(_r.id).where(_r.lane == lane, IS_WAITING, _r.due_at <= now).order_by(_r.due_at).limit(limit)
    return due.with_for_update(skip_locked=True) if tx.dialect.name == "postgresql" else due  # SQLite has one writer at a time


def _held_by(owner: str) -> ColumnElement[bool]:
    return and_(_r.state == "sending", _r.lease_owner == owner)


def _held(tx: Tx, owner: str, ids: Sequence[int]) -> set[int]:
    held: set[int] = set()
    for chunk in chunks(sorted(ids)):
        held.update(tx.scalars(_HELD, {"ids": chunk, "owner": owner}))
    return held


def _settled_row(outcome: Outcome, owner: str, now: int) -> dict[str, object]:
    return {
        "settled_id": outcome.recipient_id,
        "settled_owner": owner,
        "new_state": outcome.state,
        "new_due_at": outcome.due_at,
        "new_code": outcome.reply_code,
        "new_text": outcome.reply_text,
        "new_settled_at": now if outcome.state in FINAL_STATES else None,
        "new_ambiguous": outcome.ambiguous,
    }


def _attempt_row(outcome: Outcome, now: int) -> dict[str, object]:
    return {
        "recipient_id": outcome.recipient_id,
        "at": now,
        "relay": outcome.relay,
        "outcome": outcome.state,
        "reply_code": outcome.reply_code,
        "reply_text": outcome.reply_text,
    }
