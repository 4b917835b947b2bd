"""Which addresses are whose: a person's own ones, and the institutional ones that are assigned to them."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BindParameter, Integer, Select, bindparam, cast, func, null, select, union, union_all

from postroom.directory import addresses, people
from postroom.directory.values import chunks
from postroom.errors import Forbidden, NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import address_assignments, institutional_addresses, users

_u: Final = users.c
_a: Final = institutional_addresses.c
_s: Final = address_assignments.c


class OwnedAddress(Struct, frozen=True, kw_only=True):
    """An address that a person may send from, and the name that its mails bear."""

    name: str
    email: str
    address_id: int | None = None
    """Number of the institutional address, if it is one."""


def _owners() -> Select[Any]:
    """Build the statement of ``owners``, once: every letter asks it."""
    emails: BindParameter[str] = bindparam("emails", expanding=True)
    own = [
        select(func.lower(column).label("email"), _u.id.label("user_id")).where(func.lower(column).in_(emails), _u.active)
        for column in (_u.email, _u.alt_email)
    ]
    held = address_assignments.join(users, _u.id == address_assignments.c.user_id)
    assigned = (
        select(func.lower(_a.email).label("email"), _u.id.label("user_id"))
        .select_from(institutional_addresses.join(held, _a.id == address_assignments.c.address_id))
        .where(func.lower(_a.email).in_(emails), address_assignments.c.revoked_at.is_(None), _u.active)
    )
    every = union(*own, assigned).subquery()
    return select(every.c.email, every.c.user_id).order_by(every.c.user_id)


_OWNERS: Final = _owners()


def of_person(tx: Tx, user_id: int) -> list[OwnedAddress]:
    """Return the addresses of a person: the primary, the alternative, institutional ones by number; each once. Two statements.

    Raises ``NotFound("user", id)``.
    """
    person = people.get(tx, user_id)
    name = f"{person.first_name} {person.last_name}".strip()
    own = [OwnedAddress(name=name, email=email) for email in (person.email, person.alt_email) if email]
    assigned = [OwnedAddress(name=office.name, email=office.email, address_id=office.id) for office in addresses.of_user(tx, user_id)]
    return list({address.email.lower(): address for address in reversed([*own, *assigned])}.values())[::-1]


def find(tx: Tx, user_id: int, email: str) -> OwnedAddress:
    """Return the one of a person's addresses that this is, in any case of letters.

    Raises ``Forbidden("address_revoked")`` for an institutional one that was theirs, ``NotFound("account", email)`` for any other.
    """
    for address in of_person(tx, user_id):
        if address.email.lower() == email.lower():
            return address
    held = select(_s.address_id).join(institutional_addresses, _a.id == _s.address_id)
    if tx.execute(held.where(func.lower(_a.email) == email.lower(), _s.user_id == user_id, _s.revoked_at.is_not(None))).first():
        raise Forbidden("address_revoked")
    raise NotFound("account", email)


def held_since(tx: Tx, user_id: int) -> dict[int | None, int]:
    """Return since when (ms) a person has each institutional address, by its number, and under ``None`` those of their own.

    One statement.
    """
    own = select(cast(null(), Integer).label("address_id"), _u.created_at.label("at")).where(_u.id == user_id)
    assigned = select(_s.address_id, _s.assigned_at).where(_s.user_id == user_id, _s.revoked_at.is_(None))
    return {row.address_id: row.at for row in tx.execute(union_all(own, assigned))}


def owners(tx: Tx, emails: Iterable[str]) -> dict[str, list[int]]:
    """Return which active people have each address, by its lower-case form; those of nobody are missing. A statement for each 500."""
    found: dict[str, list[int]] = {}
    for chunk in chunks(sorted({email.lower() for email in emails})):
        for row in tx.execute(_OWNERS, {"emails": chunk}):
            found.setdefault(row.email, []).append(row.user_id)
    return found
