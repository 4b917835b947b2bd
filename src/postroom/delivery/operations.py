"""The operator's hand on the queue: retry, cancel, hold, release, and decide about unknown outcomes.

An operation works on open recipients that a ``Selection`` names, in steps: ``next_step`` reads the numbers of some hundreds of
them, ``perform`` changes those that it still concerns, in a transaction of its own. So a mailing of any length is worked
through without keeping the workers from the store, and a step that fails leaves the earlier ones done.

Recipients in state ``sending`` belong to a worker: their mail may be on the wire, and nobody can call it back. No operation
touches them; ``count`` tells how many there are.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, not_, null, or_, select, true, tuple_, update

from postroom.delivery.records import Affected, Place, Selection
from postroom.directory import emails
from postroom.directory.values import known
from postroom.errors import Invalid, NotFound
from postroom.messages import queueing, reports, submission
from postroom.messages.records import State
from postroom.settings import Settings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.tables import IS_HELD, IS_OPEN, IS_SENDING, IS_WAITING, attempts, messages, recipients

STEP: Final = 500
"""Recipients of one step."""
MAX_CHOSEN: Final = 1_000
"""Recipients that a selection can name one by one."""
_LARGEST: Final = 2**63 - 1

HELD: Final = "held by an operator"
CANCELLED: Final = "cancelled by an operator"
DECIDED: Final = "an operator decided so; before: "

_r: Final = recipients.c
_LAST_WORDS: Final = (
    select(attempts.c.reply_text)
    .where(attempts.c.recipient_id == _r.id)
    .order_by(attempts.c.id.desc())
    .limit(1)
    .correlate(recipients)
    .scalar_subquery()
)

Change = Callable[[Tx, Settings, Sequence[int], int], None]
"""Changes recipients, by number, which this transaction has locked."""


class Operation(Struct, frozen=True, eq=False):
    """One thing that an operator can do."""

    concerns: ColumnElement[bool]
    """Which recipients it changes."""
    change: Change


def checked(selection: Selection) -> Selection:
    """Return a selection with its domain and address in their normal form.

    Raises ``Invalid`` (``selection`` that names nobody or too many, ``recipient``, ``domain``, ``address``).
    """
    if selection == Selection():
        raise Invalid("selection", "name a message, a domain, an address or recipients")
    if len(selection.recipient_ids) > MAX_CHOSEN:
        raise Invalid("selection", f"at most {MAX_CHOSEN} recipients can be named one by one")
    if not all(0 < number <= _LARGEST for number in selection.recipient_ids):
        raise Invalid("recipient", "not the number of a recipient")
    domain = None if selection.domain is None else emails.normalise(f"x@{selection.domain}")
    if selection.domain is not None and domain is None:
        raise Invalid("domain", "not a domain")
    address = None if selection.address is None else emails.normalise(selection.address)
    if selection.address is not None and address is None:
        raise Invalid("address", "not an address")
    return Selection(
        message_id=selection.message_id,
        domain=domain and domain.partition("@")[2],
        address=address and address.lower(),
        recipient_ids=selection.recipient_ids,
    )


def count(tx: Tx, selection: Selection, operation: Operation) -> Affected:
    """Tell how many recipients the operation would change now, and how many are being sent. Raises ``NotFound("message", id)``."""
    if selection.message_id is not None and not _exists(tx, selection.message_id):
        raise NotFound("message", selection.message_id)
    rows = tx.execute(
        select(_r.state, func.count())
        .where(IS_OPEN, _named(selection), or_(operation.concerns, IS_SENDING))
        .group_by(_r.state)
        .order_by(_r.state)
    )
    states: dict[State, int] = dict(rows.all())
    return Affected(on_wire=states.pop("sending", 0), states=states)


def next_step(tx: Tx, selection: Selection, operation: Operation, after: Place) -> tuple[list[int], Place]:
    """Return the next ``STEP`` recipients of the operation behind a place of the queue, and the place of the last one; none at the end.

    In the order of messages and their rolls, which both databases read from an index over open recipients.
    """
    rows = tx.execute(
        select(_r.message_id, _r.id)
        .where(IS_OPEN, _named(selection), operation.concerns, tuple_(_r.message_id, _r.id) > tuple_(*after))
        .order_by(_r.message_id, _r.id)
        .limit(STEP)
    ).all()
    return [row.id for row in rows], (rows[-1].message_id, rows[-1].id) if rows else after


def perform(tx: Tx, settings: Settings, operation: Operation, ids: Sequence[int], now: int) -> Counter[State]:
    """Change those of the recipients that the operation still concerns; return how many were in which state. For one step at most."""
    rows = tx.execute(
        select(_r.id, _r.state).where(_r.id.in_(ids), operation.concerns).order_by(_r.id).with_for_update(of=recipients)
    ).all()
    if rows:
        operation.change(tx, settings, [row.id for row in rows], now)
    return Counter(row.state for row in rows)


def retry_failed(tx: Tx, settings: Settings, message_id: int, now: int) -> int:
    """Send a message again to whom it failed to reach, as its author could (``submission.retry``); return how many are queued.

    Raises as that does, and ``NotFound("message", id)`` for a message without an author: reports are not sent again.
    """
    if not list(known([message_id])):
        raise NotFound("message", message_id)
    row = tx.execute(select(messages.c.author_id, messages.c.language).where(messages.c.id == message_id)).one_or_none()
    if row is None or row.author_id is None:
        raise NotFound("message", message_id)
    submission.retry(tx, settings, row.author_id, message_id, row.language, now)
    return int(tx.execute(select(func.count()).where(IS_OPEN, _r.message_id == message_id)).scalar_one())


def _exists(tx: Tx, message_id: int) -> bool:
    return any(tx.execute(select(messages.c.id).where(messages.c.id == number)).first() for number in known([message_id]))


def _named(selection: Selection) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [true()]
    if selection.message_id is not None:
        parts.append(_r.message_id == selection.message_id)
    if selection.domain is not None:
        parts.append(func.lower(_r.email).endswith(f"@{selection.domain}", autoescape=True))
    if selection.address is not None:
        parts.append(func.lower(_r.email) == selection.address)
    if selection.recipient_ids:
        parts.append(_r.id.in_(selection.recipient_ids))
    return and_(*parts)


def _update(tx: Tx, ids: Sequence[int], **values: object) -> None:
    tx.execute(update(recipients).where(_r.id.in_(ids)).values(values))


def _make_due(tx: Tx, settings: Settings, ids: Sequence[int], now: int) -> None:
    """Let recipients be tried at once; who was held gets the whole time anew, and shows the last words of the relay again."""
    held = and_(_r.id.in_(ids), _r.due_at == null())
    tx.execute(
        update(recipients).where(held).values(reply_text=_LAST_WORDS, recoveries=0, expires_at=queueing.expiry(settings.delivery, now))
    )
    _update(tx, ids, due_at=now)
    wakeup.notify(tx)


def _hold(tx: Tx, _settings: Settings, ids: Sequence[int], _now: int) -> None:
    _update(tx, ids, due_at=None, reply_text=HELD)


def _cancel(tx: Tx, settings: Settings, ids: Sequence[int], now: int) -> None:
    _update(tx, ids, state="cancelled", due_at=None, settled_at=now, reply_text=CANCELLED)
    _settle_messages(tx, settings, ids, now)


def _decide(state: State) -> Change:
    def change(tx: Tx, settings: Settings, ids: Sequence[int], now: int) -> None:
        _update(tx, ids, state=state, settled_at=now, reply_text=DECIDED + func.coalesce(_r.reply_text, ""))
        _settle_messages(tx, settings, ids, now)

    return change


def _settle_messages(tx: Tx, settings: Settings, ids: Sequence[int], now: int) -> None:
    touched = list(tx.scalars(select(_r.message_id).where(_r.id.in_(ids)).distinct()))
    reports.settle(tx, settings, touched, now)


RETRY: Final = Operation(IS_WAITING, _make_due)
"""Whoever waits, held or not, is tried now."""
RELEASE: Final = Operation(IS_HELD, _make_due)
"""Whoever is held, by an operator, as unknown or as parked, is tried now."""
HOLD: Final = Operation(and_(IS_WAITING, not_(IS_HELD)), _hold)
"""Whoever waits does so without a due time, and does not expire, until somebody decides."""
CANCEL: Final = Operation(IS_WAITING, _cancel)
"""Whoever waits gets nothing, for good."""
DELIVERED: Final = Operation(and_(IS_HELD, _r.state == "unknown"), _decide("delivered"))
"""Whoever is held with an unknown outcome counts as delivered."""
FAILED: Final = Operation(and_(IS_HELD, _r.state == "unknown"), _decide("failed"))
"""Whoever is held with an unknown outcome counts as failed."""
