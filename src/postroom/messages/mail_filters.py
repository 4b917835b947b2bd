"""Filters: what a person wants to be done with messages of their mailbox by themselves, as they come and once they are sent.

Here they are kept, and messages are noted that they have to look at; what becomes of these is decided in ``filtering``.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import and_, delete, exists, insert, null, select, update

from postroom.directory.inserting import insert_into
from postroom.directory.values import LARGEST_ID, one_line
from postroom.errors import NotFound, TooLarge
from postroom.messages.item_sources import FolderName
from postroom.messages.texts import check_line
from postroom.storage.database import Tx
from postroom.storage.tables import due_filters, mail_filters, messages, recipients, users

Place = Literal["from", "to_or_cc", "to", "cc", "subject"]
Test = Literal["matches", "not_matches", "contains", "not_contains"]
Deed = Literal["remove", "move", "label", "mark_important", "mark_read"]

MAX_NAME: Final = 64
"""Characters; longer names are cut."""
MAX_FILTERS: Final = 200
"""Filters of one person."""
MAX_CONDITIONS: Final = 100
"""Conditions, and actions, of one filter."""
MAX_VALUE: Final = 200

_f: Final = mail_filters.c
_r: Final = recipients.c
_m: Final = messages.c


class Condition(Struct, frozen=True, kw_only=True):
    """What must hold of a message: something in one of its headers, in any case of letters."""

    place: Place
    test: Test
    value: str


class Action(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be done with a message."""

    deed: Deed
    folder: FolderName = "own"
    """Where to move it, as the next."""
    folder_id: int = 0
    label_id: int = 0


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which messages a filter is for, and what it does with them."""

    conditions: tuple[Condition, ...] = ()
    """Without any it is for all."""
    combined: Literal["single", "all", "any"] = "single"
    """Whether all conditions must hold, or any; ``single`` is all, for programs that tell it apart."""
    actions: tuple[Action, ...] = ()
    folders: tuple[FolderName, ...] = ("inbox",)
    """Where messages must stand."""
    account_ids: tuple[int, ...] = ()
    """By which of the person's addresses they came or went (``mail_accounts``); empty: any."""
    with_files: bool | None = None
    is_last: bool = False
    """Whether no filter behind this one looks at a message that this one was for."""


class NewFilter(Struct, frozen=True, kw_only=True):
    """A filter as its owner wants it."""

    name: str = ""
    position: int = 0
    """They act in this order."""
    enabled: bool = True
    rule: Rule


class Filter(NewFilter, frozen=True, kw_only=True):
    """A filter that is there."""

    id: int


def of_person(tx: Tx, user_id: int) -> list[Filter]:
    """Return the filters of a person, in the order in which they act. One statement."""
    return of_people(tx, [user_id]).get(user_id, [])


def of_people(tx: Tx, user_ids: Sequence[int]) -> dict[int, list[Filter]]:
    """Return the filters of at most 500 people; whoever has none is missing. One statement."""
    found: dict[int, list[Filter]] = {}
    for row in tx.execute(select(mail_filters).where(_f.user_id.in_(user_ids)).order_by(_f.position, _f.id)):
        rule = msgspec.json.decode(row.rule, type=Rule)
        one = Filter(id=row.id, name=row.name, position=row.position, enabled=row.enabled, rule=rule)
        found.setdefault(row.user_id, []).append(one)
    return found


def get(tx: Tx, user_id: int, filter_id: int) -> Filter:
    """Return a filter of a person's. Raises ``NotFound("filter", id)``."""
    for one in of_person(tx, user_id):
        if one.id == filter_id:
            return one
    raise NotFound("filter", filter_id)


def check(rule: Rule) -> None:
    """Check a rule. Raises ``Invalid`` and ``TooLarge`` for what none can be: ``conditions``, ``actions``, ``mailboxes`` or ``value``."""
    for name, many in (("conditions", rule.conditions), ("actions", rule.actions), ("mailboxes", rule.account_ids)):
        if len(many) > MAX_CONDITIONS:
            raise TooLarge(name, MAX_CONDITIONS)
    for condition in rule.conditions:
        check_line("value", condition.value, MAX_VALUE)


def create(tx: Tx, user_id: int, new: NewFilter) -> Filter:
    """Make a filter.

    Raises ``Invalid`` and ``TooLarge`` for what it cannot be: ``name``, ``conditions``, ``actions``, ``value`` or ``filters``.
    """
    values = _checked(new)
    # Of two that make one at once, the second sees what the first has made.
    tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    if len(of_person(tx, user_id)) >= MAX_FILTERS:
        raise TooLarge("filters", MAX_FILTERS)
    number = tx.execute(insert(mail_filters).values(user_id=user_id, **values).returning(_f.id)).scalar_one()
    return get(tx, user_id, number)


def change(tx: Tx, user_id: int, filter_id: int, new: NewFilter) -> Filter:
    """Make another one of a filter. Raises as ``create``, and ``NotFound("filter", id)``."""
    values = _checked(new)
    get(tx, user_id, filter_id)
    tx.execute(update(mail_filters).where(_f.id == filter_id).values(values))
    return get(tx, user_id, filter_id)


def remove(tx: Tx, user_id: int, filter_id: int) -> None:
    """Take a filter away; one that the person has not got is gone already."""
    number = min(max(filter_id, 0), LARGEST_ID)
    tx.execute(delete(mail_filters).where(_f.id == number, _f.user_id == user_id))


def await_arrivals(tx: Tx, message_id: int) -> None:
    """Let the worker look at a message with everybody who has it in the inbox and has filters; one statement."""
    came = and_(_r.message_id == message_id, _r.received_at.is_not(None))
    wanted = exists().where(_f.user_id == _r.user_id, _f.enabled)
    tx.execute(insert(due_filters).from_select(["recipient_id"], select(_r.id).where(came, wanted)))


def await_sent(tx: Tx, message_ids: Sequence[int]) -> None:
    """Let the worker look at messages, at most 500, with their authors, if they have filters; one statement."""
    wanted = exists().where(_f.user_id == _m.author_id, _f.enabled)
    done = select(_m.id, null()).where(_m.id.in_(message_ids), wanted)
    tx.execute(insert_into(tx, due_filters).from_select(["message_id", "recipient_id"], done).on_conflict_do_nothing())


def _checked(new: NewFilter) -> dict[str, Any]:
    check(new.rule)
    name = one_line(new.name[:MAX_NAME], MAX_NAME)
    rule = msgspec.json.encode(new.rule).decode()
    return {"name": name, "position": max(new.position, 0), "enabled": new.enabled, "rule": rule}
