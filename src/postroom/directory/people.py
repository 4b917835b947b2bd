"""People of the organisation."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, bindparam, func, or_, select

from postroom.directory import emails, names
from postroom.directory.inserting import insert_into
from postroom.directory.records import Person
from postroom.directory.values import MAX_KEY, MAX_NAME, MAX_ROLE, MAX_URL, check_line, chunks, known, storable
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import users

LANGUAGES: Final = ("pl", "en")

_COLUMNS: Final = tuple(users.c[name] for name in Person.__struct_fields__)
_BY_IDS: Final = select(*_COLUMNS).where(users.c.id.in_(bindparam("ids", expanding=True)))  # built once: asked for by every request
_LIMITS: Final = {
    "uid": MAX_KEY,
    "first_name": MAX_NAME,
    "middle_names": MAX_NAME,
    "last_name": MAX_NAME,
    "title_before": MAX_NAME,
    "title_after": MAX_NAME,
    "picture": MAX_URL,
    "school": MAX_NAME,
    "role": MAX_ROLE,
}


class NewPerson(Struct, frozen=True, kw_only=True):
    """Somebody who is to be added; see ``records.Person`` for the fields."""

    first_name: str
    last_name: str
    uid: str | None = None
    middle_names: str = ""
    title_before: str = ""
    title_after: str = ""
    email: str | None = None
    alt_email: str | None = None
    language: str = "pl"
    picture: str | None = None
    school: str | None = None
    role: str = ""
    active: bool = True


def full_name() -> ColumnElement[str]:
    """Return first and last name in one, as SQL; empty where an outer join found nobody."""
    return func.trim(func.coalesce(users.c.first_name + " " + users.c.last_name, ""))


def add(tx: Tx, person: NewPerson, now: int) -> int:
    """Add a person; return the number.

    Raises ``Invalid`` (named after the field) for a malformed value, for a nameless person and for a ``uid`` that another
    one has, and ``TooLarge``.
    """
    values = _checked(person)
    statement = insert_into(tx, users).values(**values, created_at=now, modified_at=now).on_conflict_do_nothing()
    number = tx.execute(statement.returning(users.c.id)).scalar_one_or_none()
    if number is None:
        raise Invalid("uid", "another person has it")
    names.index(tx, [(number, f"{person.first_name} {person.middle_names} {person.last_name}")])
    return int(number)


def get(tx: Tx, user_id: int) -> Person:
    """Return one person, active or not. Raises ``NotFound("user", id)``."""
    found = by_ids(tx, [user_id])
    if user_id not in found:
        raise NotFound("user", user_id)
    return found[user_id]


def by_ids(tx: Tx, ids: Iterable[int]) -> dict[int, Person]:
    """Return those people of ``ids`` who exist, active or not."""
    return {row.id: Person(**row._asdict()) for chunk in chunks(known(ids)) for row in tx.execute(_BY_IDS, {"ids": chunk})}


def active_by_ids(tx: Tx, ids: Iterable[int]) -> dict[int, Person]:
    """Return those people of ``ids`` who exist and are active."""
    return {number: person for number, person in by_ids(tx, ids).items() if person.active}


def by_email(tx: Tx, email: str, limit: int) -> list[Person]:
    """Return at most ``limit`` active people whose primary or alternative address this is, in any case of letters, by number.

    Raises ``Invalid("email", …)`` for what is no address.
    """
    normal = emails.normalise(email)
    if normal is None:
        raise Invalid("email", "not an address")
    theirs = or_(func.lower(users.c.email) == normal.lower(), func.lower(users.c.alt_email) == normal.lower())
    found = select(*_COLUMNS).where(theirs, users.c.active).order_by(users.c.id).limit(limit)
    return [Person(**row._asdict()) for row in tx.execute(found)]


def by_uid(tx: Tx, uid: str) -> Person | None:
    """Return the active person with this key in the system that people are imported from."""
    if not storable(uid):
        return None
    row = tx.execute(select(*_COLUMNS).where(users.c.uid == uid, users.c.active)).first()
    return None if row is None else Person(**row._asdict())


def page(tx: Tx, start: int, limit: int) -> tuple[list[Person], int]:
    """Return up to ``limit`` active people from the ``start``-th on, by number; and how many there are."""
    rows = tx.execute(select(*_COLUMNS).where(users.c.active).order_by(users.c.id).offset(start).limit(limit))
    total = tx.execute(select(func.count()).select_from(users).where(users.c.active)).scalar_one()
    return [Person(**row._asdict()) for row in rows], int(total)


def existing_ids(tx: Tx, ids: Iterable[int]) -> set[int]:
    """Return those of ``ids`` that are active people: only they can be written to."""
    return {
        number
        for chunk in chunks(known(ids))
        for number in tx.execute(select(users.c.id).where(users.c.id.in_(chunk), users.c.active)).scalars()
    }


def _checked(person: NewPerson) -> dict[str, object]:
    values = asdict(person)
    for name, limit in _LIMITS.items():
        if values[name] is not None:
            values[name] = check_line(name, values[name], limit)
    for name in ("uid", "picture", "school"):
        values[name] = values[name] or None
    for name in ("email", "alt_email"):
        values[name] = _checked_email(name, values[name])
    if not (values["first_name"] or values["last_name"]):
        raise Invalid("last_name", "a person needs a name")
    if person.language not in LANGUAGES:
        raise Invalid("language", f"one of {', '.join(LANGUAGES)}")
    if values["picture"] and not values["picture"].startswith(("http://", "https://")):
        raise Invalid("picture", "an http:// or https:// address")
    return values


def _checked_email(name: str, value: str | None) -> str | None:
    if not value:
        return None
    normal = emails.normalise(value)
    if normal is None:
        raise Invalid(name, "not an address")
    return normal
