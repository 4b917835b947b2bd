"""A person's own address book: contacts that they entered, and those learnt from what they sent."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import func, select

from postroom.directory.records import Mailbox
from postroom.directory.values import LARGEST_ID, chunks
from postroom.storage import advisory, bulk
from postroom.storage.database import Tx
from postroom.storage.tables import contact_infos, contacts

ContactKind = Literal["personal", "frequent"]
InfoKind = Literal["email", "phone"]

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


def learn(tx: Tx, written_to: Iterable[tuple[int, Mailbox]], now: int) -> None:
    """Make contacts of those that people wrote to and have not got in their books yet, by address in any case of letters.

    The pairs are the number of the person, and whom they wrote to. The number of statements grows by a few for every 500 pairs.
    """
    for some in chunks(sorted({(user_id, mailbox.email.lower()): mailbox for user_id, mailbox in written_to}.items(), key=_key)):
        user_ids = sorted({user_id for (user_id, _), _ in some})
        advisory.lock(tx, _LOCK_CLASS, user_ids)  # of two that learn at once, the second sees what the first has learnt
        known = _known(tx, user_ids, [email for (_, email), _ in some])
        unknown = [(user_id, mailbox) for (user_id, email), mailbox in some if (user_id, email) not in known]
        if not unknown:
            continue
        numbered = list(zip(bulk.reserve_ids(tx, contacts, len(unknown)), unknown, strict=True))
        bulk.insert_rows(tx, contacts, [_row(number, user_id, mailbox, now) for number, (user_id, mailbox) in numbered])
        values = {"kind": "email", "is_primary": True}
        bulk.insert_rows(tx, contact_infos, [{"contact_id": number, "value": mailbox.email, **values} for number, (_, mailbox) in numbered])


def page(tx: Tx, user_id: int, start: int, limit: int) -> tuple[list[Contact], bool]:
    """Return ``limit`` contacts of a person by number, from the ``start``-th on (0 is the first), and whether more follow."""
    chosen = select(_c.id, _c.name, _c.description, _c.kind).where(_c.user_id == user_id).order_by(_c.id)
    rows = tx.execute(chosen.offset(min(max(start, 0), LARGEST_ID)).limit(limit + 1)).all()
    infos: dict[int, list[ContactInfo]] = {row.id: [] for row in rows[:limit]}
    for chunk in chunks(infos):
        found = select(_i.contact_id, _i.id, _i.kind, _i.value, _i.is_primary).where(_i.contact_id.in_(chunk))
        for row in tx.execute(found.order_by(_i.is_primary.desc(), _i.id)):
            infos[row.contact_id].append(ContactInfo(id=row.id, kind=row.kind, value=row.value, is_primary=row.is_primary))
    return [Contact(**row._asdict(), infos=infos[row.id]) for row in rows[:limit]], len(rows) > limit


def _key(pair: tuple[tuple[int, str], Mailbox]) -> tuple[int, str]:
    return pair[0]


def _known(tx: Tx, user_ids: list[int], emails: list[str]) -> set[tuple[int, str]]:
    value = func.lower(_i.value)
    rows = select(_c.user_id, value).join(contact_infos, _i.contact_id == _c.id).where(value.in_(emails), _c.user_id.in_(user_ids))
    return {(user_id, email) for user_id, email in tx.execute(rows)}


def _row(number: int, user_id: int, mailbox: Mailbox, now: int) -> dict[str, Any]:
    kept = {"id": number, "user_id": user_id, "name": mailbox.name, "description": "", "kind": "frequent"}
    return {**kept, "created_at": now, "modified_at": now}
