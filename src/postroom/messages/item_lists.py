"""Lists of what stands in a mailbox: under conditions, page by page, and what stands beside an item (ONLYOFFICE contract §3.7, §3.8)."""

from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, exists, false, func, literal, not_, or_, select, true, tuple_, union_all

from postroom.directory.values import LARGEST_ID
from postroom.messages import search
from postroom.messages.item_sources import FolderName, Source, has_files, homes, is_one_of, is_unread, sources
from postroom.messages.items import Found, Key, Selection, get, ordered, read
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import labelled, messages

COUNTED: Final = 1_000
"""Items beyond the page up to which a list is counted that has more conditions than its folder."""

_CALENDAR: Final = '"calendar":{'


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list is to hold. ``None``, and nothing at all, stand for whatever it may be."""

    folder: FolderName = "inbox"
    folder_id: int | None = None
    """Of a folder of one's own; ``None``: whichever."""
    unread: bool | None = None
    with_files: bool | None = None
    important: bool | None = None
    with_calendar: bool | None = None
    since: int | None = None
    """First and last moment, in milliseconds."""
    until: int | None = None
    sender: str = ""
    """Words of From; of To in folders of what one writes oneself (contract §3.8), and so the other way round with the next."""
    recipient: str = ""
    text: str = ""
    """Words of anything (``search``)."""
    label_ids: tuple[int, ...] = ()
    """All of them."""
    email: str = ""
    """The address of one's own by which it came, or went."""
    oldest_first: bool = False

    @property
    def has_words(self) -> bool:
        """Whether it takes a search."""
        return bool(self.sender.strip() or self.recipient.strip() or self.text.strip())

    @property
    def is_plain(self) -> bool:
        """Whether the folder is all that matters."""
        return self == Wanted(folder=self.folder, folder_id=self.folder_id, oldest_first=self.oldest_first)


def page(tx: Tx, user_id: int, wanted: Wanted, start: int, limit: int) -> tuple[list[Found], int]:
    """Return ``limit`` items of a list from the ``start``-th on, and how many there are: exactly, or up to 1,000 behind this page.

    Two statements; of words one, as long as the page has anything, and those of ``search.find`` for each query and kind of items.
    """
    start = min(max(start, 0), LARGEST_ID)
    lists = _lists(tx, user_id, wanted)
    if wanted.has_words and (found := _counted(tx, lists, start, limit, oldest_first=wanted.oldest_first)):
        return [one for one, _ in found], found[0][1]
    most = None if wanted.is_plain else start + limit + COUNTED
    total = tx.execute(select(*(source.counted(conditions, most) for source, conditions in lists))).one()
    return ordered(tx, lists, start, limit, oldest_first=wanted.oldest_first), sum(total)


def _counted(tx: Tx, lists: list[Selection], start: int, limit: int, *, oldest_first: bool) -> list[tuple[Found, int]]:
    """Read a page of lists that are short, those of a search, and beside each item how many there are: so their rows are read once."""
    every = union_all(*(source.where(*conditions) for source, conditions in lists)).subquery()
    by = [column.asc() if oldest_first else column.desc() for column in (every.c.at, every.c.own, every.c.id)]
    rows = tx.execute(select(every, func.count().over()).order_by(*by).offset(start).limit(limit))
    return [(Found(*row[:-1]), row[-1]) for row in rows]


def first(tx: Tx, user_id: int, wanted: Wanted, limit: int) -> list[Found]:
    """Return the first items of a list. One statement, and those of ``search.find`` as above."""
    return ordered(tx, _lists(tx, user_id, wanted), 0, limit, oldest_first=wanted.oldest_first)


def beside(tx: Tx, user_id: int, wanted: Wanted, key: Key, *, before: bool = False) -> Key | None:
    """Return the item behind one in a list, or the one before; ``None`` at its end. Two statements. Raises ``NotFound("message", …)``."""
    found = _beyond(tx, user_id, wanted, get(tx, user_id, key), before=before, limit=1, heads_only=False)
    return found[0].key if found else None


def heads(tx: Tx, user_id: int, wanted: Wanted, limit: int, beyond: Found | None = None, *, before: bool = False) -> list[Found]:
    """Return the newest item of each conversation in a list: of those behind an item, or before it, the ``limit`` nearest.

    A conversation is what a person has of a thread. One statement.
    """
    return _beyond(tx, user_id, wanted, beyond, before=before, limit=limit, heads_only=True)


def _beyond(tx: Tx, user_id: int, wanted: Wanted, beyond: Found | None, *, before: bool, limit: int, heads_only: bool) -> list[Found]:
    older = wanted.oldest_first == before
    lists = _lists(tx, user_id, wanted)
    if heads_only and wanted.has_words:
        found = _newest_of_threads(tx, lists, beyond, older=older, limit=limit)
        return found[::-1] if before else found
    others = _lists(tx, user_id, wanted, by_number=True) if heads_only else []
    for source, conditions in lists:
        conditions += [not_(_has_newer(tx.dialect.name, source, other, where)) for other, where in others]
        if beyond is not None:
            conditions.append(_lies_beyond(source, beyond, older=older))
    found = ordered(tx, lists, 0, limit, oldest_first=not older)
    return found[::-1] if before else found


