"""Items of a mailbox by the Message-ID of their mails, and by the one that they answer.

Message-IDs of ours lead to their messages by themselves (``message_ids``), forged ones to none; those that programs gave are kept.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, select

from postroom.directory.values import storable
from postroom.messages import items, message_ids
from postroom.messages.items import Found, Key
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import messages

_MOST: Final = 500
"""Messages of one Message-ID, and answers to one mail, that are looked through, the newest first."""

_m: Final = messages.c


def find(tx: Tx, vault: Vault, user_id: int, identifier: str) -> Found | None:
    """Return the item whose mail has this Message-ID, in angle brackets or not: what came before what the person sent. Five statements."""
    return _first(tx, user_id, _messages(tx, vault, _bare(identifier)))


def answering(tx: Tx, vault: Vault, user_id: int, identifier: str) -> Found | None:
    """Return the newest item that answers the mail of this Message-ID; of answers to mails that are none of ours, the person's own.

    Six statements.
    """
    bare = _bare(identifier)
    if not bare:
        return None
    parents = _messages(tx, vault, bare)
    answers = _m.in_reply_to.in_(parents) if parents else and_(_m.foreign_parent == bare, _m.author_id == user_id)
    return _first(tx, user_id, tx.scalars(select(_m.id).where(answers).order_by(_m.id.desc()).limit(_MOST)).all())


def _bare(identifier: str) -> str:
    """Return a Message-ID without angle brackets; empty for what no mail can have."""
    bare = identifier.strip().removeprefix("<").removesuffix(">")
    return bare if storable(bare) else ""


def _messages(tx: Tx, vault: Vault, bare: str) -> Sequence[int]:
    """Return the messages of a Message-ID: one of ours stands for one, and one that programs gave for one of each author at most."""
    number = message_ids.message_of(vault, bare)
    if number is not None:
        return [number]
    return tx.scalars(select(_m.id).where(_m.given_id == bare).order_by(_m.id.desc()).limit(_MOST)).all() if bare else []


def _first(tx: Tx, user_id: int, numbers: Sequence[int]) -> Found | None:
    """Return the newest of the items that a person has of some messages; of one that they sent to themselves, that by which it came."""
    if not numbers:
        return None
    came = items.lines_of(tx, user_id, numbers)
    own = [Key(own=True, id=number) for number in numbers if number not in came]
    found = items.find(tx, user_id, [*came.values(), *own])
    return max(found, key=lambda one: (one.at, one.message_id), default=None)
