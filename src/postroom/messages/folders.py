"""Folders: what stands in each, counted; and a tree of folders of one's own."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Subquery, case, delete, func, insert, select, update

from postroom.directory.values import LARGEST_ID
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import item_counts, threads
from postroom.messages.item_sources import FolderName
from postroom.messages.texts import check_line
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients, user_folders, users

MAX_NAME: Final = 255
MAX_FOLDERS: Final = 1_000
"""Folders of one person."""

_f: Final = user_folders.c


class Count(Struct, frozen=True, kw_only=True):
    """How much stands in a folder."""

    messages: int = 0
    unread_messages: int = 0
    conversations: int = 0
    """None of drafts and templates (contract §7.3.1)."""
    unread_conversations: int = 0
    newest_at: int | None = None


class UserFolder(Struct, frozen=True, kw_only=True):
    """A folder of somebody's own."""

    id: int
    parent_id: int
    """0: it stands in none."""
    name: str
    folders: int
    """Those that stand right in it."""
    count: Count


def counts(tx: Tx, user_id: int) -> dict[FolderName, Count]:
    """Count what stands in each folder; those of one's own together. Four statements."""
    plain.plan_anew(tx)
    own = list(tx.scalars(select(_f.id).where(_f.user_id == user_id)))
    found: dict[FolderName, Count] = {"inbox": _count(tx.execute(item_counts.inbox(tx.dialect.name, user_id, own)).one())}
    for some in (item_counts.written(user_id), item_counts.put_away(user_id, own)):
        every = some.subquery()
        found |= {row.folder: _count(row) for row in tx.execute(select(every.c.folder, *_sums(every)).group_by(every.c.folder))}
    return found


def tree(tx: Tx, user_id: int, *, ids: Iterable[int] = (), parent_id: int | None = None) -> list[UserFolder]:
    """Return the folders of a person by number: those asked for, or those in one (0: in none), else all. Two statements."""
    plain.plan_anew(tx)
    rows = tx.execute(select(_f.id, _f.parent_id, _f.name).where(_f.user_id == user_id).order_by(_f.id)).all()
    every = item_counts.put_away(user_id, [row.id for row in rows]).subquery()
    filed = select(every.c.folder_id, *_sums(every)).where(every.c.folder_id.is_not(None)).group_by(every.c.folder_id)
    filled = {row.folder_id: _count(row) for row in tx.execute(filed)}
    within = [row.parent_id for row in rows]
    wanted = set(ids)
    return [
        UserFolder(id=row.id, parent_id=row.parent_id or 0, name=row.name, folders=within.count(row.id), count=filled.get(row.id, Count()))
        for row in rows
        if (not wanted or row.id in wanted) and (parent_id is None or (row.parent_id or 0) == parent_id)
    ]


def get(tx: Tx, user_id: int, folder_id: int) -> UserFolder:
    """Return a folder of a person's. Raises ``NotFound("folder", id)``."""
    check(tx, user_id, folder_id)
    return tree(tx, user_id, ids=[folder_id])[0]


def check(tx: Tx, user_id: int, folder_id: int) -> None:
    """Raise ``NotFound("folder", id)`` unless it is a folder of this person's."""
    _check(tx, folder_id, _own(user_id, folder_id))


def hold(tx: Tx, user_id: int, folder_id: int) -> None:
    """Check as ``check`` does, and keep others from taking the folder away until this transaction ends."""
    _check(tx, folder_id, _own(user_id, folder_id).with_for_update(read=True, key_share=True))


def create(tx: Tx, user_id: int, name: str, parent_id: int, now: int) -> int:
    """Make a folder within another one (0: within none), and return its number.

    Raises ``Invalid("name", …)`` (``required``), ``NotFound("folder", id)`` for the one that it is to stand in,
    ``WrongState("exists")`` when that has one of this name, whatever its case, ``TooLarge`` named ``name`` or ``folders``.
    """
    rows = _locked(tx, user_id)
    trimmed = _checked(rows, name, parent_id)
    if len(rows) >= MAX_FOLDERS:
        raise TooLarge("folders", MAX_FOLDERS)
    values = {"user_id": user_id, "parent_id": parent_id or None, "name": trimmed, "modified_at": now}
    return int(tx.execute(insert(user_folders).values(values).returning(_f.id)).scalar_one())


