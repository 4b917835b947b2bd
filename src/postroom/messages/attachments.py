"""Files of a message. Recipients get links to them, unless a file is to be part of the mail (``disposition``).

A link is made of the number of the attachment and a signature over that number and the random key of its blob: nobody can
guess one, and a number that came to stand for something else never honours an old link. Links of a draft work for
whoever holds them (its author's preview); sending starts their clock.
"""

import mimetypes
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, insert, null, or_, select, union_all, update
from sqlalchemy import delete as delete_from

from postroom.directory.values import LARGEST_ID, chunks, known
from postroom.errors import Invalid, NotFound, WrongState
from postroom.messages import drafts
from postroom.messages.records import MAX_ATTACHMENTS, MAX_DESCRIPTION, MAX_FILENAME, Attachment, NewAttachment
from postroom.messages.texts import check_line
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import attachments, messages, recipients, uploads

_COLUMNS: Final = tuple(attachments.c[name] for name in Attachment.__struct_fields__)
_PURPOSE: Final = "link"
_UNKNOWN_TYPE: Final = "application/octet-stream"

_TOKEN: Final = r"[A-Za-z0-9!#$&^_.+\-]{1,127}"  # noqa: S105 - a token of RFC 6838 section 4.2, no secret
MEDIA_TYPE: Final = re.compile(f"{_TOKEN}/{_TOKEN}")
"""A type and subtype without parameters (RFC 6838 section 4.2)."""

CONTENT_ID: Final = re.compile(r"[!#-;=?-~]{1,250}")
"""What an inline part may be called by, without angle brackets."""
_DIRECTION: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn text around: with them 'cod.exe' can be shown as 'exe.doc'."""

_KNOWN_TYPES: Final = mimetypes.MimeTypes()
_PACKED_TYPES: Final = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def check_may_add(tx: Tx, author_id: int, message_id: int) -> None:
    """Check, before a file is received, that one more attachment is allowed.

    Raises ``NotFound("message", id)``, ``WrongState`` (``draft_required``, ``attachment_limit_exceeded``).
    """
    drafts.check_draft(drafts.get(tx, author_id, message_id))
    _check_room(tx, message_id)


def add(tx: Tx, author_id: int, message_id: int, new: NewAttachment, now: int) -> int:
    """Attach a file that is in the blob store already, and return the attachment's number (USOS ``put_attachment``).

    Folders in the file name are cut off, as some browsers send them. Without a usable content type it is guessed from the name.
    Raises as ``check_may_add``; ``TooLarge`` and ``Invalid`` for ``filename`` (empty, control characters, marks that change
    the direction of text), ``description`` and ``content_id``. Then the caller deletes the blob.
    """
    filename = clean_filename(new.filename)
    check_line("description", new.description, MAX_DESCRIPTION)
    drafts.locked_draft(tx, author_id, message_id)
    _check_room(tx, message_id)
    values = {
        "message_id": message_id,
        "blob_key": new.blob_key,
        "filename": filename,
        "content_type": safe_type(new.content_type, filename),
        "size": new.size,
        "description": new.description,
        "disposition": new.disposition,
        "content_id": _checked_content_id(new),
        "created_at": now,
    }
    attachment_id = int(tx.execute(insert(attachments).values(**values).returning(attachments.c.id)).scalar_one())
    _touch(tx, [message_id], now)
    return attachment_id


def clean_filename(given: str, limit: int = MAX_FILENAME) -> str:
    """Return the last part of ``given``, without spaces around it; usable in headers and URLs.

    Raises ``TooLarge("filename", limit)`` and ``Invalid("filename", …)``.
    """
    name = re.split(r"[/\\]", given)[-1].strip()
    check_line("filename", name, limit)
    if name in {"", ".", ".."}:
        raise Invalid("filename", "empty")
    if _DIRECTION.search(name):
        raise Invalid("filename", "marks that change the direction of text are not allowed")
    return name


def safe_type(given: str, filename: str) -> str:
    """Return ``given`` without parameters if it is a media type, else a guess from the ending of the file's name."""
    plain = given.partition(";")[0].strip().lower()
    if MEDIA_TYPE.fullmatch(plain):
        return plain
    ending = filename.rpartition(".")[2]
    guessed, packing = _KNOWN_TYPES.guess_type(f"file.{ending}")
    return _PACKED_TYPES.get(packing, _UNKNOWN_TYPE) if packing else guessed or _UNKNOWN_TYPE


