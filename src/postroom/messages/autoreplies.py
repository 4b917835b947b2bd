"""Whom an address of a person has answered by itself, and when: so that nobody gets the same automatic reply every day."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import delete, select

from postroom.clock import DAY
from postroom.directory.inserting import insert_into
from postroom.directory.values import chunks
from postroom.storage.database import Tx
from postroom.storage.tables import autoreply_history

KEPT: Final = 30 * DAY
"""Milliseconds that it is remembered: longer than any pause between two automatic replies to the same address."""

_h: Final = autoreply_history.c


def note(tx: Tx, user_id: int, sender: str, emails: Iterable[str], now: int) -> None:
    """Remember that an address of a person answered these by itself; what is older than ``KEPT`` is forgotten."""
    tx.execute(delete(autoreply_history).where(_h.user_id == user_id, _h.at < now - KEPT))
    for chunk in chunks(sorted({email.lower() for email in emails})):
        rows = [{"user_id": user_id, "sender": sender.lower(), "email": email, "at": now} for email in chunk]
        statement = insert_into(tx, autoreply_history)
        again = statement.on_conflict_do_update(index_elements=[_h.user_id, _h.sender, _h.email], set_={"at": statement.excluded.at})
        tx.execute(again, rows)


def last(tx: Tx, user_id: int, sender: str, email: str) -> int | None:
    """Return when an address of a person answered another one by itself for the last time; ``None``: never, or not for long."""
    found = select(_h.at).where(_h.user_id == user_id, _h.sender == sender.lower(), _h.email == email.lower())
    return tx.execute(found).scalar_one_or_none()
