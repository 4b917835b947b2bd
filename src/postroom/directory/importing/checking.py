"""What no single line can tell: keys and numbers that occur twice, numbers that are not free, references to what is nowhere."""

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, Table, and_, func, select, union_all

from postroom.directory.importing import staging
from postroom.directory.importing.formats import ADDRESSES, GROUPS, MEMBERSHIPS, PEOPLE
from postroom.directory.importing.records import MAX_PROBLEMS, Problems
from postroom.directory.values import LARGEST_ID
from postroom.storage.database import Tx
from postroom.storage.tables import groups, institutional_addresses, users

_memberships = staging.memberships.c

_KEYS: Final[tuple[tuple[str, Table, tuple[ColumnElement[Any], ...]], ...]] = (
    (PEOPLE, staging.people, (staging.people.c.uid,)),
    (GROUPS, staging.groups, (staging.groups.c.kind, staging.groups.c.code)),
    (
        MEMBERSHIPS,
        staging.memberships,
        (
            _memberships.group_kind,
            _memberships.group_code,
            _memberships.uid,
            _memberships.subgroup_kind,
            _memberships.subgroup_code,
            func.lower(_memberships.email),
        ),
    ),
    (ADDRESSES, staging.addresses, (func.lower(staging.addresses.c.email),)),
)

_NUMBERED: Final = (
    (PEOPLE, staging.people, users, users.c.uid == staging.people.c.uid),
    (GROUPS, staging.groups, groups, and_(groups.c.kind == staging.groups.c.kind, groups.c.code == staging.groups.c.code)),
    (
        ADDRESSES,
        staging.addresses,
        institutional_addresses,
        func.lower(institutional_addresses.c.email) == func.lower(staging.addresses.c.email),
    ),
)
"""File, its lines, the table that they go to, and which line is which row."""


def _missing_person(uid: Column[Any]) -> Select[Any]:
    """Select the lines whose ``uid`` is neither in ``people.csv`` nor in the store."""
    in_files = staging.people.alias()
    joined = uid.table.outerjoin(in_files, in_files.c.uid == uid).outerjoin(users, users.c.uid == uid)
    return (
        select(uid.table.c.line, uid.label("key"))
        .select_from(joined)
        .where(uid.is_not(None), in_files.c.uid.is_(None), users.c.id.is_(None))
    )


def _missing_group(kind: Column[Any], code: Column[Any]) -> Select[Any]:
    """Select the lines whose group is neither in ``groups.csv`` nor in the store."""
    in_files = staging.groups.alias()
    joined = kind.table.outerjoin(in_files, and_(in_files.c.kind == kind, in_files.c.code == code))
    joined = joined.outerjoin(groups, and_(groups.c.kind == kind, groups.c.code == code))
    name = kind.concat(":").concat(code).label("key")
    return select(kind.table.c.line, name).select_from(joined).where(code.is_not(None), in_files.c.line.is_(None), groups.c.id.is_(None))


_REFERENCES: Final = (
    (GROUPS, "parent_code", _missing_group(staging.groups.c.kind, staging.groups.c.parent_code)),
    (GROUPS, "owner_uid", _missing_person(staging.groups.c.owner_uid)),
    (MEMBERSHIPS, "group_code", _missing_group(_memberships.group_kind, _memberships.group_code)),
    (MEMBERSHIPS, "member", _missing_person(_memberships.uid)),
    (MEMBERSHIPS, "member", _missing_group(_memberships.subgroup_kind, _memberships.subgroup_code)),
    (ADDRESSES, "assigned_uids", _missing_person(staging.assignments.c.uid)),
)


def check_keys(tx: Tx, problems: Problems) -> None:
    """Note every line whose key an earlier line has."""
    for file, table, key in _KEYS:
        first = func.min(table.c.line).over(partition_by=key).label("first")
        _note(tx, problems, file, _repeated(select(table.c.line, first)), "the same key as in line {}")


def check_ids(tx: Tx, problems: Problems) -> None:
    """Note every line whose number an earlier line has, is not the one that its row has, or is another row's; or for which none is left."""
    for file, staged, table, same in _NUMBERED:
        first = func.min(staged.c.line).over(partition_by=staged.c.id).label("first")
        numbered = select(staged.c.line, first).where(staged.c.id.is_not(None))
        _note(tx, problems, file, _repeated(numbered), "the same id as in line {}")
        other = select(staged.c.line, table.c.id.label("kept")).join(table, same).where(table.c.id != staged.c.id)
        _note(tx, problems, file, other, "has the number {} already, and numbers do not change")
        holder = table.alias()
        joined = staged.join(holder, holder.c.id == staged.c.id).outerjoin(table, same)
        taken = select(staged.c.line, staged.c.id).select_from(joined).where(table.c.id.is_(None))
        _note(tx, problems, file, taken, "the number {} belongs to another row of the store")
        _note(tx, problems, file, _beyond(staged, table, same), "no number is left to give: {} is in use")


def _beyond(staged: Table, table: Table, same: ColumnElement[bool]) -> Select[Any]:
    """Select the new lines that would be numbered beyond ``LARGEST_ID``, as the store goes on above the largest that it has."""
    known = union_all(select(staged.c.id), select(table.c.id)).subquery()
    largest = select(func.coalesce(func.max(known.c.id), 0).label("largest")).subquery()
    place = func.row_number().over(order_by=staged.c.line).label("place")
    new = select(staged.c.line, place).outerjoin(table, same).where(staged.c.id.is_(None), table.c.id.is_(None)).subquery()
    return select(new.c.line, largest.c.largest).where(new.c.place > LARGEST_ID - largest.c.largest)


def check_references(tx: Tx, problems: Problems) -> None:
    """Note every line that names somebody or something that there is not."""
    for file, column, missing in _REFERENCES:
        _note(tx, problems, file, missing, column + ": there is no {!r}, neither in the files nor in the store")


def _repeated(firsts: Select[Any]) -> Select[Any]:
    """Select the lines that are not the first of their kind, out of lines that each name the first."""
    keyed = firsts.subquery()
    return select(keyed.c.line, keyed.c.first).where(keyed.c.line > keyed.c.first)


def _note(tx: Tx, problems: Problems, file: str, wrong: Select[Any], reason: str) -> None:
    """Note the lines that ``wrong`` selects, each with what is wrong (filled into ``reason``): as many as anybody will be told of."""
    found = wrong.add_columns(func.count().over()).order_by(wrong.selected_columns[0]).limit(MAX_PROBLEMS)
    rows = tx.execute(found).all()
    for line, what, _total in rows:
        problems.add(file, line, reason.format(what))
    if rows:
        problems.add_uncounted(rows[0][2] - len(rows))
