"""The queue: rows of ``recipients`` that are due, claimed under a lease, and settled together.

A claim is durable before its work begins. Whoever holds it is named in ``lease_owner`` until ``lease_until``; a worker
that lives renews its leases, one that died loses them, and ``recover`` puts the rows back. Only the owner of a lease
can settle it, so two workers never write over each other. Leases compare the clock of their owner with the clock of
whoever recovers them, so the clocks of several hosts should agree to within a few seconds.

``started_at`` says that the mail of a claimed recipient may be on the wire. It is written before that is so, in the
transaction that settles the last mail of the same connection; so a crash leaves at most one such row for each connection.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Row, Select, Update, and_, bindparam, case, func, insert, literal, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from postroom.clock import DAY, HOUR, SECOND
from postroom.delivery.records import Batch, Due, Outcome
from postroom.directory import people, suppressions
from postroom.directory.values import chunks
from postroom.messages import reports
from postroom.messages.records import Lane
from postroom.settings import DeliverySettings, Settings
from postroom.storage.database import Tx
from postroom.storage.tables import FINAL_STATES, IS_SENDING, IS_WAITING, attempts, recipients, users

OVERDUE: Final = HOUR
"""How long after its expiry a recipient is given up without a last try, because nobody could make that try."""

POISON: Final = 3
"""Crashes of workers that were sending to a recipient, after which it is parked."""

PARKED: Final = "parked: three workers died while they sent to this recipient; 'postroom queue release' lets it go on"

_CRASHED: Final = "the worker died while it sent this mail"

_r: Final = recipients.c
_NAME: Final = select(people.full_name()).where(users.c.id == _r.user_id).correlate(recipients).scalar_subquery()

# The two statements of each group commit, in the words of each driver: SQLAlchemy's own way to say them costs more than running
# them. Their rows come as one JSON array, so that the number of recipients changes neither
# the text of the statement nor how often the database is spoken to; what they return is who was really held.
_ROWS: Final = {
    "sqlite": (
        "SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS state, json_extract(value, '$[2]') AS due_at,"
        " json_extract(value, '$[3]') AS code, json_extract(value, '$[4]') AS reply, json_extract(value, '$[5]') AS settled_at,"
        " json_extract(value, '$[6]') AS ambiguous FROM json_each(:rows)"
    ),
    "postgresql": (
        "SELECT (value->>0)::bigint AS id, value->>1 AS state, (value->>2)::bigint AS due_at, (value->>3)::integer AS code,"
        " value->>4 AS reply, (value->>5)::bigint AS settled_at, (value->>6)::boolean AS ambiguous"
        " FROM jsonb_array_elements(CAST(%(rows)s AS jsonb))"
    ),
}
_NUMBERS: Final = {
    "sqlite": "SELECT value AS id FROM json_each(:rows)",
    "postgresql": "SELECT value::bigint AS id FROM jsonb_array_elements_text(CAST(%(rows)s AS jsonb))",
}
_HELD: Final = {
    "sqlite": " WHERE recipients.id = new.id AND recipients.state = 'sending' AND recipients.lease_owner = :owner RETURNING recipients.id",
    "postgresql": (
        " WHERE recipients.id = new.id AND recipients.state = 'sending' AND recipients.lease_owner = %(owner)s RETURNING recipients.id"
    ),
}
_SETTLE: Final = {
    dialect: (
        "UPDATE recipients SET state = new.state, due_at = new.due_at, reply_code = new.code, reply_text = new.reply,"
        " settled_at = new.settled_at, ambiguous = recipients.ambiguous OR new.ambiguous,"
        f" lease_owner = NULL, lease_until = NULL, started_at = NULL FROM ({rows}) AS new{_HELD[dialect]}"
    )
    for dialect, rows in _ROWS.items()
}
_START: Final = {
    "sqlite": f"UPDATE recipients SET started_at = :at FROM ({_NUMBERS['sqlite']}) AS new{_HELD['sqlite']}",
    "postgresql": f"UPDATE recipients SET started_at = %(at)s FROM ({_NUMBERS['postgresql']}) AS new{_HELD['postgresql']}",
}


def _claiming(dialect: str) -> Update:
    """Build the statement that claims recipients of one lane."""
    due = (
        select(_r.id)
        .where(_r.lane == bindparam("claimed_lane"), IS_WAITING, _r.due_at <= bindparam("now"))
        .order_by(_r.due_at)
        .limit(bindparam("most"))
    )
    if dialect == "postgresql":  # SQLite has one writer at a time
        due = due.with_for_update(skip_locked=True)
    return (
        update(recipients)
        .where(_r.id.in_(due.scalar_subquery()))
        .values(state="sending", attempts=_r.attempts + 1, lease_owner=bindparam("owner"), lease_until=bindparam("until"))
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
    )


_CLAIM: Final = {dialect: _claiming(dialect) for dialect in ("sqlite", "postgresql")}


def claim(tx: Tx, owner: str, now: int, lease_ms: int, *, single: int, bulk: int) -> list[Due]:
    """Take due recipients for ``owner``: up to so many of each lane, single mails first.

    The rows are ``sending`` until they are settled, released, or their lease of ``lease_ms`` runs out. A statement for each lane.
    """
    until = now + lease_ms
    return _claim_lane(tx, owner, "single", single, now=now, until=until) + _claim_lane(tx, owner, "bulk", bulk, now=now, until=until)


def release(tx: Tx, owner: str, ids: Sequence[int], due_at: int | None = None) -> None:
    """Put claimed recipients back as if they had never been tried, due as before or at ``due_at``: no attempt is burnt."""
    back: dict[str, Any] = {**_unclaimed(), **({"due_at": due_at} if due_at is not None else {})}
    for chunk in chunks(sorted(ids)):
        tx.execute(update(recipients).where(_r.id.in_(chunk), _held_by(owner)).values(back))


def renew(tx: Tx, owner: str, ids: Sequence[int], until: int) -> set[int]:
    """Keep the leases on ``ids`` until then; return those that ``owner`` still holds.

    On PostgreSQL those that are being settled at this moment are passed over: two transactions of one worker never wait for each other.
    """
    kept: set[int] = set()
    for chunk in chunks(sorted(ids)):
        held = select(_r.id).where(_r.id.in_(chunk), _held_by(owner))
        rows = held.with_for_update(skip_locked=True) if tx.dialect.name == "postgresql" else held
        tx.execute(update(recipients).where(_r.id.in_(rows.scalar_subquery())).values(lease_until=until))
        kept.update(tx.scalars(held))
    return kept


def recover(tx: Tx, settings: DeliverySettings, now: int, owner: str = "", holding: Sequence[int] = ()) -> tuple[int, int, int]:
    """Put back every recipient whose lease ran out: its worker died, or lost the store.

    Whoever asks, ``owner``, still answers for those that it is ``holding``: their outcomes may wait for a store that was away.
    Whoever was not being sent to waits again as if never claimed. Of the others, at most one for each of its connections,
    nobody knows: they become ``unknown`` as when a connection breaks after the final dot; who has been so ``POISON`` times is
    parked (waits without a due time) until a person looks. Returns how many there were: put back, unknown, parked.
    """
    lapsed = and_(IS_SENDING, _r.lease_until <= now, or_(_r.lease_owner != owner, _r.id.not_in(list(holding))))
    started = [row.id for row in tx.execute(_locked(tx, select(_r.id).where(lapsed, _r.started_at != null()).order_by(_r.id)))]
    parked = 0
    for chunk in chunks(started):
        parked += _recover_started(tx, settings, chunk, now)
    waiting = _locked(tx, select(_r.id).where(lapsed, _r.started_at == null()))
    back = tx.execute(update(recipients).where(_r.id.in_(waiting.scalar_subquery()), lapsed).values(_unclaimed())).rowcount
    return back, len(started) - parked, parked


def settle(tx: Tx, settings: Settings, owner: str, batch: Batch, now: int) -> frozenset[int]:
    """Write what became of claimed recipients and who is sent to next, then settle the messages that have nobody open any more.

    Returns the recipients that ``owner`` no longer held: somebody else answers for them now, and nothing was changed. The number
    of statements does not depend on the number of recipients.
    """
    lost = _settle_rows(tx, owner, batch.outcomes, now) | _start_rows(tx, owner, batch.starts, now)
    tried = [_attempt_row(outcome, now) for outcome in batch.outcomes if outcome.state != "delivered" and outcome.recipient_id not in lost]
    if tried:
        tx.execute(insert(attempts), tried)
        _suppress(tx, settings, [outcome for outcome in batch.outcomes if outcome.suppress and outcome.recipient_id not in lost], now)
    if batch.ended:
        reports.settle(tx, settings, batch.ended, now)
    return lost


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


_NEXT_DUE: Final = select(
    *(select(func.min(_r.due_at)).where(_r.lane == lane, IS_WAITING).scalar_subquery().label(lane) for lane in ("single", "bulk"))
)


def next_due(tx: Tx) -> tuple[int | None, int | None]:
    """Return when the earliest waiting recipient of the single and of the bulk lane is due, ``None`` when nobody waits there."""
    row = tx.execute(_NEXT_DUE).one()
    return row.single, row.bulk


def _claim_lane(tx: Tx, owner: str, lane: Lane, limit: int, *, now: int, until: int) -> list[Due]:
    if limit <= 0:
        return []
    values = {"owner": owner, "claimed_lane": lane, "most": limit, "now": now, "until": until}
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
        for row in tx.execute(_CLAIM[tx.dialect.name], values)
    ]


def _locked(tx: Tx, rows: Select[tuple[int]]) -> Select[tuple[int]]:
    """Lock the rows and pass over those that somebody else works on; SQLite has one writer at a time."""
    return rows.with_for_update(skip_locked=True) if tx.dialect.name == "postgresql" else rows


def _held_by(owner: str) -> ColumnElement[bool]:
    return and_(_r.state == "sending", _r.lease_owner == owner)


def _unclaimed() -> dict[str, Any]:
    """Return what makes a claimed row what it was before."""
    before = case((_r.attempts > 1, "deferred"), else_="queued")
    return {"state": before, "attempts": _r.attempts - 1, "lease_owner": None, "lease_until": None, "started_at": None}


def _recover_started(tx: Tx, settings: DeliverySettings, ids: Sequence[int], now: int) -> int:
    """Note for each of them that its worker died; return how many are parked now."""
    poison = _r.recoveries + 1 >= POISON
    again = None if settings.unknown_hold else now + round(settings.unknown_pause * SECOND)
    rows = tx.execute(
        update(recipients)
        .where(_r.id.in_(ids))
        .values(
            state="unknown",
            due_at=case((poison, null()), else_=literal(again, BigInteger)),
            recoveries=_r.recoveries + 1,
            ambiguous=True,
            reply_code=None,
            reply_text=case((poison, PARKED), else_=_CRASHED),
            lease_owner=None,
            lease_until=None,
            started_at=None,
        )
        .returning(_r.id, _r.recoveries)
    ).all()
    noted = {"at": now, "relay": "", "outcome": "unknown", "reply_code": None, "reply_text": _CRASHED}
    tx.execute(insert(attempts), [{"recipient_id": row.id, **noted} for row in rows])
    return sum(row.recoveries >= POISON for row in rows)


def _settle_rows(tx: Tx, owner: str, outcomes: Sequence[Outcome], now: int) -> frozenset[int]:
    """Write outcomes; return whom ``owner`` did not hold."""
    if not outcomes:
        return frozenset()
    rows = msgspec.json.encode([_settled_row(outcome, now) for outcome in outcomes]).decode()
    written = tx.exec_driver_sql(_SETTLE[tx.dialect.name], {"rows": rows, "owner": owner}).all()
    return _missing((outcome.recipient_id for outcome in outcomes), len(outcomes), written)


def _start_rows(tx: Tx, owner: str, starts: Sequence[int], now: int) -> frozenset[int]:
    """Note who is sent to next; return whom ``owner`` did not hold."""
    if not starts:
        return frozenset()
    rows = msgspec.json.encode(starts).decode()
    written = tx.exec_driver_sql(_START[tx.dialect.name], {"rows": rows, "owner": owner, "at": now}).all()
    return _missing(starts, len(starts), written)


def _missing(wanted: Iterable[int], count: int, written: Sequence[Row[Any]]) -> frozenset[int]:
    return frozenset() if len(written) == count else frozenset(wanted).difference(row[0] for row in written)


def _settled_row(outcome: Outcome, now: int) -> tuple[object, ...]:
    settled_at = now if outcome.state in FINAL_STATES else None
    return (
        outcome.recipient_id,
        outcome.state,
        outcome.due_at,
        outcome.reply_code,
        outcome.reply_text,
        settled_at,
        outcome.ambiguous,
    )


def _suppress(tx: Tx, settings: Settings, outcomes: Sequence[Outcome], now: int) -> None:
    """Put the addresses that do not exist on the suppression list."""
    days = settings.delivery.suppress_days
    if not outcomes or not days:
        return
    replies = {outcome.recipient_id: outcome.reply_text for outcome in outcomes}
    found = tx.execute(select(_r.id, _r.message_id, _r.email).where(_r.id.in_(list(replies)), _r.email != null())).all()
    for row in found:
        suppressions.suppress(tx, row.email, "hard_bounce", replies[row.id], now, expires_at=now + days * DAY, message_id=row.message_id)


def _attempt_row(outcome: Outcome, now: int) -> dict[str, object]:
    return {
        "recipient_id": outcome.recipient_id,
        "at": now,
        "relay": outcome.relay,
        "outcome": outcome.state,
        "reply_code": outcome.reply_code,
        "reply_text": outcome.reply_text,
    }
