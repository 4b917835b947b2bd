"""Messages as their author has them: drafts are written, changed, copied; messages of any state are read and deleted.

Another person's message, a deleted one and one that never was look alike: ``NotFound("message", id)``. Whatever changes a
message locks its row first (``locked``), so that changes of one message come one after another on PostgreSQL too, where
units run at the same time; whoever locks several does so in the order of their numbers.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Row, Select, bindparam, insert, literal, null, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_rows

from postroom.directory import addresses
from postroom.directory.values import LARGEST_ID, chunks, known
from postroom.errors import Forbidden, Invalid, NotFound, WrongState
from postroom.messages import threads
from postroom.messages.records import (
    MAX_CONTENT,
    MAX_LIFETIME,
    MAX_SUBJECT,
    DraftChange,
    DraftContent,
    Message,
    MessageStatus,
)
from postroom.messages.texts import check_line, check_text
from postroom.storage.database import Tx
from postroom.storage.tables import attachments, audience, messages

_COLUMNS: Final = tuple(messages.c[name] for name in Message.__struct_fields__)
_ONE: Final[Select[Any]] = select(*_COLUMNS).where(
    messages.c.id == bindparam("number"), messages.c.author_id == bindparam("author"), messages.c.deleted_at == null()
)
_ONE_LOCKED: Final = _ONE.with_for_update(key_share=True)
_CREATE: Final = insert(messages).returning(messages.c.id)
_COPIED: Final = (
    "author_id",
    "dialect",
    "subject",
    "content",
    "content_format",
    "from_address_id",
    "send_summary",
    "send_to_myself",
    "attachments_lifetime",
    "options",
)


class DeletedMessages(Struct, frozen=True, kw_only=True):
    """What ``delete`` did."""

    matched: list[int]
    """Messages that were the caller's and are gone now, in the order asked for."""
    blob_keys: list[str]
    """Files of deleted drafts; delete them from the blob store after the commit."""


def create(tx: Tx, author_id: int, content: DraftContent, now: int, dialect: str) -> int:
    """Make a new draft and return its number (USOS ``create_message``).

    Raises ``TooLarge`` and ``Invalid`` (``subject``, ``content``, ``attachments_lifetime``), ``NotFound("inst_address", id)``,
    ``Forbidden("inst_address_unassigned")``; ``NotFound("message", id)`` for one to answer that the author does not see.
    """
    given = structs.asdict(content)
    _check_values(DraftChange(**{name: given[name] for name in DraftChange.__struct_fields__}))
    if content.from_address_id is not None:
        check_address(tx, author_id, content.from_address_id)
    thread_id = None if content.in_reply_to is None else threads.of_message(tx, author_id, content.in_reply_to)
    values = {**given, "thread_id": thread_id, "author_id": author_id, "dialect": dialect, "created_at": now, "modified_at": now}
    return int(tx.execute(_CREATE, values).scalar_one())


def update(tx: Tx, author_id: int, message_id: int, change: DraftChange, now: int) -> None:
    """Change what is given in a draft; a change of nothing changes nothing (USOS ``update_message``).

    Raises as ``create``, and ``NotFound("message", id)``, ``WrongState("draft_required")``. The institutional address is
    checked only when the change names one: a revoked one in the draft hinders sending, not writing.
    """
    _check_values(change)
    locked_draft(tx, author_id, message_id)
    values = {name: value for name, value in structs.asdict(change).items() if value is not None}
    if not values:
        return
    if change.from_address_id is not None:
        values["from_address_id"] = change.from_address_id or None
    if change.from_address_id:
        check_address(tx, author_id, change.from_address_id)
    tx.execute(update_rows(messages).where(messages.c.id == message_id).values(**values, modified_at=now))


def copy(tx: Tx, author_id: int, message_id: int, now: int) -> int:
    """Make a draft with the same text, options and audience, and return its number (USOS ``copy_message``).

    The copy has no attachments and no roll: it must be refreshed. It keeps an institutional address that was revoked
    meanwhile; sending will refuse it. Raises ``NotFound("message", id)``.
    """
    locked(tx, author_id, message_id)
    source: Select[Any] = select(*(messages.c[name] for name in _COPIED), literal(now), literal(now)).where(messages.c.id == message_id)
    statement = insert(messages).from_select([*_COPIED, "created_at", "modified_at"], source).returning(messages.c.id)
    copy_id = int(tx.execute(statement).scalar_one())
    entries = select(literal(copy_id), audience.c.group_id, audience.c.user_id, audience.c.email)
    tx.execute(
        insert(audience).from_select(
            ["message_id", "group_id", "user_id", "email"], entries.where(audience.c.message_id == message_id).order_by(audience.c.id)
        )
    )
    return copy_id


