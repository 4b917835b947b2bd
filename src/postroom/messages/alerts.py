"""Alerts: what a person is to be told as soon as they look, until they take it away."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct, structs
from sqlalchemy import delete, insert, select

from postroom.directory.values import LARGEST_ID
from postroom.errors import NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import alerts

MAX_SHOWN: Final = 100
"""Alerts that are shown at most: the newest ones."""


class NewAlert(Struct, frozen=True, kw_only=True):
    """An alert that is to be raised."""

    user_id: int
    kind: Literal["delivery_failure"] = "delivery_failure"
    message_id: int
    """The message that could not be delivered."""
    told_in: int
    """The message that tells of it."""
    sender: str
    """From of the message, as it was then, and its subject."""
    subject: str
    created_at: int


class Alert(NewAlert, frozen=True, kw_only=True):
    """An alert that was raised."""

    id: int


_COLUMNS: Final = tuple(alerts.c[name] for name in Alert.__struct_fields__)


def raise_all(tx: Tx, new: Sequence[NewAlert]) -> None:
    """Raise alerts; one statement."""
    tx.execute(insert(alerts), [structs.asdict(alert) for alert in new])


def of_person(tx: Tx, user_id: int) -> list[Alert]:
    """Return the newest 100 alerts of a person, oldest first."""
    newest = select(*_COLUMNS).where(alerts.c.user_id == user_id).order_by(alerts.c.id.desc()).limit(MAX_SHOWN)
    return [Alert(**row._asdict()) for row in reversed(tx.execute(newest).all())]


def remove(tx: Tx, user_id: int, alert_id: int) -> None:
    """Take an alert away. Raises ``NotFound("alert", id)``."""
    own = delete(alerts).where(alerts.c.id == alert_id, alerts.c.user_id == user_id)
    if not 0 < alert_id <= LARGEST_ID or tx.execute(own).rowcount == 0:
        raise NotFound("alert", alert_id)
