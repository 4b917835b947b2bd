"""Groups: the tree of primary groups, people's own custom groups, course groups; their members, and who is reached through them.

A member is a person, another group of any kind, or a bare address. Groups may hold one another in a circle; only the tree
of primary groups cannot, since the code of each is longer than that of its parent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import CTE, Select, select, union_all

from postroom.directory import emails, people
from postroom.directory.inserting import insert_into
from postroom.directory.records import Group
from postroom.directory.values import MAX_KEY, MAX_NAME, check_line, chunks, known, storable
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import group_members, groups, users

_COLUMNS: Final = tuple(groups.c[name] for name in Group.__struct_fields__)


def create_primary(tx: Tx, code: str, name: str, parent_code: str | None, now: int) -> int:
    """Add a group to the tree, below ``parent_code`` (``""`` is the root; ``None``: at the top); return the number.

    The code is printable ASCII without ``|`` and extends that of the parent (wire/usos.md §3.3, §4.8). Raises ``Invalid`` for
    one that does not, or is taken, ``TooLarge``, or ``NotFound("primary_group", parent_code)``.
    """
    parent_id = None
    if parent_code is not None:
        parent = primary_by_codes(tx, [parent_code]).get(parent_code)
        if parent is None:
            raise NotFound("primary_group", parent_code)
        parent_id = parent.id
    if problem := primary_code_problem(code, parent_code):
        raise Invalid("code", problem)
    return _insert(tx, {"kind": "primary", "code": code, "name": name, "parent_id": parent_id}, now)


def primary_code_problem(code: str, parent_code: str | None) -> str | None:
    """Say what is wrong with the code of a primary group below ``parent_code``, ``None`` if nothing is."""
    if len(code) > MAX_KEY:
        return f"longer than {MAX_KEY} characters"
    if not (code.isascii() and code.isprintable()):
        return "the code of a primary group is printable ASCII"
    if "|" in code:
        return "the code of a primary group must not hold '|', which separates codes in lists"
    if parent_code is not None and not (code.startswith(parent_code) and len(code) > len(parent_code)):
        return f"the code must extend that of its parent, {parent_code!r}"
    return None


def create_custom(tx: Tx, owner_id: int, name: str, now: int) -> int:
    """Add a group of a person's own; return the number. Raises ``NotFound("user", id)``, ``Invalid`` or ``TooLarge`` for the name."""
    people.get(tx, owner_id)
    return _insert(tx, {"kind": "custom", "code": None, "name": name, "owner_id": owner_id}, now)


def create_course(tx: Tx, code: str, name: str, now: int) -> int:
    """Add a group for a course list, known by ``code``; return the number. Raises ``Invalid`` or ``TooLarge`` for code or name."""
    return _insert(tx, {"kind": "course", "code": check_line("code", code, MAX_KEY, required=True), "name": name}, now)


def primary_by_codes(tx: Tx, codes: Iterable[str]) -> dict[str, Group]:
    """Return those primary groups of ``codes`` that exist."""
    possible = (code for code in dict.fromkeys(codes) if storable(code))
    return {
        row.code: Group(**row._asdict())
        for chunk in chunks(possible)
        for row in tx.execute(select(*_COLUMNS).where(groups.c.kind == "primary", groups.c.code.in_(chunk)))
    }


def primary_of_user(tx: Tx, user_id: int) -> list[Group]:
    """Return the primary groups that a person is a member of, by code; those above them are not among them."""
    rows = select(*_COLUMNS).join(group_members, group_members.c.group_id == groups.c.id)
    rows = rows.where(group_members.c.user_id == user_id, groups.c.kind == "primary").order_by(groups.c.code)
    return [Group(**row._asdict()) for row in tx.execute(rows)]


