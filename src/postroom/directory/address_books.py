"""A person's own address book: contacts that they entered, and those learnt from what they sent."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update

from postroom.directory import named_mailboxes
from postroom.directory.records import Mailbox
from postroom.directory.values import LARGEST_ID, MAX_NAME, check_line, chunks, known
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage import advisory, bulk
from postroom.storage.database import Tx
from postroom.storage.tables import contact_infos, contacts

ContactKind = Literal["personal", "frequent"]
InfoKind = Literal["email", "phone"]

MAX_INFOS: Final = 50
"""Addresses, and telephone numbers, of one contact."""
MAX_DESCRIPTION: Final = 1_000
MAX_CONTACTS: Final = 100_000
"""Contacts that one person can enter; learning stops nowhere, as it goes by mails that were sent."""

_MAX_PHONE: Final = 100
_LOCK_CLASS: Final = 0x426F6F6B
"""Name space of our advisory locks on PostgreSQL: 'Book'."""

_c: Final = contacts.c
_i: Final = contact_infos.c


class ContactInfo(Struct, frozen=True, kw_only=True):
    """An address or a telephone number of a contact."""

    id: int
    kind: InfoKind
    value: str
    is_primary: bool


class Contact(Struct, frozen=True, kw_only=True):
    """One entry of an address book."""

    id: int
    name: str
    description: str
    kind: ContactKind
    infos: list[ContactInfo]
    """The primary ones first."""


class NewContact(Struct, frozen=True, kw_only=True):
    """A contact as its owner enters it; the first address and the first number are the primary ones."""

    name: str
    description: str = ""
    emails: tuple[str, ...]
    phones: tuple[str, ...] = ()


class Search(Struct, frozen=True, kw_only=True):
    """Which contacts of a book; several conditions must all hold."""

    text: str = ""
    """A piece of the name, the description, an address or a number, without regard to case."""
    kind: ContactKind | None = None
    info_kind: InfoKind | None = None
    info: str = ""
    """With ``info_kind``: an address or a number as a whole, without regard to case; primary ones alone if ``primary``."""
    primary: bool = False
    number: int | None = None


def learn(tx: Tx, written_to: Iterable[tuple[int, Mailbox]], now: int) -> None:
    """Make contacts of those that people wrote to and have not got in their books yet, by address in any case of letters.

    The pairs are the number of the person, and whom they wrote to. The number of statements grows by a few for every 500 pairs.
    """
    for some in chunks(sorted({(user_id, mailbox.email.lower()): mailbox for user_id, mailbox in written_to}.items(), key=_key)):
        user_ids = sorted({user_id for (user_id, _), _ in some})
        advisory.lock(tx, _LOCK_CLASS, user_ids)  # of two that learn at once, the second sees what the first has learnt
        met = _known(tx, user_ids, [email for (_, email), _ in some])
        unknown = [(user_id, mailbox) for (user_id, email), mailbox in some if (user_id, email) not in met]
        if not unknown:
            continue
        numbered = list(zip(bulk.reserve_ids(tx, contacts, len(unknown)), unknown, strict=True))
        bulk.insert_rows(tx, contacts, [_row(number, user_id, mailbox, now) for number, (user_id, mailbox) in numbered])
        values = {"kind": "email", "is_primary": True}
        bulk.insert_rows(tx, contact_infos, [{"contact_id": number, "value": mailbox.email, **values} for number, (_, mailbox) in numbered])


_ALL: Final = Search()


def page(tx: Tx, user_id: int, start: int, limit: int, wanted: Search = _ALL, *, backwards: bool = False) -> tuple[list[Contact], bool]:
    """Return ``limit`` contacts of a person by number, from the ``start``-th on (0 is the first), and whether more follow."""
    order = _c.id.desc() if backwards else _c.id
    chosen = select(_c.id, _c.name, _c.description, _c.kind).where(*_conditions(user_id, wanted)).order_by(order)
    rows = tx.execute(chosen.offset(min(max(start, 0), LARGEST_ID)).limit(limit + 1)).all()
    infos: dict[int, list[ContactInfo]] = {row.id: [] for row in rows[:limit]}
    for chunk in chunks(infos):
        found = select(_i.contact_id, _i.id, _i.kind, _i.value, _i.is_primary).where(_i.contact_id.in_(chunk))
        for row in tx.execute(found.order_by(_i.is_primary.desc(), _i.id)):
            infos[row.contact_id].append(ContactInfo(id=row.id, kind=row.kind, value=row.value, is_primary=row.is_primary))
    return [Contact(**row._asdict(), infos=infos[row.id]) for row in rows[:limit]], len(rows) > limit


def count(tx: Tx, user_id: int, wanted: Search) -> int:
    """Count the contacts of a person."""
    return int(tx.execute(select(func.count()).select_from(contacts).where(*_conditions(user_id, wanted))).scalar_one())


def get(tx: Tx, user_id: int, contact_id: int) -> Contact:
    """Return one contact of a person. Raises ``NotFound("contact", id)``."""
    found, _ = page(tx, user_id, 0, 1, Search(number=contact_id))
    if not found:
        raise NotFound("contact", contact_id)
    return found[0]


def add(tx: Tx, user_id: int, new: NewContact, now: int) -> int:
    """Enter a contact; return its number.

    Raises ``Invalid("emails", …)`` without an address, or for one that is none; ``TooLarge`` and ``Invalid`` for ``name``,
    ``description``, ``emails`` and ``phones``; ``TooLarge("contacts", …)``.
    """
    infos = _checked(new)
    if count(tx, user_id, _ALL) >= MAX_CONTACTS:
        raise TooLarge("contacts", MAX_CONTACTS)
    kept = {"user_id": user_id, "kind": "personal", "created_at": now, "modified_at": now}
    number = int(
        tx.execute(insert(contacts).values(name=new.name.strip(), description=new.description, **kept).returning(_c.id)).scalar_one()
    )
    tx.execute(insert(contact_infos), [{"contact_id": number, **info} for info in infos])
    return number


def change(tx: Tx, user_id: int, contact_id: int, new: NewContact, now: int) -> None:
    """Make another one of a contact, which its owner has entered from now on. Raises as ``add``, and ``NotFound("contact", id)``."""
    infos = _checked(new)
    own = _c.id.in_(known([contact_id])) & (_c.user_id == user_id)
    values = {"name": new.name.strip(), "description": new.description, "kind": "personal", "modified_at": now}
    if tx.execute(update(contacts).where(own).values(values)).rowcount == 0:
        raise NotFound("contact", contact_id)
    tx.execute(delete(contact_infos).where(_i.contact_id == contact_id))
    tx.execute(insert(contact_infos), [{"contact_id": contact_id, **info} for info in infos])


def remove(tx: Tx, user_id: int, contact_ids: Iterable[int]) -> None:
    """Take contacts out of a person's book; others are left alone. One statement for each 500."""
    for chunk in chunks(known(contact_ids)):
        tx.execute(delete(contacts).where(_c.id.in_(chunk), _c.user_id == user_id))


