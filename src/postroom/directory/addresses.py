"""Institutional addresses, and which people may send from them.

An assignment that is revoked stays in the store with its date, and can be given again.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, null, select, update
from sqlalchemy.exc import IntegrityError

from postroom.directory import emails, people
from postroom.directory.inserting import insert_into
from postroom.directory.records import InstitutionalAddress
from postroom.directory.values import LARGEST_ID, MAX_NAME, check_line, chunks, known
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.database import Tx
from postroom.storage.tables import address_assignments, institutional_addresses

_COLUMNS: Final = tuple(institutional_addresses.c[name] for name in InstitutionalAddress.__struct_fields__)


def add(tx: Tx, email: str, name: str, now: int) -> int:
    """Add an address with the display name of its mails; return the number.

    Raises ``Invalid`` for what is no address or exists already (case does not matter), and for a name that is empty or not one
    line; ``TooLarge``.
    """
    values = {"email": _checked_email(email), "name": check_line("name", name, MAX_NAME, required=True), "created_at": now}
    statement = insert_into(tx, institutional_addresses).values(values).on_conflict_do_nothing()
    number = tx.execute(statement.returning(institutional_addresses.c.id)).scalar_one_or_none()
    if number is None:
        raise Invalid("email", "this address exists already")
    return int(number)


def get(tx: Tx, address_id: int, *, held: bool = False) -> InstitutionalAddress:
    """Return one address. Raises ``NotFound("inst_address", id)``; ``held`` as in ``by_ids``."""
    found = by_ids(tx, [address_id], held=held)
    if address_id not in found:
        raise NotFound("inst_address", address_id)
    return found[address_id]


def by_ids(tx: Tx, ids: Iterable[int], *, held: bool = False) -> dict[int, InstitutionalAddress]:
    """Return those addresses of ``ids`` that exist; ``held`` ones cannot be deleted until this transaction ends."""
    found = select(*_COLUMNS)
    if held:
        found = found.with_for_update(read=True, key_share=True)
    return {
        row.id: InstitutionalAddress(**row._asdict())
        for chunk in chunks(known(ids))
        for row in tx.execute(found.where(institutional_addresses.c.id.in_(chunk)))
    }


def page(tx: Tx, after_id: int, limit: int) -> list[InstitutionalAddress]:
    """Return at most ``limit`` addresses with numbers above ``after_id``, by number."""
    rows = select(*_COLUMNS).where(institutional_addresses.c.id > after_id).order_by(institutional_addresses.c.id).limit(limit)
    return [InstitutionalAddress(**row._asdict()) for row in tx.execute(rows)]


def of_user(tx: Tx, user_id: int) -> list[InstitutionalAddress]:
    """Return the addresses that a person may send from now, by number."""
    table = address_assignments.c
    rows = (
        select(*_COLUMNS)
        .join(address_assignments, table.address_id == institutional_addresses.c.id)
        .where(table.user_id == user_id, table.revoked_at.is_(None))
        .order_by(institutional_addresses.c.id)
    )
    return [InstitutionalAddress(**row._asdict()) for row in tx.execute(rows)]


def people_of(tx: Tx, ids: Iterable[int], limit: int) -> dict[int, list[int]]:
    """Return for each address the numbers of those who may send from it now. Raises ``TooLarge("fields", limit)`` when all are more."""
    found: dict[int, list[int]] = {number: [] for number in ids}
    table, left = address_assignments.c, limit
    for chunk in chunks(known(found)):
        rows = select(table.address_id, table.user_id).where(table.address_id.in_(chunk), table.revoked_at.is_(None))
        some = tx.execute(rows.order_by(table.address_id, table.user_id).limit(left + 1)).all()
        left -= len(some)
        if left < 0:
            raise TooLarge("fields", limit)
        for address_id, user_id in some:
            found[address_id].append(user_id)
    return found


def change(tx: Tx, address_id: int, email: str | None, name: str | None) -> None:
    """Change an address or its display name; ``None`` leaves it. Raises ``NotFound("inst_address", id)``, and as ``add`` does."""
    get(tx, address_id)
    values = {}
    if email is not None:
        values["email"] = _checked_email(email)
    if name is not None:
        values["name"] = check_line("name", name, MAX_NAME, required=True)
    if not values:
        return
    try:
        with tx.begin_nested():
            tx.execute(update(institutional_addresses).where(institutional_addresses.c.id == address_id).values(values))
    except IntegrityError as error:
        raise Invalid("email", "this address exists already") from error


def remove(tx: Tx, ids: Iterable[int]) -> list[int]:
    """Delete addresses; return those that there were, in the order given. Messages from one become their authors' own."""
    wanted = list(known(ids))
    found = by_ids(tx, wanted)
    for chunk in chunks(found):
        tx.execute(delete(institutional_addresses).where(institutional_addresses.c.id.in_(chunk)))
    return [number for number in wanted if number in found]


def assign_exactly(tx: Tx, user_id: int, ids: Iterable[int], now: int) -> None:
    """Let a person send from these addresses and no others. Raises ``NotFound`` for the person or the first address that is not there."""
    people.get(tx, user_id)
    wanted = list(dict.fromkeys(ids))
    found = by_ids(tx, wanted, held=True)
    for number in wanted:
        if number not in found:
            raise NotFound("inst_address", number)
    table = address_assignments.c
    held = set(tx.execute(select(table.address_id).where(table.user_id == user_id, table.revoked_at.is_(None))).scalars())
    for number in sorted(held.difference(wanted)):
        tx.execute(update(address_assignments).where(_assigned(number, user_id)).values(revoked_at=now))
    for number in wanted:
        if number not in held:
            _assign(tx, number, user_id, now)


def assign(tx: Tx, address_id: int, user_id: int, now: int) -> None:
    """Let a person send from an address, again if it was revoked; nothing changes when they may already.

    Raises ``NotFound`` for the address or the person.
    """
    get(tx, address_id, held=True)
    people.get(tx, user_id)
    _assign(tx, address_id, user_id, now)


def revoke(tx: Tx, address_id: int, user_id: int, now: int) -> None:
    """Take the right to send from an address away; nothing changes for a person who has not got it. Raises ``NotFound`` for the address."""
    get(tx, address_id)
    if list(known([user_id])):
        tx.execute(update(address_assignments).where(_assigned(address_id, user_id)).values(revoked_at=now))


def is_assigned(tx: Tx, address_id: int, user_id: int) -> bool:
    """Tell whether a person may send from an address now."""
    if not (0 < address_id <= LARGEST_ID and 0 < user_id <= LARGEST_ID):
        return False
    return tx.execute(select(address_assignments.c.user_id).where(_assigned(address_id, user_id))).first() is not None


def _assign(tx: Tx, address_id: int, user_id: int, now: int) -> None:
    table = address_assignments
    statement = insert_into(tx, table).values(address_id=address_id, user_id=user_id, assigned_at=now)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.address_id, table.c.user_id],
            set_={"assigned_at": now, "revoked_at": null()},
            where=table.c.revoked_at.is_not(None),
        )
    )


def _checked_email(email: str) -> str:
    normal = emails.normalise(email)
    if normal is None:
        raise Invalid("email", "not an address")
    return normal


def _assigned(address_id: int, user_id: int) -> ColumnElement[bool]:
    table = address_assignments
    return and_(table.c.address_id == address_id, table.c.user_id == user_id, table.c.revoked_at.is_(None))
