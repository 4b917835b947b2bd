"""Items of a mailbox by the Message-ID of their mails, and by the one that they answer.

Message-IDs of ours lead to their messages by themselves (``message_ids``), forged ones to none.
"""

from typing import Final

from sqlalchemy import select

from postroom.messages import items, message_ids
from postroom.messages.items import Found, Key
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import messages

_MOST: Final = 500
"""Answers to one mail that are looked through, the newest first."""

_m: Final = messages.c


def find(tx: Tx, vault: Vault, user_id: int, identifier: str) -> Found | None:
    """Return the item whose mail has this Message-ID, in angle brackets or not: what came before what the person sent. Four statements."""
    number = message_ids.message_of(vault, identifier.strip())
    return None if number is None else _first(tx, user_id, [number])


def answering(tx: Tx, vault: Vault, user_id: int, identifier: str) -> Found | None:
    """Return the newest item that answers the mail of this Message-ID; of answers to mails that are none of ours, the person's own.

    Five statements.
    """
    bare = identifier.strip().removeprefix("<").removesuffix(">")
    parent = message_ids.message_of(vault, bare)
    answers = _m.in_reply_to == parent if parent is not None else (_m.foreign_parent == bare) & (_m.author_id == user_id)
    numbers = tx.scalars(select(_m.id).where(answers).order_by(_m.id.desc()).limit(_MOST)).all() if "\0" not in bare else []
    return _first(tx, user_id, list(numbers)) if numbers else None


def _first(tx: Tx, user_id: int, message_ids: list[int]) -> Found | None:
    """Return the newest of the items that a person has of some messages; of one that they sent to themselves, that by which it came."""
    came = items.lines_of(tx, user_id, message_ids)
    own = [Key(own=True, id=number) for number in message_ids if number not in came]
    found = items.find(tx, user_id, [*came.values(), *own])
    return max(found, key=lambda one: (one.at, one.message_id), default=None)
