"""Who may write private messages to whom: ``contacts.may_write_to``, by the role of the sender.

The terms for that role, else those for ``*``, else none, say whom the sender may write to; any of them is enough. Nobody writes to
oneself, and only active people write or are written to. Whoever is beyond the rules is as if not there.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, false, or_, select, true

from postroom import contact_terms
from postroom.contact_terms import Kind, Term
from postroom.directory import names
from postroom.directory.records import Person
from postroom.directory.values import LARGEST_ID, chunks, known
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import group_members, groups, users

_COLUMNS: Final = tuple(users.c[name] for name in Person.__struct_fields__)
_OTHERS: Final = "*"


def page(  # noqa: PLR0917 - as units are called
    tx: Tx, settings: Settings, sender_id: int, start: int, limit: int, search: str = ""
) -> tuple[list[Person], bool]:
    """Return ``limit`` people whom the sender may write to, from the ``start``-th on, and whether more follow.

    They come by last name, first name and number. Of their names each word of ``search`` begins one (``names``); raises ``Invalid`` or
    ``TooLarge`` (``query``) as ``names.search`` does. Two statements.
    """
    found = _permitted(tx, settings, sender_id, *_COLUMNS)
    if search.strip():
        found = found.where(*names.called(search))
    ordered = found.order_by(users.c.last_name, users.c.first_name, users.c.id)
    rows = tx.execute(ordered.offset(min(max(start, 0), LARGEST_ID)).limit(limit + 1)).all()
    return [Person(**row._asdict()) for row in rows[:limit]], len(rows) > limit


def permitted(tx: Tx, settings: Settings, sender_id: int, ids: Iterable[int]) -> set[int]:
    """Return those of ``ids`` whom the sender may write to; two statements for up to 500."""
    statement = _permitted(tx, settings, sender_id, users.c.id)
    return {number for chunk in chunks(known(ids)) for number in tx.execute(statement.where(users.c.id.in_(chunk))).scalars()}


def _permitted(tx: Tx, settings: Settings, sender_id: int, *columns: ColumnElement[Any]) -> Select[Any]:
    sender = tx.execute(select(*_COLUMNS).where(users.c.id == sender_id, users.c.active)).one_or_none()
    allowed = [] if sender is None else _conditions(settings, Person(**sender._asdict()))
    return select(*columns).where(users.c.active, users.c.id != sender_id, or_(false(), *allowed))


def _conditions(settings: Settings, sender: Person) -> list[ColumnElement[bool]]:
    rules = settings.contacts.may_write_to
    terms = rules.get(sender.role, rules.get(_OTHERS, []))
    return [_condition(contact_terms.parse(term), settings, sender) for term in terms]


def _condition(term: Term, settings: Settings, sender: Person) -> ColumnElement[bool]:
    same_group = groups.c.id.in_(select(group_members.c.group_id).where(group_members.c.user_id == sender.id))
    conditions: dict[Kind, ColumnElement[bool]] = {
        "everyone": true(),
        "nobody": false(),
        "same_school": users.c.school == sender.school if sender.school else false(),
        "same_group": users.c.id.in_(_members().where(same_group)),
        "staff": users.c.role.in_(settings.contacts.staff_roles),
        "role": users.c.role == term.value,
        "group": users.c.id.in_(_members().where(groups.c.code == term.value)),
        "user": users.c.id == (int(term.value) if term.kind == "user" else None),
    }
    return conditions[term.kind]


def _members() -> Select[Any]:
    """Select the direct members of primary and course groups; those of custom groups are the matter of whoever made them."""
    return (
        select(group_members.c.user_id)
        .join(groups, groups.c.id == group_members.c.group_id)
        .where(groups.c.kind.in_(("primary", "course")), group_members.c.user_id.is_not(None))
    )
