"""Conversations: what a person has of a thread, in one place (ONLYOFFICE contract §1b).

What came and what was sent stand together; what lies in the trash, among spam or in a folder of one's own stands with its like alone,
and a draft by itself.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, case, func, literal

from postroom.directory.values import chunks
from postroom.messages.item_sources import Source, has_files, is_unread, messages_of, sources
from postroom.messages.items import Conversation, Found, Key, find, get, ordered, read
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import labelled


class Summary(Struct, kw_only=True):
    """What a conversation comes to."""

    count: int = 0
    unread: int = 0
    important: bool = False
    has_files: bool = False
    label_ids: set[int] = msgspec.field(default_factory=set)

    def add(self, count: int, unread: int, important: bool, has_files: bool) -> None:  # noqa: FBT001 - a row
        """Add the items of one kind."""
        self.count += count
        self.unread += unread
        self.important |= important
        self.has_files |= has_files


def of_item(tx: Tx, user_id: int, key: Key, limit: int) -> list[Found]:
    """Return what a person has of the thread of an item, oldest first; of a long one the newest ``limit``. Three statements.

    Raises ``NotFound("message", key)``.
    """
    one = get(tx, user_id, key)
    return ordered(tx, [(source, [_alike(source, one)]) for source in sources(user_id)], 0, limit, oldest_first=False)[::-1]


def of_items(tx: Tx, user_id: int, keys: Iterable[Key]) -> list[Found]:
    """Return all items of the conversations of those items that the person has; four statements for each 500."""
    found = {one.key: one for one in find(tx, user_id, keys)}
    wanted = {one.conversation for one in found.values() if one.done}
    for chunk in chunks(sorted({thread_id for thread_id, _, _ in wanted})):
        for source in sources(user_id):
            within = source.where(source.message.c.id.in_(messages_of(chunk)), source.stays, source.done)
            found |= {each.key: each for each in read(tx, within) if each.conversation in wanted}
    return list(found.values())


def summaries(tx: Tx, user_id: int, found: Iterable[Found]) -> dict[Conversation, Summary]:
    """Sum up the conversations of some items; four statements for each 500."""
    plain.plan_anew(tx)
    sums: dict[Conversation, Summary] = {}
    for chunk in chunks(sorted({one.thread_id for one in found})):
        values = {"person": user_id, "threads": chunk}
        for counted, marked in _SUMS:
            for thread, place, folder_id, count, unread, important, files in tx.execute(counted, values):
                sums.setdefault((thread, place, folder_id), Summary()).add(count, int(unread), bool(important), bool(files))
            for thread, place, folder_id, label_id in tx.execute(marked, values):
                sums[thread, place, folder_id].label_ids.add(label_id)
    return sums


def _sums(source: Source) -> tuple[Select[Any], Select[Any]]:
    """Count the items of each conversation, and name their labels."""
    group = (source.thread, source.item.c.place, source.item.c.folder_id)
    flags = (is_unread(source.own, source.item), source.item.c.important, has_files(source.message.c.id))
    within = source.where(source.message.c.id.in_(messages_of(bindparam("threads", expanding=True))), source.stays, source.done)
    counted = within.with_only_columns(*group, func.count(), *(func.sum(case((flag, 1), else_=0)) for flag in flags))
    column = labelled.c.message_id if source.own else labelled.c.recipient_id
    marked = within.with_only_columns(*group, labelled.c.label_id).join(labelled, column == source.item.c.id)
    return counted.group_by(*group), marked.distinct()


_SUMS: Final = [_sums(source) for source in sources(bindparam("person", type_=Integer))]


def _alike(source: Source, one: Found) -> ColumnElement[bool]:
    """Return, in SQL, whether an item stands in the same conversation as another one."""
    if not one.done:
        return and_(literal(source.own == one.own), source.item.c.id == one.id)
    at_place = [
        column.is_(None) if value is None else column == value
        for column, value in ((source.item.c.place, one.place), (source.item.c.folder_id, one.folder_id))
    ]
    return and_(source.message.c.id.in_(messages_of([one.thread_id])), *at_place, source.stays, source.done)
