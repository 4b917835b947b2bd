"""What became of the messages that a program sent in its own name (USOS ``services/mailing/check_message_status``).

Another program's message, one whose time is over and one that never was look alike: they are not found.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, select

from postroom.directory.values import LARGEST_ID, chunks
from postroom.messages.records import State
from postroom.storage.database import Tx
from postroom.storage.tables import OPEN_STATES, messages, recipients

MAX_SHOWN: Final = 20
"""Recipients of a message up to which each of them is shown."""

_LARGEST_RECIPIENT: Final = 2**63 - 1
_OUTCOME: Final[tuple[ColumnElement[Any], ...]] = (recipients.c.email, recipients.c.state, recipients.c.reply_text)


class Reference(Struct, frozen=True):
    """A message, or one mail of it."""

    message_id: int
    recipient_id: int | None = None


class Outcome(Struct, frozen=True):
    """How far one recipient is."""

    email: str
    state: State
    reply: str | None
    """The last words of the mail server, or the reason."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far a message, or one mail of it, is."""

    finished: bool
    states: Mapping[State, int]
    """Recipients in each state that occurs."""
    outcomes: list[Outcome] | None
    """Of each recipient, in the order of the roll; ``None`` when there are more than ``MAX_SHOWN``."""


def progress(tx: Tx, client_id: int, references: Iterable[Reference], now: int) -> dict[Reference, Progress]:
    """Return those that the program sent and may still ask about; up to four statements for 500 references."""
    found: dict[Reference, Progress] = {}
    asked = dict.fromkeys(references)
    for some in chunks(asked):
        whole = [one.message_id for one in some if one.recipient_id is None and 0 < one.message_id <= LARGEST_ID]
        single = [one.recipient_id for one in some if one.recipient_id is not None and 0 < one.recipient_id <= _LARGEST_RECIPIENT]
        if whole:
            found |= _of_messages(tx, client_id, whole, now)
        if single:
            found |= _of_recipients(tx, client_id, single, now)
    return {reference: found[reference] for reference in asked if reference in found}


def _of_messages(tx: Tx, client_id: int, ids: list[int], now: int) -> dict[Reference, Progress]:
    own = select(messages.c.id, messages.c.status).where(messages.c.id.in_(ids), _asked(client_id, now))
    rows = tx.execute(own).all()
    states: dict[int, dict[State, int]] = {row.id: {} for row in rows}
    counted = select(recipients.c.message_id, recipients.c.state, func.count()).where(recipients.c.message_id.in_(list(states)))
    for number, state, count in tx.execute(counted.group_by(recipients.c.message_id, recipients.c.state)):
        states[number][state] = count
    outcomes: dict[int, list[Outcome]] = {number: [] for number, counts in states.items() if sum(counts.values()) <= MAX_SHOWN}
    shown = select(recipients.c.message_id, *_OUTCOME).where(recipients.c.message_id.in_(list(outcomes)))
    for number, email, state, reply in tx.execute(shown.order_by(recipients.c.message_id, recipients.c.id)):
        outcomes[number].append(Outcome(email, state, reply))
    return {
        Reference(row.id): Progress(finished=row.status != "pending", states=states[row.id], outcomes=outcomes.get(row.id)) for row in rows
    }


def _of_recipients(tx: Tx, client_id: int, ids: list[int], now: int) -> dict[Reference, Progress]:
    source = recipients.join(messages, messages.c.id == recipients.c.message_id)
    own = select(messages.c.id, recipients.c.id, *_OUTCOME).select_from(source)
    return {
        Reference(number, recipient): Progress(
            finished=state not in OPEN_STATES, states={state: 1}, outcomes=[Outcome(email, state, reply)]
        )
        for number, recipient, email, state, reply in tx.execute(own.where(recipients.c.id.in_(ids), _asked(client_id, now)))
    }


def _asked(client_id: int, now: int) -> ColumnElement[bool]:
    """Select the messages that a program sent itself, while they may be asked about."""
    return and_(messages.c.client_id == client_id, messages.c.retain_until > now, messages.c.kind == "message")
