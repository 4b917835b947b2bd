"""Institutional addresses, and which people may send from them.

An assignment that is revoked stays in the store with its date, and can be given again.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, and_, null, select, update

from postroom.directory import emails, people
from postroom.directory.inserting import insert_into
from postroom.directory.records import InstitutionalAddress
from postroom.directory.values import LARGEST_ID, MAX_NAME, check_line, chunks, known
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import address_assignments, institutional_addresses

_COLUMNS: Final = tuple(institutional_addresses.c[name] for name in InstitutionalAddress.__struct_fields__)


def add(tx: Tx, email: str, name: str, now: int) -> int:
    """Add an address with the display name of its mails; return the number.

    Raises ``Invalid`` for what is no address or exists already (case does not matter), and for a name that is empty or not one
    line; ``TooLarge``.
    """
    normal = emails.normalise(email)
    if normal is None:
        raise Invalid("email", "not an address")
    values = {"email": normal, "name": check_line("name", name, MAX_NAME, required=True), "created_at": now}
    statement = insert_into(tx, institutional_addresses).values(values).on_conflict_do_nothing()
    number = tx.execute(statement.returning(institutional_addresses.c.id)).scalar_one_or_none()
    if number is None:
        raise Invalid("email", "this address exists already")
    return int(number)


def get(tx: Tx, address_id: int) -> InstitutionalAddress:
    """Return one address. Raises ``NotFound("inst_address", id)``."""
    found = by_ids(tx, [address_id])
    if address_id not in found:
        raise NotFound("inst_address", address_id)
    return found[address_id]


def by_ids(tx: Tx, ids: Iterable[int]) -> dict[int, InstitutionalAddress]:
    """Return those addresses of ``ids`` that exist."""
    return {
        row.id: InstitutionalAddress(**row._asdict())
        for chunk in chunks(known(ids))
        for row in tx.execute(select(*_COLUMNS).where(institutional_addresses.c.id.in_(chunk)))
    }


def assign(tx: Tx, address_id: int, user_id: int, now: int) -> None:
    """Let a person send from an address, again if it was revoked; nothing changes when they may already.

    Raises ``NotFound`` for the address or the person.
    """
    get(tx, address_id)
    people.get(tx, user_id)
    table = address_assignments
    statement = insert_into(tx, table).values(address_id=address_id, user_id=user_id, assigned_at=now)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.address_id, table.c.user_id],
            set_={"assigned_at": now, "revoked_at": null()},
            where=table.c.revoked_at.is_not(None),
        )
    )


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


def _assigned(address_id: int, user_id: int) -> ColumnElement[bool]:
    table = address_assignments
    return and_(table.c.address_id == address_id, table.c.user_id == user_id, table.c.revoked_at.is_(None))
