"""The queue: rows of ``recipients`` that are due, claimed under a lease, and settled together.

A claim is durable before its work begins. Whoever holds it is named in ``lease_owner`` until ``lease_until``; a worker
that lives renews its leases, one that died loses them, and ``recover`` puts the rows back. Only the owner of a lease
can settle it, so two workers never write over each other. Leases compare the clock of their owner with the clock of
whoever recovers them, so the clocks of several hosts should agree to within a few seconds.

Whose mail may be on the wire stands in the one row of the worker (``workers.on_wire``). It is written before that is so, in the
transaction that settles the last mail of the same connection; so a crash leaves at most one mail for each connection of which
nobody knows.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Select, Update, and_, bindparam, case, func, insert, literal, null, select, update
from sqlalchemy.sql.elements import ColumnElement

from postroom.clock import DAY, HOUR, SECOND
from postroom.delivery.records import PARKED_MARK, Batch, Due, Outcome
from postroom.directory import people, suppressions
from postroom.directory.values import chunks
from postroom.messages import reports
from postroom.messages.records import Lane
from postroom.settings import DeliverySettings, Settings
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import FINAL_STATES, IS_SENDING, IS_WAITING, attempts, recipients, users, workers

OVERDUE: Final = HOUR
"""How long after its expiry a recipient is given up without a last try, because nobody could make that try."""

POISON: Final = 3
"""Crashes of workers that were sending to a recipient, after which it is parked."""

PARKED: Final = f"{PARKED_MARK} three workers died while they sent to this recipient; 'postroom queue release' lets it go on"

_CRASHED: Final = "the worker died while it sent this mail"

_r: Final = recipients.c
_NAME: Final = select(people.full_name()).where(users.c.id == _r.user_id).correlate(recipients).scalar_subquery()

# The three statements of each group commit (``storage.plain``). Rows come as one JSON array, so that the number of recipients
# changes neither the text of a statement nor how often the database is spoken to; what comes back is who was really held.
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
# Only rows that are being sent have an owner. That is not said by their state as well: PostgreSQL would take the index of leases for
# it, and read all of them with whatever was there before, instead of a few rows by number.
_HELD: Final = {
    "sqlite": " WHERE recipients.id = new.id AND recipients.lease_owner = :owner RETURNING recipients.id",
    "postgresql": " WHERE recipients.id = new.id AND recipients.lease_owner = %(owner)s RETURNING recipients.id",
}
_SETTLE: Final = {
    dialect: (
        "UPDATE recipients SET state = new.state, due_at = new.due_at, reply_code = new.code, reply_text = new.reply,"
        " settled_at = new.settled_at, ambiguous = recipients.ambiguous OR new.ambiguous,"
        f" lease_owner = NULL, lease_until = NULL FROM ({rows}) AS new{_HELD[dialect]}"
    )
    for dialect, rows in _ROWS.items()
}
_STILL_HELD: Final = {
    "sqlite": (
        "SELECT recipients.id FROM json_each(:rows) AS wanted JOIN recipients ON recipients.id = wanted.value"
        " WHERE recipients.lease_owner = :owner"
    ),
    "postgresql": (
        "SELECT recipients.id FROM jsonb_array_elements_text(CAST(%(rows)s AS jsonb)) AS wanted"
        " JOIN recipients ON recipients.id = wanted.value::bigint WHERE recipients.lease_owner = %(owner)s"
    ),
}
_BY_INDEX: Final = {"postgresql": "SELECT set_config('enable_seqscan', 'off', true)"}
"""Until the transaction ends: as long as nothing is known of the table PostgreSQL thinks it short, reads all of it instead of the few rows
that are named, and keeps to that plan while the table grows. A fresh store delivered a third of the mails a second, less each time."""

_ON_WIRE: Final = {
    "sqlite": (
        "INSERT INTO workers (name, started_at, seen_at, on_wire) VALUES (:owner, :now, :now, :on_wire)"
        " ON CONFLICT (name) DO UPDATE SET on_wire = excluded.on_wire RETURNING name"
    ),
    "postgresql": (
        "INSERT INTO workers (name, started_at, seen_at, on_wire) VALUES (%(owner)s, %(now)s, %(now)s, %(on_wire)s)"
        " ON CONFLICT (name) DO UPDATE SET on_wire = excluded.on_wire RETURNING name"
    ),
}


def _first_of(rows: Select[tuple[int]]) -> Select[tuple[int]]:
    """Choose and lock rows once for all: PostgreSQL may run a plain subquery anew for each row of the table, beyond its limit."""
    return select(_locked(rows).cte().c.id)


def _locked(rows: Select[tuple[int]]) -> Select[tuple[int]]:
    """Lock the rows and pass over those that somebody else works on; SQLite has one writer at a time, so it says nothing there."""
    return rows.with_for_update(skip_locked=True)


def _claiming() -> Update:
    """Build the statement that claims recipients of one lane."""
    due = _first_of(
        select(_r.id)
        .where(_r.lane == bindparam("claimed_lane"), IS_WAITING, _r.due_at <= bindparam("now"))
        .order_by(_r.due_at)
        .limit(bindparam("most"))
    )
    return (
        update(recipients)
        .where(_r.id.in_(due))
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


_CLAIM: Final = _claiming()


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
        tx.execute(update(recipients).where(_r.id.in_(_locked(held).scalar_subquery())).values(lease_until=until))
        kept.update(tx.scalars(held))
    return kept


def recover(tx: Tx, settings: DeliverySettings, now: int, owner: str = "", holding: Sequence[int] = ()) -> tuple[int, int, int]:
    """Put back every recipient whose lease ran out: its worker died, or lost the store.

    Whoever asks, ``owner``, still answers for those that it is ``holding``: their outcomes may wait for a store that was away.
    Whoever was not being sent to waits again as if never claimed. Of the others, at most one for each of its connections,
    nobody knows: they become ``unknown`` as when a connection breaks after the final dot; who has been so ``POISON`` times is
    parked (waits without a due time) until a person looks. Returns how many there were: put back, unknown, parked.
    """
    lapsed = and_(IS_SENDING, _r.lease_until <= now)
    back = parked = unknown = 0
    for dead in tx.scalars(select(_r.lease_owner).where(lapsed).distinct().order_by(_r.lease_owner)).all():
        on_wire = _last_on_wire(tx, dead)
        rows = tx.execute(_locked(select(_r.id).where(lapsed, _r.lease_owner == dead).order_by(_r.id)))
        held = set(holding) if dead == owner else set()
        ids = [row.id for row in rows if row.id not in held]
        started = [number for number in ids if on_wire is None or number in on_wire]
        for chunk in chunks(started):
            parked += _recover_started(tx, settings, chunk, now)
        for chunk in chunks(sorted(set(ids).difference(started))):
            tx.execute(update(recipients).where(_r.id.in_(chunk)).values(_unclaimed()))
        back += len(ids) - len(started)
        unknown += len(started)
    return back, unknown - parked, parked


def settle(tx: Tx, settings: Settings, owner: str, batch: Batch, now: int) -> frozenset[int]:
    """Write what became of claimed recipients and who is sent to next, then settle the messages that have nobody open any more.

    Returns the recipients that ``owner`` no longer held: somebody else answers for them now, and nothing was changed. The number
    of statements does not depend on the number of recipients.
    """
    lost = _write(tx, owner, batch, now)
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
    overdue = _first_of(select(_r.id).where(IS_WAITING, _r.due_at != null(), _r.expires_at <= now - OVERDUE).limit(limit))
    rows = tx.execute(
        update(recipients)
        .where(_r.id.in_(overdue))
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
            id=number,
            message_id=message_id,
            email=email,
            role=role,
            lane=its_lane,
            attempts=tries,
            ambiguous=ambiguous,
            expires_at=expires_at,
            variables=variables,
            name=name,
        )
        for number, message_id, email, role, its_lane, tries, ambiguous, expires_at, variables, name in tx.execute(_CLAIM, values)
    ]


def _held_by(owner: str) -> ColumnElement[bool]:
    return and_(_r.state == "sending", _r.lease_owner == owner)


def _unclaimed() -> dict[str, Any]:
    """Return what makes a claimed row what it was before."""
    before = case((_r.attempts > 1, "deferred"), else_="queued")
    return {"state": before, "attempts": _r.attempts - 1, "lease_owner": None, "lease_until": None}


def _last_on_wire(tx: Tx, owner: str) -> frozenset[int] | None:
    """Return whose mail a worker said that it hands over, ``None`` if it never said anything; until the end it can say nothing else."""
    row = tx.execute(select(workers.c.on_wire).where(workers.c.name == owner).with_for_update()).first()
    return None if row is None else frozenset(msgspec.json.decode(row.on_wire, type=list[int]))


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
        )
        .returning(_r.id, _r.recoveries)
    ).all()
    noted = {"at": now, "relay": "", "outcome": "unknown", "fault": None, "reply_code": None, "reply_text": _CRASHED}
    tx.execute(insert(attempts), [{"recipient_id": row.id, **noted} for row in rows])
    return sum(row.recoveries >= POISON for row in rows)


def _write(tx: Tx, owner: str, batch: Batch, now: int) -> frozenset[int]:
    """Write a batch; return whom ``owner`` does not hold."""
    rows = msgspec.json.encode([_settled_row(outcome, now) for outcome in batch.outcomes]).decode()
    starts = msgspec.json.encode(batch.starts).decode()
    on_wire = msgspec.json.encode(batch.on_wire).decode()
    *_, settled, started = plain.run(
        tx,
        *([(_BY_INDEX, {})] if tx.dialect.name == "postgresql" else []),
        (_ON_WIRE, {"owner": owner, "now": now, "on_wire": on_wire}),  # first, as in ``recover``: whoever comes second sees the other
        (_SETTLE, {"owner": owner, "rows": rows}),
        (_STILL_HELD, {"owner": owner, "rows": starts}),
    )
    if len(settled) == len(batch.outcomes) and len(started) == len(batch.starts):
        return frozenset()
    wanted = {outcome.recipient_id for outcome in batch.outcomes}.union(batch.starts)
    return frozenset(wanted).difference(row[0] for row in (*settled, *started))


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
    for row in [row for chunk in chunks(replies) for row in tx.execute(select(_r.id, _r.message_id, _r.email).where(_r.id.in_(chunk)))]:
        suppressions.suppress(tx, row.email, "hard_bounce", replies[row.id], now, expires_at=now + days * DAY, message_id=row.message_id)


def _attempt_row(outcome: Outcome, now: int) -> dict[str, object]:
    return {
        "recipient_id": outcome.recipient_id,
        "at": now,
        "relay": outcome.relay,
        "outcome": outcome.state,
        "fault": outcome.fault,
        "reply_code": outcome.reply_code,
        "reply_text": outcome.reply_text,
    }
