"""The two kinds of items in SQL: lines by which messages came, and messages that a person wrote (``items`` says where they stand)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    and_,
    any_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union_all,
)

from postroom.storage.tables import attachments, messages, recipients

FolderName = Literal["sending", "inbox", "sent", "drafts", "trash", "spam", "own", "templates"]

_IS_TEMPLATE: Final = '"is_template":true'
"""What the options of a template hold (``letter_records``), and those of no draft: within a text the quotes are escaped."""


class Source(NamedTuple):
    """One of the two kinds of items, under names of its own."""

    own: bool
    item: FromClause
    """The table whose rows they are, and that of their messages."""
    message: FromClause
    at: ColumnElement[int]
    rows: FromClause
    is_persons: ColumnElement[bool]
    is_persons_by_number: ColumnElement[bool]
    """The same in words that no index by date answers."""
    has_come: ColumnElement[bool]
    """Whether it is an item at all, whoever's."""
    is_known: bool = False
    """The numbers of a few messages are known: no column may lead planners to read all of a mailbox, or of a folder, for these."""

    @property
    def place(self) -> ColumnElement[str]:
        """Whether it is in the trash or among spam."""
        return func.coalesce(self.item.c.place, "") if self.is_known else self.item.c.place

    @property
    def folder_id(self) -> ColumnElement[int]:
        """The folder of the person's own that it is in."""
        return func.coalesce(self.item.c.folder_id, 0) if self.is_known else self.item.c.folder_id

    @property
    def thread(self) -> ColumnElement[int]:
        """The number of the thread."""
        return func.coalesce(self.message.c.thread_id, self.message.c.id)

    @property
    def done(self) -> ColumnElement[bool]:
        """Whether it is neither a draft nor a template."""
        return self.message.c.sent_at.is_not(None)

    @property
    def stays(self) -> ColumnElement[bool]:
        """Whether the person has it still: the trash is not the end."""
        return or_(self.item.c.deleted_at.is_(None), self.item.c.place.is_not(None))

    def by_number(self) -> "Source":
        """Return the same, for where the numbers of a few messages are known."""
        return self._replace(is_persons=self.is_persons_by_number, at=func.coalesce(self.at, 0), is_known=True)

    def in_one_folder(self, user_id: int) -> "Source":
        """Return the same, for one folder of the person's own: planners are to read what is in it, not what the person has."""
        owner = self.item.c.author_id if self.own else self.item.c.user_id
        return self._replace(is_persons=and_(func.coalesce(owner, 0) == user_id, self.has_come))

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


def sources(user_id: int | BindParameter[int], folder: FolderName | None = None) -> list[Source]:
    """Return the kinds of items that stand in a folder, or anywhere; of a person who may be named only when a statement is executed."""
    r, m, o = recipients.alias(), messages.alias(), messages.alias()
    has_come = r.c.received_at.is_not(None)
    came = and_(r.c.user_id == user_id, has_come)
    one_came = and_(r.c.user_id == user_id, func.coalesce(r.c.received_at, 0) > 0)
    received = Source(False, r, m, r.c.received_at, r.join(m, m.c.id == r.c.message_id), came, one_came, has_come)
    wrote = o.c.author_id == user_id
    is_sent = o.c.sent_at.is_not(None)
    was_sent = and_(wrote, is_sent)
    if folder == "inbox":
        return [received]
    if folder in {"sending", "sent"}:  # in an index by this date alone
        return [Source(True, o, o, o.c.sent_at, o, was_sent, and_(wrote, func.coalesce(o.c.sent_at, 0) > 0), is_sent)]
    if folder in {"drafts", "templates"}:
        is_unsent = and_(o.c.letter, o.c.sent_at.is_(None))
        unsent = and_(wrote, is_unsent)
        return [Source(True, o, o, o.c.modified_at, o, unsent, unsent, is_unsent)]
    is_kept = or_(o.c.letter, is_sent)
    kept = and_(wrote, is_kept)
    own = Source(True, o, o, func.coalesce(o.c.sent_at, o.c.modified_at), o, kept, kept, is_kept)
    return [received, own]


def homes(source: Source) -> dict[str, ColumnElement[bool]]:
    """Return which items stand where as long as nobody puts them elsewhere."""
    if not source.own:
        return {"inbox": true()}
    m = source.message.c
    was_sent = func.coalesce(m.sent_at, 0) > 0  # as in ``is_persons_by_number``
    is_template, pending = m.options.contains(_IS_TEMPLATE, autoescape=True), m.status == "pending"
    return {
        "sending": and_(was_sent, pending),
        "sent": and_(was_sent, not_(pending)),
        "drafts": and_(m.sent_at.is_(None), not_(is_template)),
        "templates": and_(m.sent_at.is_(None), is_template),
    }


def is_unread(own: bool, item: FromClause) -> ColumnElement[bool]:  # noqa: FBT001 - as sources have it
    """Return, in SQL, whether an item is unread: never one that oneself wrote."""
    return false() if own else item.c.read_at.is_(None)


def has_files(message_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return, in SQL, whether a message has files."""
    return exists().where(attachments.c.message_id == message_id, attachments.c.revoked_at.is_(None))


def is_one_of(dialect: str, number: ColumnElement[int], few: CompoundSelect[Any]) -> ColumnElement[bool]:
    """Return, in SQL, whether a number is one of a few that are selected; an index by number answers it."""
    # As an array, so that PostgreSQL looks each up, instead of reading all of the person's messages first.
    return number == any_(func.array(few.scalar_subquery())) if dialect == "postgresql" else number.in_(few)


def messages_of(thread_ids: Iterable[int] | BindParameter[Sequence[int]]) -> CompoundSelect[Any]:
    """Select the messages of threads; in two steps, which indexes serve."""
    m = messages.alias()
    return union_all(select(m.c.id).where(m.c.id.in_(thread_ids)), select(m.c.id).where(m.c.thread_id.in_(thread_ids)))
