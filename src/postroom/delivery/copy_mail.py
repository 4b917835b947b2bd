"""The mail as its author keeps it: one that names everybody, Bcc included, with the text, links and date that recipients got."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Row, func, null, select

from postroom.delivery import composer, contexts, headers
from postroom.delivery.composer import Slot
from postroom.delivery.contexts import Context
from postroom.delivery.smtp import checked_address
from postroom.directory import people
from postroom.errors import Invalid
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import recipients, users

MAX_NAMED: Final = 1_000
"""Recipients whom a copy names; of more it says ``undisclosed-recipients`` (RFC 5322 appendix A.1.3): few programs bear such headers."""

_ROLES: Final = {"to": "To", "cc": "Cc", "bcc": "Bcc"}
_Named = Sequence[Row[int, str, str | None, str]]


class CopyMail(Struct, frozen=True):
    """A mail to be put into a folder."""

    content: bytes
    """CRLF line ends."""
    date: int
    """When the message was sent, in milliseconds."""


async def compose(store: Store, message_id: int) -> CopyMail:
    """Make the copy of a message. Raises ``Invalid`` when none can be made, ``Unavailable`` when the store is away."""
    context, named = await store.database.read(_read, store, message_id)
    if context is None:
        raise Invalid("message", "it is gone")
    values = {Slot.MESSAGE_ID: _identifier(store, message_id, named), Slot.TO: _recipients(named)}
    skeleton = composer.skeleton(context, store.settings, store.vault, mailing=False)
    content = b"".join(values[piece] if isinstance(piece, Slot) else piece for piece in skeleton.pieces)
    return CopyMail(content, context.date)


def _read(tx: Tx, store: Store, message_id: int) -> tuple[Context | None, _Named]:
    name = func.coalesce(func.nullif(people.full_name(), ""), recipients.c.name, "").label("name")
    named = tx.execute(
        select(recipients.c.id, recipients.c.role, recipients.c.email, name)
        .select_from(recipients.outerjoin(users, users.c.id == recipients.c.user_id))
        .where(recipients.c.message_id == message_id, recipients.c.role != "self", recipients.c.email != null())
        .order_by(recipients.c.id)
        .limit(MAX_NAMED + 1)
    ).all()
    return contexts.load(tx, store.settings, store.vault, [message_id]).get(message_id), named


def _identifier(store: Store, message_id: int, named: _Named) -> bytes:
    """Return the Message-ID that the only recipient got, so that an answer finds the copy; that of nobody else for many."""
    recipient = named[0].id if len(named) == 1 else 0
    return headers.structured("Message-ID", composer.message_id(store.vault, store.settings.mail.domain, message_id, recipient))


def _recipients(named: _Named) -> bytes:
    if len(named) > MAX_NAMED:
        return headers.folded("To", ["undisclosed-recipients:;"])
    fields = ((name, [person for person in named if person.role == role]) for role, name in _ROLES.items())
    return b"".join(_field(name, persons) for name, persons in fields if persons)


def _field(name: str, persons: _Named) -> bytes:
    words: list[str] = []
    for person in persons:
        display = headers.phrase(name, person.name) if person.name.strip() else []
        words += [*display, f"<{checked_address(person.email)}>,"]
    words[-1] = words[-1].removesuffix(",")
    return headers.folded(name, words)
