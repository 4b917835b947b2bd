"""How listed and failed recipients enter the queue. Which of them may is decided in ``submission`` and ``reports``."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, null, or_, update

from postroom.clock import HOUR
from postroom.messages.records import Lane
from postroom.settings import DeliverySettings
from postroom.storage.database import Tx
from postroom.storage.tables import recipients, users

NO_ADDRESS: Final = "no address"
"""Why a recipient without an address is suppressed, as it stands in ``reply_text``."""


def lane_of(delivery: DeliverySettings, emails: int) -> Lane:
    """Return the lane of a message to that many addresses."""
    return "bulk" if emails >= delivery.bulk_from else "single"


def own_address() -> ColumnElement[Any]:
    """Where a person gets what the server sends to its users themselves: the primary address, else the alternative one."""
    return func.coalesce(func.nullif(users.c.email, ""), func.nullif(users.c.alt_email, ""))


def queue_listed(tx: Tx, delivery: DeliverySettings, message_ids: Sequence[int], lane: Lane, now: int) -> None:
    """Queue every listed recipient that has an address, suppress every other; one statement."""
    reachable = recipients.c.email != null()
    values: dict[str, Any] = {
        "state": case((reachable, "queued"), else_="suppressed"),
        "lane": lane,
        "due_at": case((reachable, now)),
        "expires_at": case((reachable, now + _lifetime(delivery, lane))),
        "reply_text": case((reachable, null()), else_=NO_ADDRESS),
        "settled_at": case((reachable, null()), else_=now),
    }
    tx.execute(update(recipients).where(recipients.c.message_id.in_(message_ids), recipients.c.state == "listed").values(values))


def queue_failed(tx: Tx, delivery: DeliverySettings, message_id: int, now: int) -> int:
    """Queue the failed and expired recipients of a message as if for the first time, in their lane; tell how many there were."""
    values: dict[str, Any] = {
        "state": "queued",
        "due_at": now,
        "expires_at": case((recipients.c.lane == "bulk", now + _lifetime(delivery, "bulk")), else_=now + _lifetime(delivery, "single")),
        "attempts": 0,
        "recoveries": 0,
        "reply_code": None,
        "reply_text": None,
        "settled_at": None,
    }
    unreached = and_(recipients.c.message_id == message_id, or_(recipients.c.state == "failed", recipients.c.state == "expired"))
    return tx.execute(update(recipients).where(unreached).values(values)).rowcount


def _lifetime(delivery: DeliverySettings, lane: Lane) -> int:
    """For how many milliseconds delivery is tried."""
    return round((delivery.expire_bulk if lane == "bulk" else delivery.expire_single) * HOUR)