def get(tx: Tx, author_id: int, attachment_id: int) -> Attachment:
    """Return an attachment of one of the author's messages. Raises ``NotFound("attachment", id)``."""
    found = by_ids(tx, author_id, [attachment_id]).get(attachment_id)
    if found is None:
        raise NotFound("attachment", attachment_id)
    return found


def seen_by(tx: Tx, user_id: int, attachment_id: int, now: int) -> Attachment:
    """Return an attachment of a message that this person sees: wrote and sent, or received, and did not delete. One query.

    Raises ``NotFound("attachment", id)``, and ``WrongState("gone")`` when its time is over or it was withdrawn.
    """
    wrote = and_(messages.c.author_id == user_id, messages.c.sent_at != null(), messages.c.deleted_at == null())
    r = recipients.c
    received = exists().where(r.message_id == messages.c.id, r.user_id == user_id, r.received_at != null(), r.deleted_at == null())
    statement = select(*_COLUMNS).join(messages, messages.c.id == attachments.c.message_id).where(or_(wrote, received))
    row = tx.execute(statement.where(attachments.c.id == attachment_id)).one_or_none() if 0 < attachment_id <= LARGEST_ID else None
    if row is None:
        raise NotFound("attachment", attachment_id)
    return _check_alive(_attachment(row), now)


def by_ids(tx: Tx, author_id: int, ids: Iterable[int]) -> dict[int, Attachment]:
    """Return those of the attachments that belong to the author's messages, by number."""
    found: dict[int, Attachment] = {}
    for chunk in chunks(known(ids)):
        for row in tx.execute(_of(author_id, *_COLUMNS).where(attachments.c.id.in_(chunk))):
            found[row.id] = _attachment(row)
    return found


def of_messages(tx: Tx, message_ids: Iterable[int]) -> dict[int, list[Attachment]]:
    """Return the attachments of each message, in the order they were added; every number asked for is a key."""
    found: dict[int, list[Attachment]] = {number: [] for number in message_ids}
    for chunk in chunks(known(found)):
        for row in tx.execute(select(*_COLUMNS).where(attachments.c.message_id.in_(chunk)).order_by(attachments.c.id)):
            found[row.message_id].append(_attachment(row))
    return found


def blobs_in_use(tx: Tx, blob_keys: Sequence[str]) -> set[str]:
    """Return those of the blobs that an attachment needs, whose link was not withdrawn, or an upload.

    One query for each 500, and two look-ups in indexes: a file that a message takes over meanwhile is seen on one side or the other.
    """
    used: set[str] = set()
    for chunk in chunks(blob_keys):
        needed = and_(attachments.c.blob_key.in_(chunk), attachments.c.revoked_at == null())
        waiting = select(uploads.c.blob_key).where(uploads.c.blob_key.in_(chunk))
        used.update(tx.execute(union_all(select(attachments.c.blob_key).where(needed), waiting)).scalars())
    return used


def describe(tx: Tx, author_id: int, attachment_id: int, description: str, now: int) -> None:
    """Change the description of a draft's attachment (USOS ``update_attachment``).

    Raises ``TooLarge`` and ``Invalid`` (``description``), ``NotFound("attachment", id)``, ``WrongState("draft_required")``.
    """
    check_line("description", description, MAX_DESCRIPTION)
    message_id = get(tx, author_id, attachment_id).message_id
    drafts.locked_draft(tx, author_id, message_id)
    tx.execute(update(attachments).where(attachments.c.id == attachment_id).values(description=description))
    _touch(tx, [message_id], now)


def delete(tx: Tx, author_id: int, ids: Sequence[int], now: int) -> tuple[list[int], list[str]]:
    """Delete attachments of the author's drafts; pass over all others (USOS ``delete_attachments``).

    Returns the numbers deleted, in the order asked for, and the keys of their blobs, to be deleted after the commit.
    """
    gone: dict[int, str] = {}
    for chunk in chunks(sorted(known(ids))):
        owners = select(attachments.c.message_id).where(attachments.c.id.in_(chunk))
        statement = select(messages.c.id).where(messages.c.id.in_(owners), *_own(author_id), messages.c.status == "draft")
        locked = list(tx.execute(statement.order_by(messages.c.id).with_for_update(key_share=True)).scalars())
        matching = and_(attachments.c.id.in_(chunk), attachments.c.message_id.in_(locked))
        rows = tx.execute(delete_from(attachments).where(matching).returning(attachments.c.id, attachments.c.blob_key))
        gone.update({row.id: row.blob_key for row in rows})
        _touch(tx, locked, now)
    matched = [number for number in dict.fromkeys(ids) if number in gone]
    return matched, [gone[number] for number in matched]


