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
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    and_,
    any_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from postroom.directory.values import LARGEST_ID, chunks
from postroom.errors import NotFound
from postroom.messages import search
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import STANDS_IN_INBOX, attachments, labelled, messages, recipients, user_folders

FolderName = Literal["sending", "inbox", "sent", "drafts", "trash", "spam", "own", "templates"]

COUNTED: Final = 1_000
"""Items beyond the page up to which a list is counted that has more conditions than its folder."""

_IS_TEMPLATE: Final = '"is_template":true'
"""What the options of a template hold (``letter_records``), and those of no draft: within a text the quotes are escaped."""
_LARGEST_LINE: Final = 2**62
_CALENDAR: Final = '"calendar":{'


Conversation = tuple[int, str | None, int | None]
"""A thread, and the place and folder where the person has what there is of it."""


class Key(NamedTuple):
    """Which item: the number of a message of one's own, or that of the line by which one came."""

    own: bool
    id: int


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


class _Source(NamedTuple):
    """One of the two kinds of items, under names of its own."""

    own: bool
    item: FromClause
    """The table whose rows they are, and that of their messages."""
    message: FromClause
    at: ColumnElement[int]
    rows: FromClause
    is_persons: ColumnElement[bool]
    is_persons_by_number: ColumnElement[bool]
    """The same in words that keep planners from reading all of a mailbox by date, where the numbers of a few messages are known."""

    @property
    def thread(self) -> ColumnElement[int]:
        return func.coalesce(self.message.c.thread_id, self.message.c.id)

    @property
    def done(self) -> ColumnElement[bool]:
        return self.message.c.sent_at.is_not(None)

    @property
    def stays(self) -> ColumnElement[bool]:
        """Whether the person has it still: the trash is not the end."""
        return or_(self.item.c.deleted_at.is_(None), self.item.c.place.is_not(None))

    def where(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """Select items as ``Found`` has them."""
        columns = (
            self.at.label("at"),
            literal(self.own).label("own"),
            self.item.c.id.label("id"),
            self.message.c.id.label("message_id"),
            self.thread.label("thread_id"),
            self.item.c.place.label("place"),
            self.item.c.folder_id.label("folder_id"),
            self.done.label("done"),
        )
        return select(*columns).select_from(self.rows).where(self.is_persons, *conditions)

    def first(self, conditions: list[ColumnElement[bool]], count: int, *, oldest_first: bool) -> Select[Any]:
        """Select the first items by date."""
        order = [column.asc() if oldest_first else column.desc() for column in (self.at, self.item.c.id)]
        return select(self.where(*conditions).order_by(*order).limit(count).subquery())

    def counted(self, conditions: list[ColumnElement[bool]], most: int | None) -> ColumnElement[int]:
        """Count items, at most so many; without a bound by conditions about the items alone."""
        if most is None:
            return select(func.count()).select_from(self.item).where(self.is_persons, *conditions).scalar_subquery()
        bounded = select(literal(1).label("one")).select_from(self.rows).where(self.is_persons, *conditions)
        return select(func.count()).select_from(bounded.limit(most).subquery()).scalar_subquery()


_List = tuple[_Source, list[ColumnElement[bool]]]


def page(tx: Tx, user_id: int, wanted: Wanted, start: int, limit: int) -> tuple[list[Found], int]:
    """Return ``limit`` items of a list from the ``start``-th on, and how many there are: exactly, or up to 1,000 behind this page.

    Two statements, and one for each query of words and kind of items.
    """
    start = min(max(start, 0), LARGEST_ID)
    lists = _lists(tx, user_id, wanted)
    most = None if wanted.is_plain else start + limit + COUNTED
    total = tx.execute(select(*(source.counted(conditions, most) for source, conditions in lists))).one()
    return _ordered(tx, lists, start, limit, oldest_first=wanted.oldest_first), sum(total)


def first(tx: Tx, user_id: int, wanted: Wanted, limit: int) -> list[Found]:
    """Return the first items of a list. One statement, and one for each query of words and kind of items."""
    return _ordered(tx, _lists(tx, user_id, wanted), 0, limit, oldest_first=wanted.oldest_first)


def beside(tx: Tx, user_id: int, wanted: Wanted, key: Key, *, before: bool = False) -> Key | None:
    """Return the item behind one in a list, or the one before; ``None`` at its end. Two statements. Raises ``NotFound("message", …)``."""
    found = _beyond(tx, user_id, wanted, get(tx, user_id, key), before=before, limit=1, heads_only=False)
    return found[0].key if found else None


def heads(tx: Tx, user_id: int, wanted: Wanted, limit: int, beyond: Found | None = None, *, before: bool = False) -> list[Found]:
    """Return the newest item of each conversation in a list: of those behind an item, or before it, the ``limit`` nearest.

    A conversation is what a person has of a thread. One statement.
    """
    return _beyond(tx, user_id, wanted, beyond, before=before, limit=limit, heads_only=True)


def get(tx: Tx, user_id: int, key: Key) -> Found:
    """Return an item, wherever the person has it. Raises ``NotFound("message", key)``."""
    for found in find(tx, user_id, [key]):
        return found
    raise NotFound("message", key)


def find(tx: Tx, user_id: int, keys: Iterable[Key]) -> list[Found]:
    """Return those of the items that the person has, wherever they are; two statements for each 500."""
    found = []
    for chunk in chunks(dict.fromkeys(keys)):
        for source in _sources(user_id):
            largest = LARGEST_ID if source.own else _LARGEST_LINE
            numbers = [key.id for key in chunk if key.own == source.own and 0 < key.id <= largest]
            if numbers:
                found += _read(tx, source.where(source.item.c.id.in_(numbers), source.stays))
    return found


def lines_of(tx: Tx, user_id: int, message_ids: Iterable[int]) -> dict[int, Key]:
    """Return by which item messages came to a person, wherever it is; a statement for each 500."""
    source, _ = _sources(user_id)
    found: dict[int, Key] = {}
    for chunk in chunks(message_ids):
        found |= {one.message_id: one.key for one in _read(tx, source.where(source.message.c.id.in_(chunk), source.stays))}
    return found


def conversation(tx: Tx, user_id: int, key: Key, limit: int) -> list[Found]:
    """Return what a person has of the thread of an item, oldest first; of a long one the newest ``limit``. Three statements.

    What came and what was sent stand together; what lies in the trash, among spam or in a folder of one's own stands with its like alone,
    and a draft by itself (contract §1b). Raises ``NotFound("message", key)``.
    """
    one = get(tx, user_id, key)
    return _ordered(tx, [(source, [_alike(source, one)]) for source in _sources(user_id)], 0, limit, oldest_first=False)[::-1]


def conversations(tx: Tx, user_id: int, keys: Iterable[Key]) -> list[Found]:
    """Return all items of the conversations of those items that the person has; two statements for each conversation."""
    found: dict[Key, Found] = {}
    for one in find(tx, user_id, keys):
        if one.key not in found:
            for source in _sources(user_id):
                found |= {each.key: each for each in _read(tx, source.where(_alike(source, one)))}
    return list(found.values())


def summaries(tx: Tx, user_id: int, found: Iterable[Found]) -> dict[Conversation, Summary]:
    """Sum up the conversations of some items; four statements for each 500."""
    plain.plan_anew(tx)
    sums: dict[Conversation, Summary] = {}
    for chunk in chunks(sorted({one.thread_id for one in found})):
        for source in _sources(user_id):
            group = (source.thread, source.item.c.place, source.item.c.folder_id)
            flags = (is_unread(source.own, source.item), source.item.c.important, has_files(source.message.c.id))
            within = source.where(source.message.c.id.in_(_messages_of(chunk)), source.stays, source.done)
            counted = within.with_only_columns(*group, func.count(), *(func.sum(case((flag, 1), else_=0)) for flag in flags))
            for thread, place, folder_id, count, unread, important, files in tx.execute(counted.group_by(*group)):
                sums.setdefault((thread, place, folder_id), Summary()).add(count, int(unread), bool(important), bool(files))
            column = labelled.c.message_id if source.own else labelled.c.recipient_id
            marked = within.with_only_columns(*group, labelled.c.label_id).join(labelled, column == source.item.c.id)
            for thread, place, folder_id, label_id in tx.execute(marked.distinct()):
                sums[thread, place, folder_id].label_ids.add(label_id)
    return sums


def put_away(user_id: int) -> CompoundSelect[Any]:
    """Select what a person has put elsewhere, to be counted: ``folder``, ``folder_id``, ``thread_id``, ``at``, ``unread``, ``done``."""
    f = user_folders.c
    own_folders = select(f.id).where(f.user_id == user_id)
    every = []
    for source in _sources(user_id):
        item = source.item.c
        filed = and_(item.folder_id.in_(own_folders), item.deleted_at.is_(None))
        for folder, condition in ((item.place, item.place.is_not(None)), (literal("own"), filed)):
            columns = (folder.label("folder"), item.folder_id, source.thread.label("thread_id"), source.at.label("at"))
            flags = (is_unread(source.own, source.item).label("unread"), source.done.label("done"))
            every.append(source.where(condition).with_only_columns(*columns, *flags))
    return union_all(*every)


def written(user_id: int) -> CompoundSelect[Any]:
    """Select what a person has written and not put elsewhere, with the columns of ``put_away``; indexes hold all that this takes."""
    every = []
    pairs: tuple[tuple[FolderName, FolderName], ...] = (("sent", "sending"), ("drafts", "templates"))
    for folder, other in pairs:
        (source,) = _sources(user_id, folder)
        item = source.item.c
        named = case((_homes(source)[other], other), else_=folder).label("folder")
        done = true() if folder == "sent" else false()
        columns = (named, null().label("folder_id"), source.thread.label("thread_id"), source.at.label("at"))
        at_home = source.where(item.deleted_at.is_(None), item.folder_id.is_(None))
        every.append(at_home.with_only_columns(*columns, false().label("unread"), done.label("done")))
    return union_all(*every)


def inbox(user_id: int) -> Select[Any]:
    """Count what stands in the inbox: ``messages``, ``unread_messages``, ``conversations``, ``unread_conversations``, ``newest_at``.

    Conversations are counted by the lines that stand for their threads (``threads``), which an index has. Those that stand for theirs in a
    folder of one's own count only if there is something of their thread in the inbox, too.
    """
    (source,) = _sources(user_id, "inbox")
    item = source.item.c
    at_home = and_(source.is_persons, item.deleted_at.is_(None), item.folder_id.is_(None))
    unread = item.read_at.is_(None)
    standing = select(func.count()).where(recipients.c.user_id == user_id, STANDS_IN_INBOX).scalar_subquery()
    own_folders = select(user_folders.c.id).where(user_folders.c.user_id == user_id)
    filed = select(func.coalesce(messages.c.thread_id, messages.c.id).label("thread_id")).join(recipients)
    elsewhere = filed.where(recipients.c.user_id == user_id, STANDS_IN_INBOX, recipients.c.folder_id.in_(own_folders)).subquery()
    m = messages.alias()
    others = select(m.c.id).where(m.c.thread_id == elsewhere.c.thread_id).correlate(elsewhere)
    numbers = union_all(select(elsewhere.c.thread_id).correlate(elsewhere), others)
    here = exists().select_from(source.item).where(source.is_persons_by_number, at_home, item.message_id.in_(numbers))
    away = select(func.count()).select_from(elsewhere).where(not_(here)).scalar_subquery()
    within = select(func.count(source.thread.distinct())).select_from(source.rows).where(at_home, unread).scalar_subquery()
    columns = (
        func.count().label("messages"),
        func.sum(case((unread, 1), else_=0)).label("unread_messages"),
        (standing - away).label("conversations"),
        within.label("unread_conversations"),
        func.max(item.received_at).label("newest_at"),
    )
    return select(*columns).select_from(source.item).where(at_home)


def is_unread(own: bool, item: FromClause) -> ColumnElement[bool]:  # noqa: FBT001 - as sources have it
    """Return, in SQL, whether an item is unread: never one that oneself wrote."""
    return false() if own else item.c.read_at.is_(None)


def _beyond(tx: Tx, user_id: int, wanted: Wanted, beyond: Found | None, *, before: bool, limit: int, heads_only: bool) -> list[Found]:
    older = wanted.oldest_first == before
    lists = _lists(tx, user_id, wanted)
    if heads_only and wanted.has_words:
        found = _newest_of_threads(tx, lists, beyond, older=older, limit=limit)
        return found[::-1] if before else found
    others = _lists(tx, user_id, wanted) if heads_only else []
    for source, conditions in lists:
        conditions += [not_(_has_newer(tx.dialect.name, source, other, where)) for other, where in others]
        if beyond is not None:
            conditions.append(_lies_beyond(source, beyond, older=older))
    found = _ordered(tx, lists, 0, limit, oldest_first=not older)
    return found[::-1] if before else found


def _newest_of_threads(tx: Tx, lists: list[_List], beyond: Found | None, *, older: bool, limit: int) -> list[Found]:
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
    return _read(tx, heads.order_by(*(column.desc() if older else column.asc() for column in by)).limit(limit))


def _ordered(tx: Tx, lists: list[_List], start: int, limit: int, *, oldest_first: bool) -> list[Found]:
    """Read a page of two lists put together, each of which an index has in order."""
    parts = [source.first(where, start + limit, oldest_first=oldest_first) for source, where in lists]
    together = (parts[0] if len(parts) == 1 else union_all(*parts)).subquery()
    by = (together.c.at, together.c.own, together.c.id)
    order = [column.asc() if oldest_first else column.desc() for column in by]
    return _read(tx, select(together).order_by(*order).offset(start).limit(limit))


def _read(tx: Tx, statement: Select[Any]) -> list[Found]:
    plain.plan_anew(tx)
    return [Found(*row) for row in tx.execute(statement)]


def _sources(user_id: int, folder: FolderName | None = None) -> list[_Source]:
    """Return the kinds of items that stand in a folder, or anywhere."""
    r, m, o = recipients.alias(), messages.alias(), messages.alias()
    came = and_(r.c.user_id == user_id, r.c.received_at.is_not(None))
    one_came = and_(r.c.user_id == user_id, func.coalesce(r.c.received_at, 0) > 0)
    received = _Source(False, r, m, r.c.received_at, r.join(m, m.c.id == r.c.message_id), came, one_came)
    wrote = o.c.author_id == user_id
    was_sent = and_(wrote, o.c.sent_at.is_not(None))
    if folder == "inbox":
        return [received]
    if folder in {"sending", "sent"}:  # in an index by this date alone
        return [_Source(True, o, o, o.c.sent_at, o, was_sent, and_(wrote, func.coalesce(o.c.sent_at, 0) > 0))]
    if folder in {"drafts", "templates"}:
        unsent = and_(wrote, o.c.letter, o.c.sent_at.is_(None))
        return [_Source(True, o, o, o.c.modified_at, o, unsent, unsent)]
    kept = and_(wrote, or_(o.c.letter, o.c.sent_at.is_not(None)))
    own = _Source(True, o, o, func.coalesce(o.c.sent_at, o.c.modified_at), o, kept, kept)
    return [received, own]


def _homes(source: _Source) -> dict[str, ColumnElement[bool]]:
    """Return which items stand where as long as nobody puts them elsewhere."""
    if not source.own:
        return {"inbox": true()}
    m = source.message.c
    is_template, pending = m.options.contains(_IS_TEMPLATE, autoescape=True), m.status == "pending"
    return {
        "sending": and_(m.sent_at.is_not(None), pending),
        "sent": and_(m.sent_at.is_not(None), not_(pending)),
        "drafts": and_(m.sent_at.is_(None), not_(is_template)),
        "templates": and_(m.sent_at.is_(None), is_template),
    }


def _place(source: _Source, wanted: Wanted) -> ColumnElement[bool]:
    item = source.item.c
    match wanted.folder:
        case "trash" | "spam":
            return item.place == wanted.folder
        case "own":
            within = item.folder_id.is_not(None) if wanted.folder_id is None else item.folder_id == wanted.folder_id
            return and_(within, item.deleted_at.is_(None))
        case _:
            return and_(item.deleted_at.is_(None), item.folder_id.is_(None), _homes(source).get(wanted.folder, false()))


def _lists(tx: Tx, user_id: int, wanted: Wanted) -> list[_List]:
    """Return where the items of a list are, and on which conditions."""
    plain.plan_anew(tx)
    lists = []
    for source in _sources(user_id, wanted.folder):
        by = source.item.c.id if source.own else source.item.c.message_id
        fitting = [search.is_among(tx, by, search.find(tx, user_id, query, where)) for query, where in _queries(source, wanted)]
        searched = source._replace(is_persons=source.is_persons_by_number) if fitting else source
        lists.append((searched, [*_conditions(source, wanted), *fitting]))
    return lists


def _conditions(source: _Source, wanted: Wanted) -> list[ColumnElement[bool]]:
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


def _queries(source: _Source, wanted: Wanted) -> list[tuple[str, str]]:
    """Return which words must be where (``search.find``)."""
    named = search.NAMED + (search.HIDDEN if source.own else "")
    first, second = (named, search.SENDER) if wanted.folder in {"sent", "drafts"} else (search.SENDER, named)
    asked = ((wanted.sender, first), (wanted.recipient, second), (wanted.text, search.WRITTEN + search.SENDER + named))
    return [(query, where) for query, where in asked if query.strip()]


def has_files(message_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return, in SQL, whether a message has files."""
    return exists().where(attachments.c.message_id == message_id, attachments.c.revoked_at.is_(None))


def _has_label(source: _Source, label_id: int) -> ColumnElement[bool]:
    column = labelled.c.message_id if source.own else labelled.c.recipient_id
    return source.item.c.id.in_(select(column).where(labelled.c.label_id == label_id, column.is_not(None)))


def _by_address(source: _Source, email: str) -> ColumnElement[bool]:
    if source.own:
        return func.lower(source.message.c.options).contains(f'"email":"{email}"', autoescape=True)
    return func.lower(source.item.c.email) == email


def _messages_of(thread_ids: Iterable[int]) -> CompoundSelect[Any]:
    """Select the messages of threads; in two steps, which indexes serve."""
    m = messages.alias()
    return union_all(select(m.c.id).where(m.c.id.in_(thread_ids)), select(m.c.id).where(m.c.thread_id.in_(thread_ids)))


def _alike(source: _Source, one: Found) -> ColumnElement[bool]:
    """Return, in SQL, whether an item stands in the same conversation as another one."""
    if not one.done:
        return and_(literal(source.own == one.own), source.item.c.id == one.id)
    at_place = [
        column.is_(None) if value is None else column == value
        for column, value in ((source.item.c.place, one.place), (source.item.c.folder_id, one.folder_id))
    ]
    return and_(source.message.c.id.in_(_messages_of([one.thread_id])), *at_place, source.stays, source.done)


def _lies_beyond(source: _Source, beyond: Found, *, older: bool) -> ColumnElement[bool]:
    at, number = source.at, source.item.c.id
    if source.own == beyond.own:
        same = number < beyond.id if older else number > beyond.id
    else:
        same = true() if (source.own < beyond.own) == older else false()
    return or_(at < beyond.at if older else at > beyond.at, and_(at == beyond.at, same))


def _has_newer(dialect: str, source: _Source, other: _Source, conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return, in SQL, whether another item of the conversation stands in the list, and is newer."""
    m = messages.alias()
    thread = union_all(
        select(source.thread.label("id")).correlate(source.rows, source.message),
        select(m.c.id).where(m.c.thread_id == source.thread).correlate(source.rows, source.message),
    )
    same = literal(other.own > source.own) if other.own != source.own else other.item.c.id > source.item.c.id
    at = func.coalesce(other.at, 0)  # so that no planner takes an index by date for it: there are few items of a thread
    newer = or_(at > source.at, and_(at == source.at, same))
    by = other.item.c.id if other.own else other.item.c.message_id
    # As an array, so that PostgreSQL looks each up, instead of reading all of the person's messages first.
    within = by == any_(func.array(thread.scalar_subquery())) if dialect == "postgresql" else by.in_(thread)
    return exists(select(literal(1)).select_from(other.rows).where(other.is_persons_by_number, within, newer, *conditions))
