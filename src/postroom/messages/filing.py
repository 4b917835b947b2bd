"""Putting items elsewhere and marking them: the trash, spam, folders of one's own, and back; read, unread, important, answered.

All of it is one person's own affair. What lies in the trash or among spam is deleted for those who know no trash (``mailboxes``), and
comes back to the folder that it belongs to. Of the keys given those count that the person has: whatever else is there stays as
it is, without an error. The number of statements does not depend on the number of items, but for one more of each kind for every 500.
"""

from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import func, null, update

from postroom.directory.values import chunks
from postroom.errors import Invalid
from postroom.messages import folders, items, threads
from postroom.messages.item_sources import FolderName
from postroom.messages.items import Found, Key
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients


def move(tx: Tx, user_id: int, keys: Iterable[Key], folder: FolderName, now: int, *, folder_id: int | None = None) -> None:
    """Put items into a folder: the trash, spam, or one of one's own; whichever else is named, they go where they belong.

    Raises ``Invalid("folder", …)`` for the folder of what is being sent, ``NotFound("folder", id)``.
    """
    values: dict[str, Any]
    match folder:
        case "trash" | "spam":
            values = {"place": folder, "folder_id": null(), "deleted_at": now}
        case "own":
            folders.hold(tx, user_id, folder_id or 0)
            values = {"place": null(), "folder_id": folder_id, "deleted_at": null()}
        case "sending":
            raise Invalid("folder", "nothing can be put there")
        case _:
            values = {"place": null(), "folder_id": null(), "deleted_at": null()}
    _file(tx, user_id, items.find(tx, user_id, keys), values, now)


def restore(tx: Tx, user_id: int, keys: Iterable[Key], now: int) -> None:
    """Put items back where they belong."""
    move(tx, user_id, keys, "inbox", now)


def remove(tx: Tx, user_id: int, keys: Iterable[Key], now: int) -> None:
    """Take items away for good, for this person."""
    gone = {"place": null(), "folder_id": null(), "deleted_at": now}
    _file(tx, user_id, items.find(tx, user_id, keys), gone, now)


def empty(tx: Tx, user_id: int, folder: Literal["trash", "spam"]) -> None:
    """Take everything away for good that lies in the trash, or among spam. Two statements."""
    for table, owner in ((messages, messages.c.author_id), (recipients, recipients.c.user_id)):
        tx.execute(update(table).where(owner == user_id, table.c.place == folder).values(place=None))


def mark_read(tx: Tx, user_id: int, keys: Iterable[Key], now: int, *, read: bool) -> None:
    """Mark what came read, which keeps the time of the first reading, or unread."""
    value = func.coalesce(recipients.c.read_at, now) if read else null()
    _set(tx, items.find(tx, user_id, (key for key in keys if not key.own)), {"read_at": value})


def mark_important(tx: Tx, user_id: int, keys: Iterable[Key], *, important: bool) -> None:
    """Mark items important, or not."""
    _set(tx, items.find(tx, user_id, keys), {"important": important})


def mark_replied(tx: Tx, user_id: int, keys: Iterable[Key], now: int) -> None:
    """Mark items answered now, by a mail that this store need not know of."""
    _set(tx, items.find(tx, user_id, keys), {"replied_at": now})


def _file(tx: Tx, user_id: int, found: list[Found], values: dict[str, Any], now: int) -> None:
    thread_ids = {one.thread_id for one in found}
    threads.lock(tx, thread_ids)
    _set(tx, found, values)
    threads.stand(tx, user_id, thread_ids, now)


def _set(tx: Tx, found: list[Found], values: dict[str, Any]) -> None:
    for own, table in ((True, messages), (False, recipients)):  # the order in which all take locks (``threads``)
        for chunk in chunks(sorted(one.id for one in found if bool(one.own) == own)):
            tx.execute(update(table).where(table.c.id.in_(chunk)).values(values))
