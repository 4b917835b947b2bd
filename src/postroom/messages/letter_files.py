"""Files of letters. They are parts of the mail, so they have no links and no end of their life.

What a program says of a file is never believed: a file is found by its number, among those that the author sees. One of another message is
not taken away from it: the letter gets one of its own, over the same stored bytes.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import Row, delete, exists, insert, or_, select, update

from postroom.directory.values import chunks, known
from postroom.errors import TooLarge
from postroom.messages import threads
from postroom.messages.attachments import CONTENT_ID, clean_filename, safe_type
from postroom.messages.letter_records import MAX_FILENAME, MAX_FILES, MAX_FILES_SIZE, LetterFile
from postroom.messages.records import Disposition, NewAttachment
from postroom.storage.database import Tx
from postroom.storage.tables import attachments, messages, recipients

_a: Final = attachments.c
_m: Final = messages.c
_r: Final = recipients.c

_WROTE: Final = exists().where(_m.id == _a.message_id, _m.author_id == threads.PERSON, _m.deleted_at.is_(None)).correlate(attachments)
_RECEIVED: Final = exists().where(_r.message_id == _a.message_id, threads.CAME).correlate(attachments)
_READABLE: Final = select(attachments).where(_a.revoked_at.is_(None), or_(_WROTE, _RECEIVED)).with_for_update(read=True)
"""Files of all that a person wrote, or has received. Whoever deletes one meanwhile waits, and then sees that its bytes are needed."""


class Chosen(Struct, frozen=True):
    """What is to go with a letter."""

    rows: list[Row[Any]]
    """In the order asked for."""
    content_ids: dict[int, str]
    """What the HTML calls them by, as asked for."""
    missing: list[str]
    """Names of those that are needed and not there."""


def distinct(files: Sequence[LetterFile]) -> list[LetterFile]:
    """Return each file once: those with the same number, name and stored name are the same.

    Raises ``TooLarge("attachments", 25 MiB)`` by the sizes that are given for them, ``TooLarge("files", 100)``.
    """
    each = list({(file.attachment_id, file.filename, file.stored_name): file for file in files}.values())
    check_sizes([file.size for file in each])
    return each


def check_sizes(sizes: Sequence[int]) -> None:
    """Check how many files there are, and how large they are together. Raises as ``distinct``."""
    if sum(max(size, 0) for size in sizes) > MAX_FILES_SIZE:
        raise TooLarge("attachments", MAX_FILES_SIZE)
    if len(sizes) > MAX_FILES:
        raise TooLarge("files", MAX_FILES)


def choose(tx: Tx, author_id: int, files: Sequence[LetterFile]) -> Chosen:
    """Find files among those of messages that the author wrote or received. Raises as ``distinct``, by stored sizes."""
    rows: dict[int, Row[Any]] = {}
    for chunk in chunks(known(file.attachment_id for file in files)):
        rows |= {row.id: row for row in tx.execute(_READABLE.where(_a.id.in_(chunk)), {"person": author_id})}
    check_sizes([row.size for row in rows.values()])
    return Chosen(
        rows=[rows[number] for number in dict.fromkeys(file.attachment_id for file in files) if number in rows],
        content_ids={file.attachment_id: file.content_id for file in files},
        missing=[file.filename or f"file {file.attachment_id}" for file in files if file.required and file.attachment_id not in rows],
    )


def replace(tx: Tx, message_id: int, chosen: Chosen, body: str, now: int) -> list[str]:
    """Let a letter have these files and no others; return the keys of the blobs that it had beside them.

    A file that the body shows (``cid:``) is a part within it, each other one an attachment.
    """
    had = {row.id: row for row in tx.execute(select(_a.id, _a.blob_key, _a.disposition, _a.content_id).where(_a.message_id == message_id))}
    named = {row.id for row in chosen.rows if row.message_id == message_id}
    copies = {row.blob_key: row.id for row in had.values() if row.id not in named}
    kept: set[int] = set()
    new: list[dict[str, Any]] = []
    for row in chosen.rows:
        content_id = _content_id(chosen.content_ids[row.id]) or row.content_id
        placed = {"disposition": _disposition(content_id, body), "content_id": content_id}
        own = row.id if row.id in named else copies.pop(row.blob_key, None)
        if own is None:
            copied = {name: getattr(row, name) for name in ("blob_key", "filename", "content_type", "size", "md5")}
            new.append({"message_id": message_id, "created_at": now, **copied, **placed})
            continue
        kept.add(own)
        if placed != {name: getattr(had[own], name) for name in placed}:
            tx.execute(update(attachments).where(_a.id == own).values(placed))
    if new:
        tx.execute(insert(attachments), new)
    gone = [number for number in had if number not in kept]
    for chunk in chunks(gone):
        tx.execute(delete(attachments).where(_a.id.in_(chunk)))
    return [had[number].blob_key for number in gone]


def add(tx: Tx, message_id: int, files: Sequence[NewAttachment], body: str, now: int) -> None:
    """Attach files that are in the blob store already to a letter whose row is locked. Raises as ``insert_checked``."""
    if not files:
        return
    check_sizes([*(file.size for file in files), *tx.scalars(select(_a.size).where(_a.message_id == message_id))])
    tx.execute(insert(attachments), [_row(message_id, file, body, now) for file in files])


def insert_checked(tx: Tx, message_id: int, new: NewAttachment, now: int) -> int:
    """Attach a file that is in the blob store already to a letter whose row is locked; return its number.

    Raises ``TooLarge`` and ``Invalid`` (``filename``), and as ``distinct``, with the files that are there.
    """
    values = _row(message_id, new, "", now)  # an attachment, until a body shows it
    check_sizes([new.size, *tx.scalars(select(_a.size).where(_a.message_id == message_id))])
    return int(tx.execute(insert(attachments).values(values).returning(_a.id)).scalar_one())


def insert_calendar(tx: Tx, number: int, message_id: int, new: NewAttachment, now: int) -> None:
    """Let the calendar of a letter be shown as a file of it, under a number that was reserved."""
    values = {**structs.asdict(new), "id": number, "message_id": message_id, "disposition": "attachment", "created_at": now}
    tx.execute(insert(attachments).values(values))


def remove(tx: Tx, message_id: int, attachment_id: int) -> list[str]:
    """Take a file from a letter whose row is locked, if it has it; return the key of its blob."""
    own = _a.id.in_(known([attachment_id])) & (_a.message_id == message_id)
    return list(tx.scalars(delete(attachments).where(own).returning(_a.blob_key)))


def _row(message_id: int, new: NewAttachment, body: str, now: int) -> dict[str, Any]:
    filename = clean_filename(new.filename, MAX_FILENAME)
    content_id = _content_id(new.content_id or "")
    return {
        **structs.asdict(new),
        "message_id": message_id,
        "filename": filename,
        "content_type": safe_type(new.content_type, filename),
        "disposition": _disposition(content_id, body),
        "content_id": content_id,
        "created_at": now,
    }


def _disposition(content_id: str | None, body: str) -> Disposition:
    return "inline" if content_id and f"cid:{content_id}" in body else "attachment"


def _content_id(given: str) -> str | None:
    plain = given.strip().removeprefix("<").removesuffix(">")
    return plain if CONTENT_ID.fullmatch(plain) else None