def by_ids(tx: Tx, ids: Iterable[int], *, held: bool = False) -> dict[int, Group]:
    """Return those groups of ``ids`` that exist, of any kind; ``held`` ones cannot be deleted until this transaction ends."""
    found = select(*_COLUMNS)
    if held:
        found = found.with_for_update(read=True, key_share=True)
    return {row.id: Group(**row._asdict()) for chunk in chunks(known(ids)) for row in tx.execute(found.where(groups.c.id.in_(chunk)))}


def usable_by(group: Group, user_id: int) -> bool:
    """Tell whether a person may write to a group: everybody's are all but the custom groups of others, which are as if not there."""
    return group.kind != "custom" or group.owner_id == user_id


def reachable(start: Select[Any]) -> CTE:
    """Return the ids (column ``id``) of all groups reached from those that ``start`` selects, these included.

    One goes from a group to the groups among its members and to its children in the tree. Each group comes once, whatever
    circles there are.
    """
    (first,) = start.subquery("start").c
    found = select(first.label("id")).cte("reachable", recursive=True)
    below = union_all(
        select(group_members.c.group_id.label("above_id"), group_members.c.subgroup_id.label("id")).where(
            group_members.c.subgroup_id.is_not(None)
        ),
        select(groups.c.parent_id, groups.c.id).where(groups.c.parent_id.is_not(None)),
    ).subquery("below")
    return found.union(select(below.c.id).join(found, below.c.above_id == found.c.id))  # UNION, not UNION ALL: circles come to an end


class _Members(Struct, frozen=True):
    """Members as they are kept: checked, each once."""

    user_id: list[int]
    subgroup_id: list[int]
    email: list[str]

    def columns(self) -> Mapping[str, Sequence[int | str]]:
        return {"user_id": self.user_id, "subgroup_id": self.subgroup_id, "email": self.email}


def add_members(
    tx: Tx, group_id: int, *, user_ids: Iterable[int] = (), subgroup_ids: Iterable[int] = (), emails: Iterable[str] = ()
) -> None:
    """Add members to a group; those it has already stay as they are, addresses compared without regard to case.

    Raises ``NotFound`` (``group``, ``user``) for what does not exist, ``Invalid("emails", …)`` for what is no address.
    """
    _add(tx, group_id, _checked(tx, group_id, user_ids, subgroup_ids, emails))


def _insert(tx: Tx, values: dict[str, Any], now: int) -> int:
    values["name"] = check_line("name", values["name"], MAX_NAME, required=True)
    statement = insert_into(tx, groups).values(**values, created_at=now, modified_at=now).on_conflict_do_nothing()
    number = tx.execute(statement.returning(groups.c.id)).scalar_one_or_none()
    if number is None:
        raise Invalid("code", "another group of this kind has it")
    return int(number)


def _add(tx: Tx, group_id: int, members: _Members) -> None:
    for column, values in members.columns().items():
        if values:
            rows = [{"group_id": group_id, column: value} for value in values]
            tx.execute(insert_into(tx, group_members).on_conflict_do_nothing(), rows)


def _checked(tx: Tx, group_id: int, user_ids: Iterable[int], subgroup_ids: Iterable[int], addresses: Iterable[str]) -> _Members:
    wanted_users, wanted_groups = list(dict.fromkeys(user_ids)), list(dict.fromkeys(subgroup_ids))
    _check_groups(tx, [group_id, *wanted_groups])
    existing = {
        row for chunk in chunks(known(wanted_users)) for row in tx.execute(select(users.c.id).where(users.c.id.in_(chunk))).scalars()
    }
    for number in wanted_users:
        if number not in existing:
            raise NotFound("user", number)
    return _Members(wanted_users, wanted_groups, emails.checked("emails", addresses))


def _check_groups(tx: Tx, ids: list[int]) -> None:
    existing = {row for chunk in chunks(known(ids)) for row in tx.execute(select(groups.c.id).where(groups.c.id.in_(chunk))).scalars()}
    for number in ids:
        if number not in existing:
            raise NotFound("group", number)
