"""The queue of sent copies: rows of ``sent_copies``, claimed under a lease and settled as recipients are (``delivery.queue``).

One try has a bound in time that is shorter than its lease, so leases are not renewed. Only the owner of a lease can
settle it. Whatever ends a copy empties its ``secret`` in the same statement.
"""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import and_, case, delete, func, literal_column, null, select, update
from sqlalchemy.sql.elements import ColumnElement

from postroom.directory.values import chunks
from postroom.messages.copies import CopyState, Security
from postroom.storage.database import Tx
from postroom.storage.tables import sent_copies

MAX_RECOVERIES: Final = 3
"""Workers that may die over a copy; then it is given up, since it may well be what they die of."""

_c: Final = sent_copies.c
# In words, not bound values: a planner uses a partial index only when it can read the condition in the query.
_QUEUED: Final = _c.state == literal_column("'queued'")
_SENDING: Final = _c.state == literal_column("'sending'")


class ClaimedCopy(Struct, frozen=True, kw_only=True):
    """A copy that this worker is to make."""

    id: int
    message_id: int
    host: str
    port: int
    security: Security
    username: str
    secret: str
    """The password, encrypted."""
    folder: str
    attempts: int
    """Tries, the coming one included."""
    refusals: int
    """Logins that the server refused so far."""
    expires_at: int

    def __repr__(self) -> str:
        return f"ClaimedCopy({self.id})"


class CopyOutcome(Struct, frozen=True, kw_only=True):
    """What became of one try."""

    copy_id: int
    state: CopyState
    reply_text: str
    due_at: int | None = None
    refused: bool = False
    """Whether the server refused the login."""


def claim(tx: Tx, owner: str, now: int, lease_ms: int, avoid: Collection[str] = ()) -> ClaimedCopy | None:
    """Take the copy for ``owner`` that is due for longest, of no host in ``avoid``; ``None`` when there is none.

    It is ``sending`` until it is settled, released, or its lease runs out.
    """
    due = select(_c.id).where(_QUEUED, _c.due_at <= now, _c.host.not_in(avoid)).order_by(_c.due_at).limit(1)
    first = due.with_for_update(skip_locked=True).cte()  # chosen once for all: see queue.claim
    row = tx.execute(
        update(sent_copies)
        .where(_c.id.in_(select(first.c.id)))
        .values(state="sending", due_at=None, attempts=_c.attempts + 1, lease_owner=owner, lease_until=now + lease_ms)
        .returning(*(_c[name] for name in ClaimedCopy.__struct_fields__))
    ).one_or_none()
    return ClaimedCopy(**row._mapping) if row else None  # noqa: SLF001 - the documented way to the names of a row


def release(tx: Tx, owner: str, ids: Sequence[int], now: int) -> None:
    """Put claimed copies back, due at once. Their tries stay counted: the server may have got the message, so it is looked for first."""
    for chunk in chunks(sorted(ids)):
        tx.execute(
            update(sent_copies)
            .where(_c.id.in_(chunk), _held_by(owner))
            .values(state="queued", due_at=now, lease_owner=None, lease_until=None)
        )


def recover(tx: Tx, now: int) -> int:
    """Put back every copy whose lease ran out, or give it up when that happened ``MAX_RECOVERIES`` times; return how many."""
    hopeless = _c.recoveries + 1 >= MAX_RECOVERIES
    result = tx.execute(
        update(sent_copies)
        .where(_SENDING, _c.lease_until <= now)
        .values(
            state=case((hopeless, "failed"), else_="queued"),
            due_at=case((hopeless, null()), else_=now),
            settled_at=case((hopeless, now)),
            secret=case((hopeless, ""), else_=_c.secret),
            reply_text=case((hopeless, f"given up: {MAX_RECOVERIES} workers died over it"), else_=_c.reply_text),
            recoveries=_c.recoveries + 1,
            lease_owner=None,
            lease_until=None,
        )
    )
    return result.rowcount


def settle(tx: Tx, owner: str, outcome: CopyOutcome, now: int) -> bool:
    """Write what became of a claimed copy; tell whether ``owner`` still held it, else nothing was changed."""
    ended = outcome.state in {"done", "failed"}
    result = tx.execute(
        update(sent_copies)
        .where(_c.id == outcome.copy_id, _held_by(owner))
        .values(
            state=outcome.state,
            due_at=outcome.due_at,
            settled_at=now if ended else None,
            secret="" if ended else _c.secret,
            reply_text=outcome.reply_text,
            refusals=_c.refusals + int(outcome.refused),
            lease_owner=None,
            lease_until=None,
        )
    )
    return result.rowcount == 1


def forget(tx: Tx, before: int, limit: int) -> int:
    """Delete at most ``limit`` copies that were made, or given up, before then; return how many were."""
    old = select(_c.id).where(_c.settled_at < before).limit(limit)
    return tx.execute(delete(sent_copies).where(_c.id.in_(old.scalar_subquery()))).rowcount


def next_due(tx: Tx) -> int | None:
    """Return when the earliest copy is due or loses its lease, ``None`` when there is none. Two look-ups in an index."""
    due = select(func.min(_c.due_at)).where(_QUEUED).scalar_subquery()
    lost = select(func.min(_c.lease_until)).where(_SENDING).scalar_subquery()
    return min((value for value in tx.execute(select(due, lost)).one() if value is not None), default=None)


def _held_by(owner: str) -> ColumnElement[bool]:
    return and_(_SENDING, _c.lease_owner == owner)
