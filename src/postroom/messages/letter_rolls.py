"""The roll of a letter: the addresses that its author wrote, and whose they are."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import delete

from postroom.directory import owned_addresses
from postroom.directory.records import Mailbox
from postroom.messages.records import Role
from postroom.storage import bulk
from postroom.storage.database import Tx
from postroom.storage.tables import recipients

_COLUMNS: Final = ("user_id", "email", "name", "state", "reply_text", "settled_at", "received_at")


class Entry(Struct, frozen=True):
    """Somebody whom a letter names, and in which header."""

    mailbox: Mailbox
    role: Role


def make(tx: Tx, message_id: int, entries: Sequence[Entry], now: int, *, important: bool = False) -> None:
    """Put everybody on the roll, to be queued; what stood there before is gone. The addresses differ, whatever their case.

    An address of a person of the organisation brings the letter to that person's inbox; one that several people have, such as an
    institutional address, to all of theirs. Whoever has several of the addresses gets it once in the inbox.
    """
    tx.execute(delete(recipients).where(recipients.c.message_id == message_id))
    owners = owned_addresses.owners(tx, (entry.mailbox.email for entry in entries))
    seen: set[int] = set()
    lines: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for entry in entries:
        theirs = [number for number in owners.get(entry.mailbox.email.lower(), []) if number not in seen]
        seen.update(theirs)
        common = {**dict.fromkeys(_COLUMNS), "message_id": message_id, "role": entry.role, "important": important}
        lines.append(
            {
                **common,
                "user_id": theirs[0] if theirs else None,
                "email": entry.mailbox.email,
                "name": entry.mailbox.name,
                "state": "listed",
            }
        )
        reached = {"state": "delivered", "received_at": now, "settled_at": now}  # the inbox is the delivery: one mail goes to the address
        others += [{**common, "user_id": number, **reached} for number in theirs[1:]]
    bulk.insert_rows(tx, recipients, [*lines, *others])


def make_undeliverable(tx: Tx, message_id: int, entries: Sequence[Entry], reason: str, now: int) -> None:
    """Put everybody on the roll as failed for this reason; nobody has the letter in the inbox."""
    tx.execute(delete(recipients).where(recipients.c.message_id == message_id))
    common = {"message_id": message_id, "state": "failed", "reply_text": reason, "settled_at": now}
    rows = [{**common, "email": entry.mailbox.email, "name": entry.mailbox.name, "role": entry.role} for entry in entries]
    bulk.insert_rows(tx, recipients, rows)
