"""What groups hold, one level at a time: a statement for each kind of content and for each 500 groups, whatever they hold."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, Select, and_, or_, select

from postroom.directory.records import Group, Person
from postroom.directory.values import chunks
from postroom.errors import TooLarge
from postroom.storage.database import Tx
from postroom.storage.tables import group_members, groups, users

T = TypeVar("T", bound=Struct)

Part = Literal["primary_groups", "custom_groups", "users", "emails"]

PARTS: Final[tuple[Part, ...]] = ("primary_groups", "custom_groups", "users", "emails")
"""The four kinds of members, in the words of wire/usos.md §4.9."""

_KINDS: Final[dict[Part, tuple[str, ...]]] = {"primary_groups": ("primary",), "custom_groups": ("custom", "course")}


class Contents(Struct, frozen=True):
    """Direct members of one group, in the order in which they were added."""

    primary_groups: list[Group]
    custom_groups: list[Group]
    """Custom groups of whoever looks, and course groups."""
    users: list[Person]
    """Active people."""
    emails: list[str]


def members(tx: Tx, group_ids: Collection[int], parts: Collection[Part], viewer_id: int | None, limit: int) -> dict[int, Contents]:
    """Return the direct members of each group as far as ``parts`` asks for them, other people's custom groups left out.

    ``viewer_id``: who looks. Raises ``TooLarge("fields", limit)`` when all together have more than ``limit``.
    """
    found = {number: Contents([], [], [], []) for number in group_ids}
    for row in _bounded(tx, _members(parts, viewer_id), group_members.c.group_id, found, limit):
        content = found[row.holder_id]
        if row.email is not None:
            content.emails.append(row.email)
        elif row.user_id is not None:
            content.users.append(_record(row, "user", Person))
        else:
            group = _record(row, "group", Group)
            (content.primary_groups if group.kind == "primary" else content.custom_groups).append(group)
    return found


def children(tx: Tx, group_ids: Collection[int], limit: int) -> dict[int, list[Group]]:
    """Return the groups just below each in the tree of primary groups, by code. Raises ``TooLarge`` as ``members`` does."""
    found: dict[int, list[Group]] = {number: [] for number in group_ids}
    columns = (groups.c[name] for name in Group.__struct_fields__)
    for row in _bounded(tx, select(*columns).order_by(groups.c.parent_id, groups.c.code), groups.c.parent_id, found, limit):
        found[row.parent_id].append(Group(**row._asdict()))
    return found


def _bounded(tx: Tx, rows: Select[Any], key: ColumnElement[int], group_ids: Iterable[int], limit: int) -> Iterator[Row[Any]]:
    left = limit
    for chunk in chunks(group_ids):
        some = tx.execute(rows.where(key.in_(chunk)).limit(left + 1)).all()
        left -= len(some)
        if left < 0:
            raise TooLarge("fields", limit)
        yield from some


def _members(parts: Collection[Part], viewer_id: int | None) -> Select[Any]:
    columns = [group_members.c.group_id.label("holder_id"), group_members.c.email]
    columns += [users.c[name].label(f"user_{name}") for name in Person.__struct_fields__]
    columns += [groups.c[name].label(f"group_{name}") for name in Group.__struct_fields__]
    wanted: list[ColumnElement[bool]] = []
    if "emails" in parts:
        wanted.append(group_members.c.email.is_not(None))
    if "users" in parts:
        wanted.append(users.c.active)
    visible = or_(groups.c.kind != "custom", groups.c.owner_id == viewer_id)
    wanted += [and_(groups.c.kind.in_(kinds), visible) for part, kinds in _KINDS.items() if part in parts]
    joined = group_members.outerjoin(users, users.c.id == group_members.c.user_id)
    joined = joined.outerjoin(groups, groups.c.id == group_members.c.subgroup_id)
    return select(*columns).select_from(joined).where(or_(*wanted)).order_by(group_members.c.group_id, group_members.c.id)


def _record(row: Row[Any], prefix: str, kind: type[T]) -> T:
    return kind(**{name: getattr(row, f"{prefix}_{name}") for name in kind.__struct_fields__})
