"""What no single line can tell: keys that occur twice, and references to what is neither in the files nor in the store."""

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, Table, and_, func, select

from postroom.directory.importing import staging
from postroom.directory.importing.formats import ADDRESSES, GROUPS, MEMBERSHIPS, PEOPLE
from postroom.directory.importing.records import MAX_PROBLEMS, Problems
from postroom.storage.database import Tx
from postroom.storage.tables import groups, users

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
        keyed = select(table.c.line, func.min(table.c.line).over(partition_by=key).label("first")).subquery()
        repeated = select(keyed.c.line, keyed.c.first).where(keyed.c.line > keyed.c.first)
        _note(tx, problems, file, repeated, "the same key as in line {}")


def check_references(tx: Tx, problems: Problems) -> None:
    """Note every line that names somebody or something that there is not."""
    for file, column, missing in _REFERENCES:
        _note(tx, problems, file, missing, column + ": there is no {!r}, neither in the files nor in the store")


def _note(tx: Tx, problems: Problems, file: str, wrong: Select[Any], reason: str) -> None:
    """Note the lines that ``wrong`` selects, each with what is wrong (filled into ``reason``): as many as anybody will be told of."""
    found = wrong.add_columns(func.count().over()).order_by(wrong.selected_columns[0]).limit(MAX_PROBLEMS)
    rows = tx.execute(found).all()
    for line, what, _total in rows:
        problems.add(file, line, reason.format(what))
    if rows:
        problems.add_uncounted(rows[0][2] - len(rows))