def revoke(tx: Tx, attachment_id: int, now: int) -> str | None:
    """Withdraw the link of an attachment, whoever's it is and whatever the state of its message; for who runs the server.

    Returns the key of its blob, to be deleted after the commit; ``None`` when it was withdrawn before. Raises
    ``NotFound("attachment", id)``.
    """
    known_number = 0 < attachment_id <= LARGEST_ID
    if not known_number or tx.execute(select(attachments.c.id).where(attachments.c.id == attachment_id)).first() is None:
        raise NotFound("attachment", attachment_id)
    statement = update(attachments).where(attachments.c.id == attachment_id, attachments.c.revoked_at == null())
    return tx.execute(statement.values(revoked_at=now).returning(attachments.c.blob_key)).scalar_one_or_none()


def retire_expired(tx: Tx, now: int, limit: int) -> list[str]:
    """Withdraw at most ``limit`` attachments whose time is over; return the keys of their blobs, to be deleted after the commit."""
    over = select(attachments.c.id).where(attachments.c.expires_at <= now, attachments.c.revoked_at == null()).limit(limit)
    statement = update(attachments).where(attachments.c.id.in_(over), attachments.c.expires_at <= now)
    return list(tx.execute(statement.values(revoked_at=now).returning(attachments.c.blob_key)).scalars())


def link_path(vault: Vault, attachment: Attachment) -> str:
    """Return the path of the attachment's link, to be appended to the public URL."""
    signature = vault.sign(_PURPOSE, _signed(attachment))
    return f"/links/{attachment.id}/{signature}/{quote(attachment.filename, safe='')}"


def by_link(tx: Tx, vault: Vault, attachment_id: int, signature: str, now: int) -> Attachment:
    """Return what a link leads to.

    Raises ``NotFound("attachment", id)`` for a wrong signature as for a number that is not there, and ``WrongState("gone")``
    for a right one whose time is over or that was withdrawn. The attachments of a deleted draft leave nothing behind to check a signature
    against, so they are not found.
    """
    attachment = find(tx, attachment_id)
    if attachment is None or not (signature.isascii() and vault.verify(_PURPOSE, _signed(attachment), signature)):
        raise NotFound("attachment", attachment_id)
    return _check_alive(attachment, now)


def find(tx: Tx, attachment_id: int) -> Attachment | None:
    """Return an attachment, if there is one, whoever may have it: the caller finds that out."""
    statement = select(*_COLUMNS).where(attachments.c.id == attachment_id)
    row = tx.execute(statement).one_or_none() if 0 < attachment_id <= LARGEST_ID else None
    return None if row is None else _attachment(row)


def start_clock(tx: Tx, message_id: int, end: int, last_try: int) -> None:
    """Let the links of a message live until ``end``, except withdrawn ones; for ``submission``.

    Files that are parts of the mail are kept for its last try at least: without them it cannot be sent.
    """
    statement = update(attachments).where(attachments.c.message_id == message_id, attachments.c.revoked_at == null())
    tx.execute(statement.values(expires_at=case((attachments.c.disposition == "link", end), else_=max(end, last_try))))


def _own(author_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return messages.c.author_id == author_id, messages.c.deleted_at == null()


def _of(author_id: int, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).join(messages, messages.c.id == attachments.c.message_id).where(*_own(author_id))


def _attachment(row: Row[Any]) -> Attachment:
    return Attachment(**row._asdict())


def _check_alive(attachment: Attachment, now: int) -> Attachment:
    expired = attachment.expires_at is not None and attachment.expires_at <= now
    if expired or attachment.revoked_at is not None:
        raise WrongState("gone")
    return attachment


def _signed(attachment: Attachment) -> str:
    return f"{attachment.id}:{attachment.blob_key}"


def _check_room(tx: Tx, message_id: int) -> None:
    count = tx.execute(select(func.count()).select_from(attachments).where(attachments.c.message_id == message_id)).scalar_one()
    if count >= MAX_ATTACHMENTS:
        raise WrongState("attachment_limit_exceeded")


def _checked_content_id(new: NewAttachment) -> str | None:
    if new.disposition != "inline":
        return None
    if not CONTENT_ID.fullmatch(new.content_id or ""):
        raise Invalid("content_id", "an inline file needs one, without spaces, quotes and angle brackets")
    return new.content_id


def _touch(tx: Tx, message_ids: Sequence[int], now: int) -> None:
    if message_ids:
        tx.execute(update(messages).where(messages.c.id.in_(message_ids)).values(modified_at=now))