def _newest_of_threads(tx: Tx, lists: list[Selection], beyond: Found | None, *, older: bool, limit: int) -> list[Found]:
    """Read the newest item of each thread out of lists that are short: those of a search, which has their numbers."""
    every = union_all(*(source.where(*conditions) for source, conditions in lists)).subquery()
    newest_first = (every.c.at.desc(), every.c.own.desc(), every.c.id.desc())
    place_in = func.row_number().over(partition_by=every.c.thread_id, order_by=newest_first).label("place_in")
    ranked = select(every, place_in).subquery()
    by = (ranked.c.at, ranked.c.own, ranked.c.id)
    heads = select(*(ranked.c[name] for name in Found._fields)).where(ranked.c.place_in == 1)
    if beyond is not None:
        there = tuple_(*map(literal, (beyond.at, bool(beyond.own), beyond.id)))
        heads = heads.where(tuple_(*by) < there if older else tuple_(*by) > there)
    return read(tx, heads.order_by(*(column.desc() if older else column.asc() for column in by)).limit(limit))


def _lists(tx: Tx, user_id: int, wanted: Wanted, *, by_number: bool = False) -> list[Selection]:
    """Return where the items of a list are, and on which conditions; ``by_number``: for a look at a few of them, by their numbers."""
    plain.plan_anew(tx)
    lists = []
    for source in sources(user_id, wanted.folder):
        by = source.item.c.id if source.own else source.item.c.message_id
        fitting = [search.is_among(tx, by, search.find(tx, user_id, query, where)) for query, where in _queries(source, wanted)]
        of_folder = source if wanted.folder_id is None else source.in_one_folder(user_id)
        reached = source.by_number() if fitting or by_number else of_folder
        lists.append((reached, [*_conditions(reached, wanted), *fitting]))
    return lists


def _place(source: Source, wanted: Wanted) -> ColumnElement[bool]:
    item = source.item.c
    match wanted.folder:
        case "trash" | "spam":
            return source.place == wanted.folder
        case "own":
            within = source.folder_id > 0 if wanted.folder_id is None else source.folder_id == wanted.folder_id
            return and_(within, item.deleted_at.is_(None))
        case _:
            return and_(item.deleted_at.is_(None), item.folder_id.is_(None), homes(source).get(wanted.folder, false()))


def _conditions(source: Source, wanted: Wanted) -> list[ColumnElement[bool]]:
    item, message = source.item.c, source.message.c
    conditions = [_place(source, wanted)]
    for flag, holds in (
        (wanted.unread, is_unread(source.own, source.item)),
        (wanted.important, item.important),
        (wanted.with_files, has_files(message.id)),
        (wanted.with_calendar, message.mail.contains(_CALENDAR)),
    ):
        if flag is not None:
            conditions.append(holds if flag else not_(holds))
    if wanted.since is not None:
        conditions.append(source.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(source.at <= wanted.until)
    if wanted.email:
        conditions.append(_by_address(source, wanted.email.lower()))
    return [*conditions, *(_has_label(source, label_id) for label_id in wanted.label_ids)]


def _queries(source: Source, wanted: Wanted) -> list[tuple[str, str]]:
    """Return which words must be where (``search.find``)."""
    named = search.NAMED + (search.HIDDEN if source.own else "")
    first, second = (named, search.SENDER) if wanted.folder in {"sent", "drafts"} else (search.SENDER, named)
    asked = ((wanted.sender, first), (wanted.recipient, second), (wanted.text, search.WRITTEN + search.SENDER + named))
    return [(query, where) for query, where in asked if query.strip()]


def _has_label(source: Source, label_id: int) -> ColumnElement[bool]:
    column = labelled.c.message_id if source.own else labelled.c.recipient_id
    return source.item.c.id.in_(select(column).where(labelled.c.label_id == label_id, column.is_not(None)))


def _by_address(source: Source, email: str) -> ColumnElement[bool]:
    if source.own:
        return func.lower(source.message.c.options).contains(f'"email":"{email}"', autoescape=True)
    return func.lower(source.item.c.email) == email


def _lies_beyond(source: Source, beyond: Found, *, older: bool) -> ColumnElement[bool]:
    at, number = source.at, source.item.c.id
    if source.own == beyond.own:
        same = number < beyond.id if older else number > beyond.id
    else:
        same = true() if (source.own < beyond.own) == older else false()
    return or_(at < beyond.at if older else at > beyond.at, and_(at == beyond.at, same))


def _has_newer(dialect: str, source: Source, other: Source, conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return, in SQL, whether another item of the conversation stands in the list, and is newer."""
    m = messages.alias()
    thread = union_all(
        select(source.thread.label("id")).correlate(source.rows, source.message),
        select(m.c.id).where(m.c.thread_id == source.thread).correlate(source.rows, source.message),
    )
    same = literal(other.own > source.own) if other.own != source.own else other.item.c.id > source.item.c.id
    newer = or_(other.at > source.at, and_(other.at == source.at, same))
    by = other.item.c.id if other.own else other.item.c.message_id
    conditions = [other.is_persons, is_one_of(dialect, by, thread), newer, *conditions]
    return exists(select(literal(1)).select_from(other.rows).where(*conditions))
