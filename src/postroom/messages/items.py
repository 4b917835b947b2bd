"""What stands in a person's mailbox: every message that came to them and every one that they wrote, in folders that hold both.

An item is a line of a roll, by which a message came, or a message of one's own. Where it stands follows from what it is, unless the person
has put it into the trash, among spam or into a folder of their own. Nobody sees items of others: ``NotFound("message", …)``.

| folder | what stands there |
|---|---|
| inbox | what came |
| sending, sent | own messages that are on their way, and those that are done |
| drafts, templates | letters that can still be changed (``letters``) |
| trash, spam, own | what was put there |
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, bindparam, select, union_all

from postroom.directory.values import LARGEST_ID, chunks
from postroom.errors import NotFound
from postroom.messages.item_sources import Source, sources
from postroom.storage import plain
from postroom.storage.database import Tx

_LARGEST_LINE: Final = 2**62

Conversation = tuple[int, str | None, int | None]
"""A thread, and the place and folder where the person has what there is of it."""


class Key(NamedTuple):
    """Which item: the number of a message of one's own, or that of the line by which one came."""

    own: bool
    id: int


class Found(NamedTuple):
    """An item in the order of a list."""

    at: int
    """When it came, was sent, or was changed last."""
    own: bool
    id: int
    message_id: int
    thread_id: int
    place: str | None
    folder_id: int | None
    """Where the person has put it."""
    done: bool
    """Not a draft, nor a template."""

    @property
    def key(self) -> Key:
        """Which item it is."""
        return Key(bool(self.own), self.id)

    @property
    def conversation(self) -> Conversation:
        """Which conversation it belongs to."""
        return self.thread_id, self.place, self.folder_id


_HAD: Final = [(source.own, source.where(source.stays), source.item.c.id) for source in sources(bindparam("person", type_=Integer))]
"""What a person has, of both kinds, and by which number: built once, as whatever acts for many people asks it of each."""

Selection = tuple[Source, list[ColumnElement[bool]]]
"""Items of one kind, and on which conditions."""


def get(tx: Tx, user_id: int, key: Key) -> Found:
    """Return an item, wherever the person has it. Raises ``NotFound("message", key)``."""
    for found in find(tx, user_id, [key]):
        return found
    raise NotFound("message", key)


def find(tx: Tx, user_id: int, keys: Iterable[Key]) -> list[Found]:
    """Return those of the items that the person has, wherever they are; two statements for each 500."""
    found = []
    for chunk in chunks(dict.fromkeys(keys)):
        for own, had, number in _HAD:
            largest = LARGEST_ID if own else _LARGEST_LINE
            numbers = [key.id for key in chunk if key.own == own and 0 < key.id <= largest]
            if numbers:
                found += read(tx, had.where(number.in_(numbers)), person=user_id)
    return found


def lines_of(tx: Tx, user_id: int, message_ids: Iterable[int]) -> dict[int, Key]:
    """Return by which item messages came to a person, wherever it is; a statement for each 500."""
    source, _ = sources(user_id)
    found: dict[int, Key] = {}
    for chunk in chunks(message_ids):
        found |= {one.message_id: one.key for one in read(tx, source.where(source.message.c.id.in_(chunk), source.stays))}
    return found


def ordered(tx: Tx, lists: list[Selection], start: int, limit: int, *, oldest_first: bool) -> list[Found]:
    """Read a page of two lists put together, each of which an index has in order."""
    parts = [source.first(where, start + limit, oldest_first=oldest_first) for source, where in lists]
    together = (parts[0] if len(parts) == 1 else union_all(*parts)).subquery()
    by = (together.c.at, together.c.own, together.c.id)
    order = [column.asc() if oldest_first else column.desc() for column in by]
    return read(tx, select(together).order_by(*order).offset(start).limit(limit))


def read(tx: Tx, statement: Select[Any], **values: int) -> list[Found]:
    """Read what a statement of ``Source`` selects, with the values of its parameters."""
    plain.plan_anew(tx)
    return [Found(*row) for row in tx.execute(statement, values)]
