"""What a program says of itself to people, and where people may be sent back to it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, select, update

from postroom.directory import callbacks, emails
from postroom.directory.values import MAX_URL, check_line, storable
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.database import Tx
from postroom.storage.tables import clients

MAX_CALLBACKS: Final = 100


class Contact(Struct, frozen=True, kw_only=True):
    """What is known of a program beside its name."""

    url: str | None = None
    """Its page, for people."""
    email: str = ""
    """Whom to write to about it."""
    callbacks: tuple[str, ...] = ()
    """See ``directory.callbacks``."""


class Program(Struct, frozen=True, kw_only=True):
    """A program as an operator sees it."""

    id: int
    key: str
    name: str
    administrative: bool
    active: bool
    created_at: int
    user_id: int | None
    """Whose personal key it is."""
    contact: Contact


def checked(contact: Contact) -> dict[str, object]:
    """Return the columns of a contact. Raises ``Invalid`` for a malformed ``url``, ``email`` or ``callback``, and ``TooLarge``."""
    url = check_line("url", contact.url or "", MAX_URL)
    if url and not url.startswith(("http://", "https://")):
        raise Invalid("url", "an http:// or https:// address")
    email = emails.normalise(contact.email) if contact.email else ""
    if email is None:
        raise Invalid("email", "not an address")
    if len(contact.callbacks) > MAX_CALLBACKS:
        raise TooLarge("callback", MAX_CALLBACKS)
    return {"url": url or None, "email": email, "callbacks": "\n".join(callbacks.check(callback) for callback in contact.callbacks)}


def program(tx: Tx, key: str) -> Program:
    """Return the program with this key, active or not. Raises ``NotFound("client", key)``."""
    row = tx.execute(select(clients).where(clients.c.key == key)).first() if storable(key) else None
    if row is None:
        raise NotFound("client", key)
    return _program(row)


def programs(tx: Tx, after: int, limit: int) -> list[Program]:
    """Return up to ``limit`` programs behind the number ``after``, by number."""
    rows = tx.execute(select(clients).where(clients.c.id > after).order_by(clients.c.id).limit(limit))
    return [_program(row) for row in rows]


def change(tx: Tx, key: str, changes: Mapping[str, object]) -> None:
    """Change some fields of the contact of a program. Raises as ``checked``, and ``NotFound("client", key)``."""
    changed = msgspec.structs.replace(program(tx, key).contact, **changes)
    tx.execute(update(clients).where(clients.c.key == key).values(checked(changed)))


def _program(row: Row[*tuple[Any, ...]]) -> Program:
    return Program(
        id=row.id,
        key=row.key,
        name=row.name,
        administrative=row.administrative,
        active=row.active,
        created_at=row.created_at,
        user_id=row.user_id,
        contact=Contact(url=row.url, email=row.email, callbacks=tuple(row.callbacks.splitlines())),
    )
