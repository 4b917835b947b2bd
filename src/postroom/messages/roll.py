"""The roll of a message: who exactly gets it, one row for each recipient, frozen by sending.

A roll is made out of the audience in one statement, whatever its size: the groups reachable from the audience, the people
and bare addresses in them, their chosen addresses, merged. It holds, in this order:

1. every active person once, however often reached, by number; without an address (``email`` null) if the chosen source has none;
2. every bare address once, compared regardless of case, unless it is the chosen address of a person on the roll.

Two people who share an address both stand there: each is somebody to account for.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Insert, and_, delete, func, insert, literal, null, select, union, union_all, update

from postroom.directory import groups
from postroom.directory.values import LARGEST_ID, chunks, known
from postroom.errors import WrongState
from postroom.messages import drafts
from postroom.messages.records import EmailSource, Message, Recipient, RollCounts, State
from postroom.storage import advisory
from postroom.storage.database import Tx
from postroom.storage.tables import audience, group_members, messages, recipients, users

_COLUMNS: Final = tuple(recipients.c[name] for name in Recipient.__struct_fields__)
_LOCK_CLASS: Final = 0x526F6C6C
"""Name space of our advisory locks on PostgreSQL: 'Roll'."""


def refresh(tx: Tx, author_id: int, message_id: int, email_source: EmailSource, now: int, *, expected_version: int | None = None) -> None:
    """Make the roll of a draft anew out of its audience, with addresses from ``email_source`` (USOS ``refresh_recipients``).

    Raises ``NotFound("message", id)``, ``WrongState("draft_required")``, and ``WrongState("recipients_group_modified")``
    when the audience is not at ``expected_version``, or changes while the roll is being made (PostgreSQL): then the old roll stays.

    On PostgreSQL refreshes of one message exclude each other by an advisory lock; the row of the message is locked only at the
    end, by the conditional update, and the rows of the old roll after that. Everybody else locks the row of the message before its
    recipients too, so there is one order of locks, and no deadlock; changing the audience need not wait for a long refresh.
    """
    _exclude_others(tx, message_id)
    draft = drafts.check_draft(drafts.get(tx, author_id, message_id))
    if expected_version is not None and expected_version != draft.audience_version:
        raise WrongState("recipients_group_modified")
    last = tx.execute(select(func.max(recipients.c.id)).where(recipients.c.message_id == message_id)).scalar_one()
    tx.execute(_new_roll(message_id, email_source))
    _take_over(tx, draft, now)
    if last is not None:
        tx.execute(delete(recipients).where(recipients.c.message_id == message_id, recipients.c.id <= last))


def counts(tx: Tx, message_ids: Iterable[int]) -> dict[int, RollCounts]:
    """Return the sizes of the rolls of all these messages, without copies to oneself; one query for 500 messages."""
    found = dict.fromkeys(message_ids, RollCounts(recipients=0, emails=0))
    for chunk in chunks(known(found)):
        rows = tx.execute(
            select(recipients.c.message_id, func.count(), func.count(recipients.c.email))
            .where(recipients.c.message_id.in_(chunk), recipients.c.role != "self")
            .group_by(recipients.c.message_id)
        )
        found.update({number: RollCounts(recipients=people, emails=emails) for number, people, emails in rows})
    return found


def page(tx: Tx, message_id: int, after_id: int | None, limit: int, *, include_self: bool = False) -> list[Recipient]:
    """Return at most ``limit`` lines of a roll in its order: those after the line ``after_id`` (``None``: from the beginning)."""
    statement = select(*_COLUMNS).where(recipients.c.message_id == message_id).order_by(recipients.c.id).limit(limit)
    if after_id is not None:
        statement = statement.where(recipients.c.id > after_id)
    if not include_self:
        statement = statement.where(recipients.c.role != "self")
    return [Recipient(**row._asdict()) for row in tx.execute(statement)]


def state_counts(tx: Tx, message_id: int, *, include_self: bool = False) -> dict[State, int]:
    """Return how many recipients are in each state that occurs; without the copy to oneself they add up to the roll."""
    statement = select(recipients.c.state, func.count()).where(recipients.c.message_id == message_id).group_by(recipients.c.state)
    if not include_self:
        statement = statement.where(recipients.c.role != "self")
    return {state: count for state, count in tx.execute(statement)}  # noqa: C416 - dict() of rows loses the types


def _exclude_others(tx: Tx, message_id: int) -> None:
    """Wait for another refresh of this message to end."""
    if 0 < message_id <= LARGEST_ID:
        advisory.lock(tx, _LOCK_CLASS, [message_id])


def _take_over(tx: Tx, draft: Message, now: int) -> None:
    """Declare the new roll valid, if the message is still as it was when its audience was read."""
    values = {"roll_version": draft.audience_version, "roll_refreshed_at": now, "modified_at": now}
    unchanged = and_(messages.c.status == "draft", messages.c.audience_version == draft.audience_version)
    done = tx.execute(update(messages).where(messages.c.id == draft.id, unchanged).values(values))
    if done.rowcount != 1:
        raise WrongState("recipients_group_modified")


def _new_roll(message_id: int, email_source: EmailSource) -> Insert:
    """Return the one statement that expands the audience into rows."""
    own = audience.c.message_id == message_id
    reachable = groups.reachable(select(audience.c.group_id).where(own, audience.c.group_id != null()))
    persons = _persons(own, reachable, email_source)
    bare = _bare_addresses(own, reachable)
    rows = union_all(
        select(persons.c.user_id, persons.c.email, literal(0).label("rank"), persons.c.folded),
        select(null(), bare.c.email, literal(1), bare.c.folded)
        .select_from(bare.outerjoin(persons, persons.c.folded == bare.c.folded))
        .where(persons.c.user_id == null()),
    ).subquery()
    ordered = select(literal(message_id), rows.c.user_id, rows.c.email).order_by(rows.c.rank, rows.c.user_id, rows.c.folded)
    return insert(recipients).from_select(["message_id", "user_id", "email"], ordered)


def _persons(own: ColumnElement[bool], reachable: CTE, email_source: EmailSource) -> CTE:
    """Active people of the audience, each once, with the chosen address and the same folded for comparing."""
    reached = union(
        select(audience.c.user_id).where(own, audience.c.user_id != null()),
        select(group_members.c.user_id).where(group_members.c.group_id.in_(select(reachable.c.id)), group_members.c.user_id != null()),
    ).subquery()
    email = _chosen(email_source)
    return (
        select(users.c.id.label("user_id"), email.label("email"), func.lower(email).label("folded"))
        .select_from(users.join(reached, reached.c.user_id == users.c.id))
        .where(users.c.active)
        .cte("persons")
    )


def _bare_addresses(own: ColumnElement[bool], reachable: CTE) -> CTE:
    """Addresses without a person, each once."""
    given = union_all(
        select(audience.c.email).where(own, audience.c.email != null()),
        select(group_members.c.email).where(group_members.c.group_id.in_(select(reachable.c.id)), group_members.c.email != null()),
    ).subquery()
    folded = func.lower(given.c.email)
    return select(func.min(given.c.email).label("email"), folded.label("folded")).group_by(folded).cte("bare")


def _chosen(email_source: EmailSource) -> ColumnElement[Any]:
    primary, alternative = func.nullif(users.c.email, ""), func.nullif(users.c.alt_email, "")
    return {
        "primary_only": primary,
        "alt_only": alternative,
        "primary_preferred": func.coalesce(primary, alternative),
        "alt_preferred": func.coalesce(alternative, primary),
    }[email_source]
