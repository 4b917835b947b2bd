"""What the composer needs to know of a message, read from the store: one record a message, a few statements for all."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import and_, func, null, select

from postroom.directory import people
from postroom.directory.values import chunks
from postroom.errors import NotFound
from postroom.messages import attachments, items, queueing
from postroom.messages.items import Found, Key
from postroom.messages.records import Attachment, ContentFormat, Disposition, Language, Role
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import institutional_addresses, messages, recipients, users

MAX_NAMED: Final = 10_000
"""Recipients that the headers of a shared message name at most, To and Cc together."""

Named = tuple[str, str]
"""Name (may be empty) and address of somebody who stands in a header."""


class Link(Struct, frozen=True, kw_only=True):
    """An attachment as a recipient sees it."""

    filename: str
    url: str
    size: int
    """Bytes."""
    description: str
    expires_at: int | None


class File(Struct, frozen=True, kw_only=True):
    """A file that is part of the mail."""

    id: int
    blob_key: str
    filename: str
    content_type: str
    size: int
    """Bytes."""
    description: str
    disposition: Disposition
    """``attachment`` or ``inline``."""
    content_id: str | None
    withdrawn: bool
    """Its time is over, or somebody took it back: it is not to be sent any more."""


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
    """``None``: the server speaks by itself, or a program in its own name."""
    author_name: str
    author_email: str | None
    address_id: int | None
    """The institutional address that it is sent from, with its name and address."""
    address_name: str
    address_email: str
    links: tuple[Link, ...]
    files: tuple[File, ...] = ()
    mail: str = "{}"
    """``MailOptions`` as they are kept; read by the composer, so that what is wrong with one message hinders no other."""
    client_id: int | None = None
    """The program that sent it in its own name."""
    template: bool = False
    shared: bool = False
    to: tuple[Named, ...] = ()
    """Of a shared message; one more than ``MAX_NAMED`` when there are too many to be named. Of any message in ``load_copy``."""
    cc: tuple[Named, ...] = ()
    bcc: tuple[Named, ...] = ()
    """For the author's own copy only (``load_copy``), as is the next."""
    answers: int | None = None
    """The shared message that it answers; its mail is named unless ``mail`` names another one."""
    answers_mail: str = "{}"
    """The options of that message, as they are kept."""
    only_recipient: int | None = None
    """Of a message that went to one: its copy has the Message-ID that this one got, so that an answer finds it."""


def load(tx: Tx, settings: Settings, vault: Vault, message_ids: Iterable[int]) -> dict[int, Context]:
    """Read the contexts of messages; those that are gone are missing. Two statements for each 500, a third if any is shared."""
    found: dict[int, Context] = {}
    for chunk in chunks(sorted(set(message_ids))):
        found |= _load_chunk(tx, settings, vault, chunk)
    return found


def load_copy(tx: Tx, settings: Settings, vault: Vault, message_id: int) -> Context | None:
    """Read the context of the copy that the author keeps, which names everybody, the hidden ones too; ``None`` if the message is gone."""
    context = load(tx, settings, vault, [message_id]).get(message_id)
    if context is None:
        return None
    named = _named(tx, [message_id], ("to", "cc", "bcc"))
    r = recipients.c
    first = tx.scalars(select(r.id).where(r.message_id == message_id, r.role != "self", r.email != null()).order_by(r.id).limit(2)).all()
    return structs.replace(
        context,
        to=_of_role(named, message_id, "to"),
        cc=_of_role(named, message_id, "cc"),
        bcc=_of_role(named, message_id, "bcc"),
        only_recipient=first[0] if len(first) == 1 and not context.shared else None,
    )


def load_item(tx: Tx, settings: Settings, vault: Vault, user_id: int, key: Key) -> Context:
    """Read the context of the mail that a person has as an item: their own copy of what they wrote, what came as it came.

    What came names whom it names to everybody, or the person alone, if each got a mail of their own. Raises ``NotFound("message", key)``.
    """
    found = items.get(tx, user_id, key)
    context = load_copy(tx, settings, vault, found.message_id) if key.own else _as_it_came(tx, settings, vault, found)
    if context is None:
        raise NotFound("message", key)
    return context


