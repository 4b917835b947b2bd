"""Which letters an address of a person may have to answer by itself, and whom it has answered when: nobody gets the same reply every day.

What becomes of such a letter is decided in ``answering``.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import and_, delete, func, insert, select

from postroom.clock import DAY
from postroom.directory.inserting import insert_into
from postroom.directory.values import chunks
from postroom.storage.database import Tx
from postroom.storage.tables import autoreply_history, due_autoreplies, mail_accounts, recipients

KEPT: Final = 30 * DAY
"""Milliseconds that it is remembered: longer than any pause between two automatic replies to the same address."""

_h: Final = autoreply_history.c
_r: Final = recipients.c
_c: Final = mail_accounts.c

_ON: Final = '"on":true'
"""Stands in the JSON of whatever is turned on; quotes inside its texts are escaped there."""


def await_replies(tx: Tx, author_id: int, message_id: int) -> None:
    """Let the worker look at a letter with everybody who has it in the inbox by an address that answers by itself; one statement."""
    answers = and_(_c.user_id == _r.user_id, _c.email == func.lower(_r.email), _c.autoreply.contains(_ON, autoescape=True))
    openly = and_(_r.message_id == message_id, _r.received_at.is_not(None), _r.role.in_(("to", "cc")), _r.user_id != author_id)
    came = select(_r.id).join(mail_accounts, answers).where(openly)
    tx.execute(insert(due_autoreplies).from_select(["recipient_id"], came))


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
