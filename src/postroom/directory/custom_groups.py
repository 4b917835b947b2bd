"""Custom groups: what a person puts together to write to (wire/usos.md §4.9). Only the owner sees, changes and deletes them.

Custom groups and course groups alike can be named where a group holds others; a group that would hold itself, directly or
through others, is refused. (An import may still make a circle, and it does no harm: see ``groups.reachable``.)
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from postroom.directory import groups, references
from postroom.directory.records import Group
from postroom.directory.references import References, Resolved
from postroom.directory.values import check_line, chunks, known
from postroom.errors import Invalid, NotFound, WrongState
from postroom.storage.database import Tx
from postroom.storage.tables import group_members, users
from postroom.storage.tables import groups as group_rows

MAX_NAME: Final = 100
"""Characters of a name that a person gives."""
MAX_GROUPS: Final = 1_000
"""Groups of one person; an import may bring more."""

_COLUMNS: Final = tuple(group_rows.c[name] for name in Group.__struct_fields__)


def create(tx: Tx, owner_id: int, name: str, members: References, *, strict: bool, now: int) -> int:
    """Make a group of a person; return its number.

    Raises ``Invalid`` or ``TooLarge`` for the name, ``WrongState("custom_group_limit_exceeded")``, and for its members what
    ``references.checked`` and ``references.resolve`` do.
    """
    given = references.checked(members)
    name = check_line("name", name, MAX_NAME, required=True)
    if _count(tx, owner_id) >= MAX_GROUPS:
        raise WrongState("custom_group_limit_exceeded")
    found = references.resolve(tx, owner_id, given, strict=strict)
    number = groups.create_custom(tx, owner_id, name, now)
    _replace(tx, number, found)
    return number


def change(tx: Tx, owner_id: int, group_id: int, name: str | None, members: References, *, strict: bool, now: int) -> None:
    """Give a group another name, and replace each list of ``members`` that is given; ``None`` leaves a thing as it is.

    Raises ``NotFound("own_group", id)``, ``Invalid("custom_group_ids", …)`` for a group that would hold itself, and as ``create`` does.
    """
    given = references.checked(members)
    values: dict[str, object] = {"modified_at": now}
    if name is not None:
        values["name"] = check_line("name", name, MAX_NAME, required=True)
    # One change of a person's groups at a time: two at once could make a circle that neither of them sees.
    tx.execute(select(users.c.id).where(users.c.id == owner_id).with_for_update(key_share=True))
    if not owned(tx, owner_id, [group_id]):
        raise NotFound("own_group", group_id)
    found = references.resolve(tx, owner_id, given, strict=strict)
    _check_not_circular(tx, group_id, found)
    # First the row of the group, which keeps others who change or delete it waiting; they may have been quicker.
    if tx.execute(update(group_rows).where(group_rows.c.id == group_id).values(values)).rowcount == 0:
        raise NotFound("own_group", group_id)
    _replace(tx, group_id, found)


def delete_owned(tx: Tx, ids: Iterable[int]) -> None:
    """Delete groups that are ``owned``; whatever held them holds them no more."""
    for chunk in chunks(ids):
        tx.execute(delete(group_rows).where(group_rows.c.id.in_(chunk)))


def owned(tx: Tx, owner_id: int, ids: Iterable[int]) -> list[int]:
    """Return those of ``ids`` that are custom groups of this person, each once, in the order given."""
    wanted = list(known(ids))
    found = groups.by_ids(tx, wanted)
    return [number for number in wanted if number in found and found[number].kind == "custom" and found[number].owner_id == owner_id]


def of_owner(tx: Tx, owner_id: int) -> list[Group]:
    """Return the custom groups of a person, oldest first."""
    own = select(*_COLUMNS).where(group_rows.c.owner_id == owner_id, group_rows.c.kind == "custom").order_by(group_rows.c.id)
    return [Group(**row._asdict()) for row in tx.execute(own)]


def _count(tx: Tx, owner_id: int) -> int:
    own = select(func.count()).select_from(group_rows).where(group_rows.c.owner_id == owner_id, group_rows.c.kind == "custom")
    return int(tx.execute(own).scalar_one())


def _check_not_circular(tx: Tx, group_id: int, found: Resolved) -> None:
    held = [*(found.primary_groups or ()), *(found.custom_groups or ())]
    if not held:
        return
    reached = groups.reachable(select(group_rows.c.id).where(group_rows.c.id.in_(held)))
    if tx.execute(select(reached.c.id).where(reached.c.id == group_id)).first() is not None:
        raise Invalid("custom_group_ids", "the group would hold itself")


def _replace(tx: Tx, group_id: int, found: Resolved) -> None:
    """Make what was found the members of a group, list by list; ``None`` leaves a part as it is."""
    kept = group_members.c
    _replace_part(tx, group_id, _of_kinds("primary"), "subgroup_id", found.primary_groups)
    _replace_part(tx, group_id, _of_kinds("custom", "course"), "subgroup_id", found.custom_groups)
    _replace_part(tx, group_id, kept.user_id.is_not(None), "user_id", found.people)
    _replace_part(tx, group_id, kept.email.is_not(None), "email", found.emails)


def _of_kinds(*kinds: str) -> ColumnElement[bool]:
    return group_members.c.subgroup_id.in_(select(group_rows.c.id).where(group_rows.c.kind.in_(kinds)))


def _replace_part(tx: Tx, group_id: int, part: ColumnElement[bool], column: str, values: Sequence[int] | Sequence[str] | None) -> None:
    if values is None:
        return
    tx.execute(delete(group_members).where(group_members.c.group_id == group_id, part))
    if values:
        tx.execute(insert(group_members), [{"group_id": group_id, column: value} for value in values])
