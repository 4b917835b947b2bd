"""How new, listed and failed recipients enter the queue. Which of them may is decided in ``submission``, ``mailings`` and ``reports``."""

import functools
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, BindParameter, ColumnElement, Update, and_, bindparam, case, func, not_, null, or_, update

from postroom.clock import DAY, HOUR
from postroom.directory import suppressions
from postroom.directory.values import chunks
from postroom.messages.records import Lane
from postroom.settings import DeliverySettings
from postroom.storage import bulk
from postroom.storage.database import Tx
from postroom.storage.tables import recipients, users

NO_ADDRESS: Final = "no address"
"""Why a recipient without an address is suppressed, as it stands in ``reply_text``."""


_ROWS: Final = 5_000
"""Lines of a roll that are written together, so that memory stays bounded."""


class Line(Struct, frozen=True):
    """A bare address that is to get a message."""

    message_id: int
    email: str
    """In its normal form."""
    variables: str | None = None
    """As ``recipients.variables`` keeps them."""


def lane_of(delivery: DeliverySettings, emails: int) -> Lane:
    """Return the lane of a message to that many addresses."""
    return "bulk" if emails >= delivery.bulk_from else "single"


def own_address() -> ColumnElement[Any]:
    """Where a person gets what the server sends to its users themselves: the primary address, else the alternative one."""
    return func.coalesce(func.nullif(users.c.email, ""), func.nullif(users.c.alt_email, ""))


def queue_new(tx: Tx, delivery: DeliverySettings, lines: Sequence[Line], lane: Lane, now: int) -> set[int]:
    """Put bare addresses on the rolls of messages, queued, or suppressed where the suppression list has them; return whom nobody waits for.

    These are the numbers of messages that have nobody queued among the lines. The order of the rolls is that of the lines. One
    statement for every 500 addresses, and one for all of 5,000 lines.
    """
    waiting: set[int] = set()
    expires_at = now + _lifetime(delivery, lane)
    for some in chunks(lines, _ROWS):
        on_list = suppressions.explanations(tx, (line.email for line in some), now)
        rows = [_row(line, on_list.get(line.email.lower()), lane, now, expires_at) for line in some]
        waiting.update(line.message_id for line, row in zip(some, rows, strict=True) if row["state"] == "queued")
        bulk.insert_rows(tx, recipients, rows)
    return {line.message_id for line in lines} - waiting


def queue_listed(tx: Tx, delivery: DeliverySettings, message_ids: Sequence[int], lane: Lane, now: int, *, to_inboxes: bool = False) -> int:
    """Suppress every listed recipient that has no address or is on the suppression list, queue every other; return how many were queued.

    ``to_inboxes``: those who are people of the organisation have it in their inboxes at once, whatever becomes of the mail; but not
    a copy to oneself. Two statements, whatever the size.
    """
    values = {"messages": message_ids, "in_lane": lane, "now": now, "until": now + _lifetime(delivery, lane)}
    suppress, queue = _queueing(tx.dialect.name, to_inboxes=to_inboxes)
    tx.execute(suppress, values)
    return tx.execute(queue, values).rowcount


@functools.cache
def _queueing(dialect: str, *, to_inboxes: bool) -> tuple[Update, Update]:
    """Build the statements of ``queue_listed``, once: it takes longer than running them for one mail."""
    now = bindparam("now", type_=BigInteger)
    listed = and_(recipients.c.message_id.in_(bindparam("messages", expanding=True)), recipients.c.state == "listed")
    settled: dict[str, Any] = {"lane": bindparam("in_lane")} | ({"received_at": _received(now)} if to_inboxes else {})
    reason = func.coalesce(suppressions.explanation(dialect, recipients.c.email, now), NO_ADDRESS)
    shut_out = or_(recipients.c.email == null(), suppressions.is_suppressed(recipients.c.email, now))
    suppress = update(recipients).where(listed, shut_out).values(state="suppressed", reply_text=reason, settled_at=now, **settled)
    queue = update(recipients).where(listed).values(state="queued", due_at=now, expires_at=bindparam("until"), **settled)
    return suppress, queue


def queue_failed(tx: Tx, delivery: DeliverySettings, message_id: int, now: int) -> int:
    """Queue those whom a message failed to reach as if for the first time, in their lane; return how many there were.

    These are the failed and expired recipients, and those with an address who were suppressed and are on the suppression list no
    more. Failed and expired ones who are on it by now become suppressed, unless there is nobody to queue: then nothing changes.
    """
    own = recipients.c.message_id == message_id
    failed = or_(recipients.c.state == "failed", recipients.c.state == "expired")
    unreached = and_(recipients.c.email != null(), or_(failed, recipients.c.state == "suppressed"))
    on_list = suppressions.is_suppressed(recipients.c.email, now)
    values: dict[str, Any] = {
        "state": "queued",
        "due_at": now,
        "expires_at": expiry(delivery, now),
        "attempts": 0,
        "recoveries": 0,
        "reply_code": None,
        "reply_text": None,
        "settled_at": None,
    }
    queued = tx.execute(update(recipients).where(own, unreached, not_(on_list)).values(values)).rowcount
    if queued:
        reason = suppressions.explanation(tx.dialect.name, recipients.c.email, now)
        shut_out = {"state": "suppressed", "reply_code": None, "reply_text": reason, "settled_at": now}
        tx.execute(update(recipients).where(own, failed, on_list).values(shut_out))
    return queued


def expiry(delivery: DeliverySettings, now: int) -> ColumnElement[int]:
    """Return, in SQL, when a recipient who is queued now is given up."""
    return case((recipients.c.lane == "bulk", now + _lifetime(delivery, "bulk")), else_=now + _lifetime(delivery, "single"))


def last_try(delivery: DeliverySettings, now: int) -> int:
    """Return when what is sent now has been tried for the last time, in whatever lane; a day more, since relays may be away."""
    return now + max(_lifetime(delivery, "bulk"), _lifetime(delivery, "single")) + DAY


def _received(now: BindParameter[int]) -> ColumnElement[Any]:
    """Return, in SQL, when a recipient has the message in the inbox who is listed now; null for whoever has none."""
    return case((and_(recipients.c.user_id.is_not(None), recipients.c.role != "self"), now), else_=null())


def _row(line: Line, suppressed: str | None, lane: Lane, now: int, expires_at: int) -> dict[str, Any]:
    queued = suppressed is None
    return {
        "message_id": line.message_id,
        "email": line.email,
        "variables": line.variables,
        "lane": lane,
        "state": "queued" if queued else "suppressed",
        "due_at": now if queued else None,
        "expires_at": expires_at if queued else None,
        "reply_text": suppressed,
        "settled_at": None if queued else now,
    }


def _lifetime(delivery: DeliverySettings, lane: Lane) -> int:
    """For how many milliseconds delivery is tried."""
    return round((delivery.expire_bulk if lane == "bulk" else delivery.expire_single) * HOUR)
