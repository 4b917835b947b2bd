"""Message-IDs that programs give to letters themselves: by them a letter is sent once, however often the call is repeated.

One of an author's letters has each of them at most; two calls at once wait for each other. A Message-ID of ours (``message_ids``) names
the letter that it was made for, if that is the author's; that of a mail of somebody else names none, and cannot be taken.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, select, update

from postroom.messages import message_ids, options
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import messages, users

_m: Final = messages.c
_COLUMNS: Final = (_m.id, _m.status, _m.sent_at, _m.deleted_at, _m.mail)


class Named(Struct, frozen=True, kw_only=True):
    """A letter of the author's that has a Message-ID."""

    message_id: int
    identifier: str
    """Without angle brackets."""
    is_sent: bool
    """Whether it was sent, and has not come back as a draft because it reached nobody."""
    sent_at: int | None


def kept(vault: Vault, identifier: str) -> str:
    """Return a given Message-ID as it is kept, without angle brackets; empty for none, and for one of ours, which letters have anyway.

    Raises ``Invalid("message_id", …)`` for what is none.
    """
    if not identifier.strip():
        return ""
    bare = options.check_own_identifier(identifier.strip()).strip("<>")
    return bare if message_ids.message_of(vault, bare) is None else ""


def find(tx: Tx, vault: Vault, author_id: int, identifier: str) -> Named | None:
    """Return the author's letter that a Message-ID names, locked against others that would take it; ``None`` if there is none.

    One that was thrown away before it was sent gives it up. Two statements, none without a Message-ID. Raises as ``kept``.
    """
    given = kept(vault, identifier)
    if given:
        tx.execute(select(users.c.id).where(users.c.id == author_id).with_for_update(key_share=True))  # whoever comes second sees the first
        return _named(tx, author_id, _m.given_id == given)
    own = message_ids.message_of(vault, identifier.strip()) if identifier.strip() else None
    return None if own is None else _named(tx, author_id, _m.id == own)


def _named(tx: Tx, author_id: int, which: ColumnElement[bool]) -> Named | None:
    row = tx.execute(select(*_COLUMNS).where(which, _m.author_id == author_id, _m.letter).with_for_update(key_share=True)).one_or_none()
    if row is None:
        return None
    is_sent = _is_sent(row)
    if row.deleted_at is not None and not is_sent:
        tx.execute(update(messages).where(_m.id == row.id).values(given_id=None))
        return None
    return Named(message_id=row.id, identifier=options.decoded(row.mail).message_id, is_sent=is_sent, sent_at=row.sent_at)


def _is_sent(row: Row[*tuple[Any, ...]]) -> bool:
    return bool(row.status != "draft" and row.sent_at is not None)