def change(tx: Tx, user_id: int, folder_id: int, name: str, parent_id: int, now: int) -> None:  # noqa: PLR0917 - as units are called
    """Name a folder anew and put it into another one (0: into none).

    Raises as ``create``, and ``Invalid("parent_id", …)`` for itself and whatever it holds.
    """
    rows = _locked(tx, user_id)
    if folder_id not in {row.id for row in rows}:
        raise NotFound("folder", folder_id)
    if parent_id in _below(rows, folder_id):
        raise Invalid("parent_id", "a folder cannot stand in itself")
    values = {"name": _checked(rows, name, parent_id, folder_id), "parent_id": parent_id or None, "modified_at": now}
    tx.execute(update(user_folders).where(_f.id == folder_id).values(values))


def remove(tx: Tx, user_id: int, folder_id: int, now: int) -> None:
    """Take a folder away with those that it holds; what stood in them is in the trash then. Raises ``NotFound("folder", id)``."""
    rows = _locked(tx, user_id)
    if folder_id not in {row.id for row in rows}:
        raise NotFound("folder", folder_id)
    gone = sorted(_below(rows, folder_id))
    tx.execute(select(_f.id).where(_f.id.in_(gone)).order_by(_f.id).with_for_update())  # nothing comes into them any more
    every = item_counts.put_away(user_id, gone).subquery()
    thread_ids = set(tx.scalars(select(every.c.thread_id).where(every.c.folder_id.in_(gone))))
    threads.lock(tx, thread_ids)
    for table in (messages, recipients):
        filed = update(table).where(table.c.folder_id.in_(gone))
        tx.execute(filed.where(table.c.deleted_at.is_(None)).values(place="trash", folder_id=None, deleted_at=now))
        tx.execute(filed.values(folder_id=None))
    threads.stand(tx, user_id, thread_ids, now)
    tx.execute(delete(user_folders).where(_f.id.in_(gone)))


def _own(user_id: int, folder_id: int) -> Select[Any]:
    return select(_f.id).where(_f.id == folder_id, _f.user_id == user_id)


def _check(tx: Tx, folder_id: int, own: Select[Any]) -> None:
    if not 0 < folder_id <= LARGEST_ID or tx.execute(own).first() is None:
        raise NotFound("folder", folder_id)


def _locked(tx: Tx, user_id: int) -> Sequence[Any]:
    """Return all folders of a person, and keep others from changing the tree until this transaction ends."""
    tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    return tx.execute(select(_f.id, _f.parent_id, _f.name).where(_f.user_id == user_id)).all()


def _checked(rows: Sequence[Any], name: str, parent_id: int, folder_id: int | None = None) -> str:
    trimmed = name.strip()
    if not trimmed:
        raise Invalid("name", "required")
    check_line("name", trimmed, MAX_NAME)
    if parent_id and parent_id not in {row.id for row in rows}:
        raise NotFound("folder", parent_id)
    beside = [row for row in rows if (row.parent_id or 0) == parent_id and row.id != folder_id]
    if trimmed.lower() in {row.name.lower() for row in beside}:
        raise WrongState("exists")
    return trimmed


def _below(rows: Sequence[Any], folder_id: int) -> set[int]:
    """Return a folder with all that it holds."""
    found, fresh = {folder_id}, {folder_id}
    while fresh:
        fresh = {row.id for row in rows if row.parent_id in fresh} - found
        found |= fresh
    return found


def _sums(every: Subquery) -> tuple[ColumnElement[Any], ...]:
    conversation = case((every.c.done, every.c.thread_id))
    return (
        func.count().label("messages"),
        func.sum(case((every.c.unread, 1), else_=0)).label("unread_messages"),
        func.count(conversation.distinct()).label("conversations"),
        func.count(case((every.c.unread, every.c.thread_id)).distinct()).label("unread_conversations"),
        func.max(every.c.at).label("newest_at"),
    )


def _count(row: Any) -> Count:  # noqa: ANN401 - a row of these columns
    return Count(**{name: getattr(row, name) for name in Count.__struct_fields__ if getattr(row, name) is not None})
