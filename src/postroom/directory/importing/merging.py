"""Brings what was staged and checked into the store; touches only what differs."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Select, Table, and_, delete, exists, func, insert, literal, null, or_, select, text, update

from postroom.directory import names
from postroom.directory.importing import staging
from postroom.directory.importing.formats import ADDRESSES, GROUPS, MEMBERSHIPS, PEOPLE
from postroom.directory.importing.records import FileCounts
from postroom.storage.database import Tx
from postroom.storage.tables import address_assignments, group_members, groups, institutional_addresses, users

_MEMBER_COLUMNS: Final = ("user_id", "subgroup_id", "email")
_PEOPLE: Final = 5_000
"""People whose names are taken apart at a time."""


def merge_people(tx: Tx, header: Collection[str], now: int) -> FileCounts:
    """Add and change people; a column that the file has not got stays as it is in the store."""
    staged = staging.people
    given = [name for name in header if name not in ("uid", "id")]
    differs = or_(*(users.c[name].is_distinct_from(staged.c[name]) for name in given))
    change = update(users).where(users.c.uid == staged.c.uid, differs).values({name: staged.c[name] for name in given})
    updated = tx.execute(change.values(modified_at=now)).rowcount
    columns = [column.name for column in staged.c if column.name not in ("line", "id")]
    new = (
        select(*(staged.c[name] for name in columns), literal(now), literal(now))
        .select_from(staged.outerjoin(users, users.c.uid == staged.c.uid))
        .where(users.c.id.is_(None))
        .order_by(staged.c.line)
    )
    created = _create(tx, users, [*columns, "created_at", "modified_at"], new, staged if "id" in header else None)
    if created or updated:
        _index_names(tx, now)
    return _counts(PEOPLE, _size(tx, select(staged.c.line)), created, updated)


def merge_groups(tx: Tx, header: Collection[str], now: int) -> FileCounts:
    """Add and change groups: first all of them without parents, which may be new themselves, then whatever differs."""
    staged = staging.groups
    same = and_(groups.c.kind == staged.c.kind, groups.c.code == staged.c.code)
    parents = groups.alias()
    owner_uid = select(users.c.uid).where(users.c.id == groups.c.owner_id).correlate(groups).scalar_subquery()
    parent_code = select(parents.c.code).where(parents.c.id == groups.c.parent_id).correlate(groups).scalar_subquery()
    owner_id = select(users.c.id).where(users.c.uid == staged.c.owner_uid).correlate(staged).scalar_subquery()
    parent_id = select(parents.c.id).where(parents.c.kind == "primary", parents.c.code == staged.c.parent_code).correlate(staged)
    differs = or_(
        groups.c.name != staged.c.name,
        owner_uid.is_distinct_from(staged.c.owner_uid),
        parent_code.is_distinct_from(staged.c.parent_code),
    )
    updated = _size(tx, select(staged.c.line).join(groups, same).where(differs))
    new = (
        select(staged.c.kind, staged.c.code, staged.c.name, owner_id, literal(now), literal(now))
        .select_from(staged.outerjoin(groups, same))
        .where(groups.c.id.is_(None))
        .order_by(staged.c.line)
    )
    columns = ["kind", "code", "name", "owner_id", "created_at", "modified_at"]
    created = _create(tx, groups, columns, new, staged if "id" in header else None)
    values = {"name": staged.c.name, "owner_id": owner_id, "parent_id": parent_id.scalar_subquery(), "modified_at": now}
    tx.execute(update(groups).where(same, differs).values(values))
    return _counts(GROUPS, _size(tx, select(staged.c.line)), created, updated)


def merge_memberships(tx: Tx) -> FileCounts:
    """Make the groups that the file names hold exactly the members that it lists; other groups stay as they are."""
    _resolve_memberships(tx)
    removed = created = 0
    for name in _MEMBER_COLUMNS:
        listed, kept = staging.members.c, group_members.c
        same = and_(listed.group_id == kept.group_id, listed[name] == kept[name])
        unlisted = and_(kept[name].is_not(None), kept.group_id.in_(select(staging.mentioned.c.group_id)), ~exists().where(same))
        removed += tx.execute(delete(group_members).where(unlisted)).rowcount
        new = select(listed.group_id, listed[name]).where(listed[name].is_not(None), ~exists().where(same))
        created += _insert(tx, group_members, ["group_id", name], new)
    return _counts(MEMBERSHIPS, _size(tx, select(staging.members.c.group_id)), created, 0, removed)


def merge_addresses(tx: Tx, header: Collection[str], now: int) -> FileCounts:
    """Add and change addresses; assign them to exactly the people whom the file lists."""
    staged, kept = staging.addresses.c, institutional_addresses.c
    same = func.lower(kept.email) == func.lower(staged.email)
    _insert(tx, staging.named, ["address_id"], select(kept.id).select_from(staging.addresses.join(institutional_addresses, same)))
    new = (
        select(staged.email, staged.name, literal(now))
        .select_from(staging.addresses.outerjoin(institutional_addresses, same))
        .where(kept.id.is_(None))
        .order_by(staged.line)
    )
    numbered = staging.addresses if "id" in header else None
    created = _create(tx, institutional_addresses, ["email", "name", "created_at"], new, numbered)
    _resolve_assignments(tx)
    differs = or_(kept.name != staged.name, kept.email != staged.email)
    before = select(kept.id).join(staging.named, staging.named.c.address_id == kept.id)
    updated = _size(tx, before.join(staging.addresses, same).where(or_(differs, kept.id.in_(_reassigned()))))
    tx.execute(update(institutional_addresses).where(same, differs).values(name=staged.name, email=staged.email))
    removed = _merge_assignments(tx, now)
    return _counts(ADDRESSES, _size(tx, select(staged.line)), created, updated, removed)


def _index_names(tx: Tx, now: int) -> None:
    """Let those be found by their names who were added or changed now."""
    changed = select(users.c.id, users.c.first_name, users.c.middle_names, users.c.last_name).where(users.c.modified_at == now)
    last = 0
    while people := tx.execute(changed.where(users.c.id > last).order_by(users.c.id).limit(_PEOPLE)).all():
        names.index(tx, ((person.id, f"{person.first_name} {person.middle_names} {person.last_name}") for person in people))
        last = people[-1].id


def _resolve_memberships(tx: Tx) -> None:
    """Turn the codes and uids of the staged memberships into numbers."""
    staged, members = staging.memberships, staging.members
    subgroups = groups.alias()
    in_group = staged.join(groups, and_(groups.c.kind == staged.c.group_kind, groups.c.code == staged.c.group_code))
    of_person = in_group.join(users, users.c.uid == staged.c.uid)
    of_group = in_group.join(subgroups, and_(subgroups.c.kind == staged.c.subgroup_kind, subgroups.c.code == staged.c.subgroup_code))
    mentioned = select(groups.c.id).select_from(in_group).distinct()
    _insert(tx, staging.mentioned, ["group_id"], mentioned)
    for name, member, joined in (
        ("user_id", users.c.id, of_person),
        ("subgroup_id", subgroups.c.id, of_group),
        ("email", staged.c.email, in_group),
    ):
        resolved = select(groups.c.id, member).select_from(joined).where(member.is_not(None))
        _insert(tx, members, ["group_id", name], resolved)


def _resolve_assignments(tx: Tx) -> None:
    """Turn the addresses and uids of the staged assignments into numbers."""
    staged = staging.assignments
    joined = staged.join(institutional_addresses, func.lower(institutional_addresses.c.email) == func.lower(staged.c.email))
    joined = joined.join(users, users.c.uid == staged.c.uid)
    resolved = select(institutional_addresses.c.id, users.c.id).select_from(joined)
    _insert(tx, staging.assigned, ["address_id", "user_id"], resolved)


def _reassigned() -> Select[Any]:
    """Select the addresses that gain or lose somebody, out of those that the file names."""
    listed, kept = staging.assigned.c, address_assignments.c
    same = and_(kept.address_id == listed.address_id, kept.user_id == listed.user_id)
    gaining = select(listed.address_id).where(~exists().where(same, kept.revoked_at.is_(None)))
    losing = select(kept.address_id).where(kept.revoked_at.is_(None), kept.address_id.in_(_named()), ~exists().where(same))
    return select(gaining.union(losing).subquery().c.address_id)


def _merge_assignments(tx: Tx, now: int) -> int:
    """Revoke, give again and give; return how many assignments were revoked."""
    listed, kept = staging.assigned.c, address_assignments.c
    same = and_(kept.address_id == listed.address_id, kept.user_id == listed.user_id)
    lost = and_(kept.revoked_at.is_(None), kept.address_id.in_(_named()), ~exists().where(same))
    removed = tx.execute(update(address_assignments).where(lost).values(revoked_at=now)).rowcount
    again = and_(kept.revoked_at.is_not(None), exists().where(same))
    tx.execute(update(address_assignments).where(again).values(assigned_at=now, revoked_at=null()))
    new = select(listed.address_id, listed.user_id, literal(now)).where(~exists().where(same))
    _insert(tx, address_assignments, ["address_id", "user_id", "assigned_at"], new)
    return removed


def _named() -> Select[Any]:
    return select(staging.named.c.address_id)


def _create(tx: Tx, table: Table, columns: list[str], new: Select[Any], numbered: Table | None) -> int:
    """Insert the ``new`` lines, which are those that have no row yet; lines of ``numbered`` may say which number theirs gets.

    These come first: so no number that a later line asks for is given to a line that asks for none.
    """
    if numbered is None:
        return _insert(tx, table, columns, new)
    _pass_numbers(tx, table, numbered)
    created = _insert(tx, table, [*columns, "id"], new.add_columns(numbered.c.id).where(numbered.c.id.is_not(None)))
    return created + _insert(tx, table, columns, new)


def _pass_numbers(tx: Tx, table: Table, numbered: Table) -> None:
    """Let PostgreSQL go on counting above every number of the file, never below where it is; SQLite does so by itself.

    Nobody else draws a number meanwhile (the table is locked). A rollback leaves the sequence where it is: numbers are skipped.
    """
    if tx.dialect.name == "postgresql":
        sequence = f"CAST(pg_get_serial_sequence('{table.name}', 'id') AS regclass)"
        largest = f"GREATEST((SELECT max(id) FROM {numbered.name}), pg_sequence_last_value({sequence}))"
        tx.execute(text(f"SELECT setval({sequence}, {largest})"))


def _insert(tx: Tx, table: Table, columns: list[str], rows: Select[Any]) -> int:
    statement = insert(table).from_select(columns, rows)
    return tx.execute(statement, execution_options={"preserve_rowcount": True}).rowcount  # else not kept for an insert on PostgreSQL


def _size(tx: Tx, rows: Select[Any]) -> int:
    return int(tx.execute(select(func.count()).select_from(rows.subquery())).scalar_one())


def _counts(file: str, listed: int, created: int, updated: int, removed: int = 0) -> FileCounts:
    return FileCounts(file=file, created=created, updated=updated, unchanged=listed - created - updated, removed=removed)
