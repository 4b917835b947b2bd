"""Files that are sent before there is a message that they belong to: announced, received, then taken over by a message.

An upload belongs to the person who announced it; nobody else learns that it is there. It is forgotten ``LIFETIME`` after it was
announced, unless a message has taken it over: then its file is an attachment, and the upload is gone. The file itself is in the blob
store before ``receive`` is called; whoever calls deletes it again when that refuses, and the sweep of housekeeping finds what a crash
leaves there (``attachments.blobs_in_use`` knows of uploads).
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, delete, func, insert, null, select, update

from postroom.clock import DAY
from postroom.directory.values import LARGEST_ID, known
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages.attachments import clean_filename, safe_type
from postroom.messages.records import MAX_ATTACHMENTS
from postroom.storage.database import Tx
from postroom.storage.tables import attachments, uploads, users

LIFETIME: Final = DAY
"""Milliseconds from announcing a file to forgetting it."""

MAX_UPLOADS: Final = 100
"""Uploads of one person that no message has taken over yet."""

_MD5: Final = re.compile("[0-9a-f]{32}")


class NewUpload(Struct, frozen=True, kw_only=True):
    """A file that is to come."""

    filename: str
    size: int
    """Bytes."""
    md5: str | None = None
    """32 hexadecimal digits, in any case; ``None``: whatever comes is right."""


class Received(Struct, frozen=True, kw_only=True):
    """A file that has come, and is in the blob store."""

    blob_key: str
    size: int
    """Bytes."""
    md5: str
    """32 hexadecimal digits in lower case."""
    content_type: str = ""
    """As the client declared it; without a usable one it is guessed from the name."""


class Upload(Struct, frozen=True, kw_only=True):
    """A file that no message has taken over yet; times in milliseconds."""

    id: int
    filename: str
    size: int
    """Bytes, as announced."""
    md5: str | None
    """As announced, or as found once it has come."""
    content_type: str | None
    blob_key: str | None
    """``None`` until all of it has come."""
    created_at: int
    expires_at: int


_COLUMNS: Final = tuple(uploads.c[name] for name in Upload.__struct_fields__)


def announce(tx: Tx, user_id: int, new: NewUpload, max_bytes: int, now: int) -> Upload:
    """Make room for a file of at most ``max_bytes`` bytes (``attachments.max_bytes``) and return it. Three statements.

    Raises ``TooLarge`` and ``Invalid`` for ``filename`` (``attachments.clean_filename``), ``filesize`` and ``md5_checksum``, and
    ``Invalid("uploads", …)`` for a person who has ``MAX_UPLOADS`` already.
    """
    filename = clean_filename(new.filename)
    md5 = None if new.md5 is None else new.md5.lower()
    if new.size < 0:
        raise Invalid("filesize", "a number of bytes")
    if new.size > max_bytes:
        raise TooLarge("filesize", max_bytes)
    if md5 is not None and not _MD5.fullmatch(md5):
        raise Invalid("md5_checksum", "32 hexadecimal digits")
    tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))  # so that nobody overtakes the count
    count = select(func.count()).select_from(uploads).where(uploads.c.user_id == user_id, uploads.c.expires_at > now)
    if tx.execute(count).scalar_one() >= MAX_UPLOADS:
        raise Invalid("uploads", f"{MAX_UPLOADS} files wait for a message already")
    values = {"user_id": user_id, "filename": filename, "size": new.size, "md5": md5, "created_at": now, "expires_at": now + LIFETIME}
    return _upload(tx.execute(insert(uploads).values(values).returning(*_COLUMNS)).one())


def get_open(tx: Tx, user_id: int, upload_id: int, now: int) -> Upload:
    """Return an upload whose file has not come yet.

    Raises ``NotFound("upload", id)`` for one that is not this person's, or whose time is over, and ``WrongState("upload_complete")``.
    """
    return _open(tx, user_id, upload_id, now, locked=False)


def receive(tx: Tx, user_id: int, upload_id: int, received: Received, now: int) -> Upload:
    """Note that the whole file has come, which locks the upload against a second one; return it.

    Raises as ``get_open``, and ``Invalid`` for ``filesize`` and ``md5_checksum`` that differ from what was announced. Then the caller
    deletes the blob.
    """
    upload = _open(tx, user_id, upload_id, now, locked=True)
    if received.size != upload.size:
        raise Invalid("filesize", f"{upload.size} bytes were announced, {received.size} came")
    if upload.md5 is not None and received.md5 != upload.md5:
        raise Invalid("md5_checksum", f"{upload.md5} was announced, {received.md5} came")
    content_type = safe_type(received.content_type, upload.filename)
    values = {"md5": received.md5, "content_type": content_type, "blob_key": received.blob_key}
    return _upload(tx.execute(update(uploads).where(uploads.c.id == upload_id).values(values).returning(*_COLUMNS)).one())


def take_over(tx: Tx, user_id: int, upload_ids: Sequence[int], message_id: int, *, now: int, end: int) -> None:
    """Make the files attachments of a message of this person's that is just written; they can be fetched until ``end`` (ms).

    The order is that of the numbers. Two statements, none without a file. Raises ``TooLarge("attachments", 10)``, and
    ``Invalid("uploads", …)`` for a file that is not this person's, that has not come, that another message has, or that is named twice:
    the caller learns no more about those of others.
    """
    if not upload_ids:
        return
    if len(upload_ids) > MAX_ATTACHMENTS:
        raise TooLarge("attachments", MAX_ATTACHMENTS)
    own = (uploads.c.id.in_(list(known(upload_ids))), uploads.c.user_id == user_id)
    ready = (uploads.c.blob_key != null(), uploads.c.expires_at > now)
    taken = {row.id: _upload(row) for row in tx.execute(delete(uploads).where(*own, *ready).returning(*_COLUMNS))}
    if len(taken) != len(upload_ids):
        raise Invalid("uploads", "some are not there, not complete, or used already")
    tx.execute(insert(attachments), [_attachment(taken[number], message_id, now, end) for number in upload_ids])


def remove_expired(tx: Tx, now: int, limit: int) -> list[str | None]:
    """Forget at most ``limit`` uploads whose time is over; return the keys of their blobs, to be deleted after the commit.

    ``None`` stands for a file that never came.
    """
    over = select(uploads.c.id).where(uploads.c.expires_at <= now).order_by(uploads.c.expires_at).limit(limit)
    statement = delete(uploads).where(uploads.c.id.in_(over.scalar_subquery()), uploads.c.expires_at <= now)
    return list(tx.execute(statement.returning(uploads.c.blob_key)).scalars())


def _open(tx: Tx, user_id: int, upload_id: int, now: int, *, locked: bool) -> Upload:
    statement = select(*_COLUMNS).where(uploads.c.id == upload_id, uploads.c.user_id == user_id, uploads.c.expires_at > now)
    if locked:
        statement = statement.with_for_update()
    row = tx.execute(statement).one_or_none() if 0 < upload_id <= LARGEST_ID else None
    if row is None:
        raise NotFound("upload", upload_id)
    if row.blob_key is not None:
        raise WrongState("upload_complete")
    return _upload(row)


def _upload(row: Row[*tuple[Any, ...]]) -> Upload:
    return Upload(**row._asdict())


def _attachment(upload: Upload, message_id: int, now: int, end: int) -> dict[str, object]:
    return {
        "message_id": message_id,
        "blob_key": upload.blob_key,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size": upload.size,
        "md5": upload.md5,
        "disposition": "link",
        "created_at": now,
        "expires_at": end,
    }