def _as_it_came(tx: Tx, settings: Settings, vault: Vault, found: Found) -> Context | None:
    context = load(tx, settings, vault, [found.message_id]).get(found.message_id)
    if context is None or context.shared:
        return context
    name = func.coalesce(recipients.c.name, func.nullif(people.full_name(), ""), "")
    line = select(name, recipients.c.email).outerjoin(users, users.c.id == recipients.c.user_id).where(recipients.c.id == found.id)
    shown, email = tx.execute(line).one()
    return structs.replace(context, to=((shown, email),) if email else (), only_recipient=found.id)


def _load_chunk(tx: Tx, settings: Settings, vault: Vault, ids: list[int]) -> dict[int, Context]:
    m, a = messages.c, institutional_addresses.c
    answered = messages.alias("answered")
    is_answer = and_(answered.c.id == m.in_reply_to, answered.c.shared, m.kind == "message")
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
            m.mail,
            m.client_id,
            m.template,
            m.shared,
            answered.c.id.label("answers"),
            func.coalesce(answered.c.mail, "{}").label("answers_mail"),
        )
        .select_from(
            messages.outerjoin(users, users.c.id == m.author_id)
            .outerjoin(institutional_addresses, a.id == m.from_address_id)
            .outerjoin(answered, is_answer)
        )
        .where(m.id.in_(ids))
    ).all()
    files = attachments.of_messages(tx, ids)
    named = _named(tx, [row.id for row in rows if row.shared], ("to", "cc"))
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
            links=tuple(_link(settings, vault, file) for file in files[row.id] if file.disposition == "link" and file.revoked_at is None),
            files=tuple(_file(file) for file in files[row.id] if file.disposition != "link"),
            mail=row.mail,
            client_id=row.client_id,
            template=row.template,
            shared=row.shared,
            to=_of_role(named, row.id, "to"),
            cc=_of_role(named, row.id, "cc"),
            answers=row.answers,
            answers_mail=row.answers_mail,
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


def _file(file: Attachment) -> File:
    return File(
        id=file.id,
        blob_key=file.blob_key,
        filename=file.filename,
        content_type=file.content_type,
        size=file.size,
        description=file.description,
        disposition=file.disposition,
        content_id=file.content_id,
        withdrawn=file.revoked_at is not None,
    )


def _named(tx: Tx, message_ids: Sequence[int], roles: Sequence[Role]) -> dict[tuple[int, Role], list[Named]]:
    """Return who stands in which header of which message, at most one more than ``MAX_NAMED`` of each message."""
    if not message_ids:
        return {}
    r = recipients.c
    place = func.row_number().over(partition_by=r.message_id, order_by=r.id).label("place")
    listed = (
        select(r.message_id, r.role, r.email, r.name, r.user_id, place)
        .where(r.message_id.in_(message_ids), r.role.in_(roles), r.email != null())
        .subquery()
    )
    # What the author called them, even by no name at all; else a letter to a private address would tell everybody whose it is.
    name = func.coalesce(listed.c.name, func.nullif(people.full_name(), ""), "")
    rows = tx.execute(
        select(listed.c.message_id, listed.c.role, name, listed.c.email)
        .select_from(listed.outerjoin(users, users.c.id == listed.c.user_id))
        .where(listed.c.place <= MAX_NAMED + 1)
        .order_by(listed.c.message_id, listed.c.place)
    )
    found: dict[tuple[int, Role], list[Named]] = {}
    for message_id, role, shown, email in rows:
        found.setdefault((message_id, role), []).append((shown, email))
    return found


def _of_role(named: dict[tuple[int, Role], list[Named]], message_id: int, role: Role) -> tuple[Named, ...]:
    return tuple(named.get((message_id, role), ()))