def delete(tx: Tx, author_id: int, message_ids: Sequence[int], now: int) -> DeletedMessages:
    """Delete the caller's messages, whatever their state; pass over all others (USOS ``delete_messages``).

    Drafts are gone for good, with audience, roll and attachments. Messages that were sent leave their author's lists only:
    delivery goes on, recipients keep theirs, and links stay valid as long as promised.
    """
    states: dict[int, str] = {}
    thread_ids: set[int] = set()
    for chunk in chunks(sorted(known(message_ids))):
        own = _of(author_id, messages.c.id, messages.c.status, threads.NUMBER.label("thread_id")).where(messages.c.id.in_(chunk))
        for row in tx.execute(own.order_by(messages.c.id).with_for_update()):
            states[row.id] = row.status
            if row.status != "draft":
                thread_ids.add(row.thread_id)
    blob_keys: list[str] = []
    for chunk in chunks(number for number, status in states.items() if status == "draft"):
        blob_keys += tx.execute(select(attachments.c.blob_key).where(attachments.c.message_id.in_(chunk))).scalars()
        tx.execute(delete_from(messages).where(messages.c.id.in_(chunk)))
    if thread_ids:
        threads.lock(tx, thread_ids)
    for chunk in chunks(number for number, status in states.items() if status != "draft"):
        tx.execute(update_rows(messages).where(messages.c.id.in_(chunk)).values(deleted_at=now))
    threads.promote_sent(tx, author_id, thread_ids)
    return DeletedMessages(matched=[number for number in dict.fromkeys(message_ids) if number in states], blob_keys=blob_keys)


def get(tx: Tx, author_id: int, message_id: int) -> Message:
    """Return one message of the author. Raises ``NotFound("message", id)``."""
    return _one(tx, _ONE, author_id, message_id)


def by_ids(tx: Tx, author_id: int, ids: Iterable[int]) -> dict[int, Message]:
    """Return those of the messages that are the author's, by number."""
    found: dict[int, Message] = {}
    for chunk in chunks(known(ids)):
        for row in tx.execute(_of(author_id, *_COLUMNS).where(messages.c.id.in_(chunk))):
            found[row.id] = _message(row)
    return found


def of_author(tx: Tx, author_id: int, statuses: Iterable[MessageStatus] | None, after_id: int | None, limit: int) -> list[Message]:
    """Return a page of the author's messages, oldest first: those after ``after_id`` (``None``: from the beginning).

    ``statuses`` leaves out messages of any other status; ``None`` takes all.
    """
    statement = _of(author_id, *_COLUMNS).order_by(messages.c.id).limit(limit)
    if statuses is not None:
        statement = statement.where(messages.c.status.in_(sorted(set(statuses))))
    if after_id is not None:
        statement = statement.where(messages.c.id > min(max(after_id, 0), LARGEST_ID))
    return [_message(row) for row in tx.execute(statement)]


def locked(tx: Tx, author_id: int, message_id: int) -> Message:
    """Return one message of the author and keep others from changing it until this transaction ends.

    The lock lets references to the row pass (FOR NO KEY UPDATE), such as those of a roll that is being written.
    Raises ``NotFound("message", id)``.
    """
    return _one(tx, _ONE_LOCKED, author_id, message_id)


def locked_draft(tx: Tx, author_id: int, message_id: int) -> Message:
    """``locked`` for what only drafts allow. Raises also ``WrongState("draft_required")``."""
    return check_draft(locked(tx, author_id, message_id))


def check_draft(message: Message) -> Message:
    """Return ``message`` if it is a draft. Raises ``WrongState("draft_required")``."""
    if message.status != "draft":
        raise WrongState("draft_required")
    return message


def check_address(tx: Tx, author_id: int, address_id: int) -> None:
    """Check that the author may send from this institutional address, which cannot be deleted until this transaction ends.

    Raises ``NotFound("inst_address", id)``, or ``Forbidden("inst_address_unassigned")`` for one that never was, or is no more, assigned.
    """
    addresses.get(tx, address_id, held=True)
    if not addresses.is_assigned(tx, address_id, author_id):
        raise Forbidden("inst_address_unassigned")


def _of(author_id: int, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(messages.c.author_id == author_id, messages.c.deleted_at == null())


def _one(tx: Tx, statement: Select[Any], author_id: int, message_id: int) -> Message:
    values = {"number": message_id, "author": author_id}
    row = tx.execute(statement, values).one_or_none() if 0 < message_id <= LARGEST_ID else None
    if row is None:
        raise NotFound("message", message_id)
    return _message(row)


def _message(row: Row[Any]) -> Message:
    return Message(**row._asdict())


def _check_values(change: DraftChange) -> None:
    if change.subject is not None:
        check_line("subject", change.subject, MAX_SUBJECT)
    if change.content is not None:
        check_text("content", change.content, MAX_CONTENT)
    if change.attachments_lifetime is not None and not 1 <= change.attachments_lifetime <= MAX_LIFETIME:
        raise Invalid("attachments_lifetime", f"from 1 to {MAX_LIFETIME} days")
