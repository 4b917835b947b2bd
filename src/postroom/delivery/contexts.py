"""What the composer needs to know of a message, read from the store: one record a message, a few statements for all."""

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import func, select

from postroom.directory import people
from postroom.directory.values import chunks
from postroom.messages import attachments, queueing
from postroom.messages.records import Attachment, ContentFormat, Language
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import institutional_addresses, messages, users


class Link(Struct, frozen=True, kw_only=True):
    """An attachment as a recipient sees it."""

    filename: str
    url: str
    size: int
    """Bytes."""
    description: str
    expires_at: int | None


class Context(Struct, frozen=True, kw_only=True):
    """Everything that goes into the mail of a message, but for what differs between its recipients. Equal contexts make equal mails."""

    message_id: int
    subject: str
    content: str
    content_format: ContentFormat
    language: Language
    date: int
    """When the message was sent, in milliseconds: the same in every retry."""
    author_id: int | None
    """``None``: the server speaks by itself."""
    author_name: str
    author_email: str | None
    address_id: int | None
    """The institutional address that it is sent from, with its name and address."""
    address_name: str
    address_email: str
    links: tuple[Link, ...]


def load(tx: Tx, settings: Settings, vault: Vault, message_ids: Iterable[int]) -> dict[int, Context]:
    """Read the contexts of messages; those that are gone are missing. Two statements for each 500."""
    found: dict[int, Context] = {}
    for chunk in chunks(sorted(set(message_ids))):
        found |= _load_chunk(tx, settings, vault, chunk)
    return found


def _load_chunk(tx: Tx, settings: Settings, vault: Vault, ids: list[int]) -> dict[int, Context]:
    m, a = messages.c, institutional_addresses.c
    rows = tx.execute(
        select(
            m.id,
            m.subject,
            m.content,
            m.content_format,
            func.coalesce(m.language, "pl").label("language"),
            func.coalesce(m.sent_at, m.created_at).label("date"),
            m.author_id,
            people.full_name().label("author_name"),
            queueing.own_address().label("author_email"),
            a.id.label("address_id"),
            func.coalesce(a.name, "").label("address_name"),
            func.coalesce(a.email, "").label("address_email"),
        )
        .select_from(messages.outerjoin(users, users.c.id == m.author_id).outerjoin(institutional_addresses, a.id == m.from_address_id))
        .where(m.id.in_(ids))
    ).all()
    files = attachments.of_messages(tx, ids)
    return {
        row.id: Context(
            message_id=row.id,
            subject=row.subject,
            content=row.content,
            content_format=row.content_format,
            language=row.language,
            date=row.date,
            author_id=row.author_id,
            author_name=row.author_name,
            author_email=row.author_email,
            address_id=row.address_id,
            address_name=row.address_name,
            address_email=row.address_email,
            links=tuple(_link(settings, vault, file) for file in files.get(row.id, []) if file.revoked_at is None),
        )
        for row in rows
    }


def _link(settings: Settings, vault: Vault, file: Attachment) -> Link:
    return Link(
        filename=file.filename,
        url=settings.public_url + attachments.link_path(vault, file),
        size=file.size,
        description=file.description,
        expires_at=file.expires_at,
    )
