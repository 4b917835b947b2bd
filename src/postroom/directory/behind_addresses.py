"""Who is behind an address: people and offices, and the organisation that they belong to.

Organisations have no table of their own. A person belongs to their school, everybody else and every office to the organisation of the
installation; an organisation is known by its name, and its number is made of that, so it is the same after each import.

A person's alternative address is their own affair: it leads nobody else to them, or to their name.
"""

import zlib
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, func, literal, null, select, union_all

from postroom.directory import people
from postroom.directory.values import LARGEST_ID, chunks, storable
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import institutional_addresses, users

Kind = Literal["primary", "alternative", "office"]

KINDS: Final[tuple[Kind, ...]] = ("primary", "alternative", "office")

_OWN_NUMBER: Final = 1
"""Of the organisation of the installation."""

_u: Final = users.c
_a: Final = institutional_addresses.c


class Organisation(Struct, frozen=True, kw_only=True):
    """A school, or the organisation of the installation."""

    id: int
    name: str


class Behind(Struct, frozen=True, kw_only=True):
    """One that an address belongs to."""

    email: str
    """As it is kept."""
    kind: Kind
    user_id: int
    """0: it is that of an office, and of nobody alone."""
    name: str
    """Of the person, or of the office."""
    organisation: Organisation
    number: int
    """The number of this address of this owner, among those of all."""


def find(tx: Tx, settings: Settings, reader_id: int, emails: Iterable[str]) -> dict[str, list[Behind]]:
    """Return who is behind addresses, by their lower-case form: people by number, then an office; active ones alone.

    What belongs to nobody is missing. One statement for each 500.
    """
    found: dict[str, list[Behind]] = {}
    for chunk in chunks(sorted({email.lower() for email in emails if storable(email)})):
        conditions = {
            "primary": func.lower(_u.email).in_(chunk),
            "alternative": and_(func.lower(_u.alt_email).in_(chunk), _u.id == reader_id),
            "office": func.lower(_a.email).in_(chunk),
        }
        for row in _rows(tx, conditions):
            found.setdefault(row.email.lower(), []).append(_behind(settings, row))
    return found


def by_numbers(tx: Tx, settings: Settings, reader_id: int, numbers: Iterable[int]) -> dict[int, Behind]:
    """Return addresses by their numbers, those that the reader may know of. One statement for each 500."""
    found: dict[int, Behind] = {}
    for chunk in chunks(number for number in dict.fromkeys(numbers) if number > 0 and number // len(KINDS) <= LARGEST_ID):
        ids = {kind: [number // len(KINDS) for number in chunk if number % len(KINDS) == place] for place, kind in enumerate(KINDS)}
        conditions = {
            "primary": _u.id.in_(ids["primary"]),
            "alternative": and_(_u.id.in_(ids["alternative"]), _u.id == reader_id),
            "office": _a.id.in_(ids["office"]),
        }
        found |= {one.number: one for one in (_behind(settings, row) for row in _rows(tx, conditions))}
    return found


def of_people(tx: Tx, settings: Settings, user_ids: Iterable[int]) -> dict[int, Behind]:
    """Return the primary addresses of active people, by the numbers of these. One statement for each 500."""
    numbers = (user_id * len(KINDS) + KINDS.index("primary") for user_id in user_ids)
    return {one.user_id: one for one in by_numbers(tx, settings, 0, numbers).values()}


def organisation(settings: Settings, school: str | None) -> Organisation:
    """Return the organisation of somebody of a school, or of none."""
    if not school:
        return Organisation(id=_OWN_NUMBER, name=settings.mail.organisation)
    number = zlib.crc32(school.encode()) & LARGEST_ID
    return Organisation(id=max(number, _OWN_NUMBER + 1), name=school)


def _rows(tx: Tx, conditions: dict[str, ColumnElement[bool]]) -> list[Row[Any]]:
    columns = (_u.id, people.full_name().label("name"), _u.school)
    theirs = [
        select(column.label("email"), literal(kind).label("kind"), *columns).where(condition, _u.active, column.is_not(None))
        for kind, column, condition in (
            ("primary", _u.email, conditions["primary"]),
            ("alternative", _u.alt_email, conditions["alternative"]),
        )
    ]
    offices = select(_a.email, literal("office").label("kind"), _a.id, _a.name, null().label("school")).where(conditions["office"])
    every = union_all(*theirs, offices).subquery()
    return list(tx.execute(select(every).order_by(every.c.kind == "office", every.c.id, every.c.kind.desc())).all())


def _behind(settings: Settings, row: Row[Any]) -> Behind:
    return Behind(
        email=row.email,
        kind=row.kind,
        user_id=0 if row.kind == "office" else row.id,
        name=row.name,
        organisation=organisation(settings, row.school),
        number=row.id * len(KINDS) + KINDS.index(row.kind),
    )