def _conditions(user_id: int, wanted: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_c.user_id == user_id]
    own = _i.contact_id == _c.id
    if wanted.text:
        piece = wanted.text.lower()
        named = (func.lower(column).contains(piece, autoescape=True) for column in (_c.name, _c.description))
        conditions.append(or_(*named, exists().where(own, func.lower(_i.value).contains(piece, autoescape=True)).correlate(contacts)))
    if wanted.number is not None:
        conditions.append(_c.id.in_(known([wanted.number])))
    if wanted.kind is not None:
        conditions.append(_c.kind == wanted.kind)
    if wanted.info_kind is not None:
        info = [own, _i.kind == wanted.info_kind, func.lower(_i.value) == wanted.info.lower(), *([_i.is_primary] if wanted.primary else [])]
        conditions.append(exists().where(*info).correlate(contacts))
    return conditions


def _checked(new: NewContact) -> list[dict[str, Any]]:
    """Check a contact; return its addresses and numbers as they are kept."""
    check_line("name", new.name, MAX_NAME)
    check_line("description", new.description, MAX_DESCRIPTION)
    emails = list(dict.fromkeys(_email(email) for email in new.emails))
    if not emails:
        raise Invalid("emails", "an address is required")
    phones = list(dict.fromkeys(checked for phone in new.phones if (checked := check_line("phones", phone, _MAX_PHONE))))
    return [*_infos("email", emails), *_infos("phone", phones)]


def _email(written: str) -> str:
    mailbox = named_mailboxes.parse(written)
    if mailbox is None:
        raise Invalid("emails", "not an address")
    return mailbox.email


def _infos(kind: InfoKind, values: Sequence[str]) -> list[dict[str, Any]]:
    if len(values) > MAX_INFOS:
        raise TooLarge(f"{kind}s", MAX_INFOS)
    return [{"kind": kind, "value": value, "is_primary": place == 0} for place, value in enumerate(values)]


def _key(pair: tuple[tuple[int, str], Mailbox]) -> tuple[int, str]:
    return pair[0]


def _known(tx: Tx, user_ids: list[int], emails: list[str]) -> set[tuple[int, str]]:
    value = func.lower(_i.value)
    rows = select(_c.user_id, value).join(contact_infos, _i.contact_id == _c.id).where(value.in_(emails), _c.user_id.in_(user_ids))
    return {(user_id, email) for user_id, email in tx.execute(rows)}


def _row(number: int, user_id: int, mailbox: Mailbox, now: int) -> dict[str, Any]:
    kept = {"id": number, "user_id": user_id, "name": mailbox.name, "description": "", "kind": "frequent"}
    return {**kept, "created_at": now, "modified_at": now}
