"""Labels: what a person marks messages with, as ONLYOFFICE does with its tags."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Select, delete, func, insert, literal, select, update

from postroom.directory import named_mailboxes
from postroom.directory.inserting import insert_into
from postroom.directory.values import LARGEST_ID, chunks, known
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import items
from postroom.messages.items import Key
from postroom.messages.texts import check_line
from postroom.storage.database import Tx
from postroom.storage.tables import institutional_addresses, label_addresses, labelled, labels, messages, recipients, users

MAX_NAME: Final = 255
MAX_LABELS: Final = 1_000
"""Labels of one person."""
MAX_ADDRESSES: Final = 500

_l: Final = labels.c


class NewLabel(Struct, frozen=True, kw_only=True):
    """A label as its owner wants it."""

    name: str
    style: str = ""
    """A word that the owner's program knows."""
    addresses: tuple[str, ...] = ()


class Label(NewLabel, frozen=True, kw_only=True):
    """A label that is there."""

    id: int
    items: int
    """How many have it."""


def of_person(tx: Tx, user_id: int, label_id: int | None = None) -> list[Label]:
    """Return the labels of a person, the newest first; or one of them, or none. One statement."""
    having = select(func.count()).where(labelled.c.label_id == _l.id).correlate(labels).scalar_subquery()
    chosen = select(_l.id, _l.name, _l.style, _l.addresses, having.label("items")).where(_l.user_id == user_id)
    if label_id is not None:
        chosen = chosen.where(_l.id == min(max(label_id, 0), LARGEST_ID))
    return [
        Label(**{**row._asdict(), "addresses": msgspec.json.decode(row.addresses, type=tuple[str, ...])})
        for row in tx.execute(chosen.order_by(_l.id.desc()))
    ]


def create(tx: Tx, user_id: int, new: NewLabel) -> int:
    """Make a label and return its number.

    Raises ``Invalid("name", …)`` (``required``), ``WrongState("exists")`` when the person has one of this name, whatever its case;
    ``TooLarge`` and ``Invalid`` for ``name``, ``style``, ``addresses`` and ``labels``.
    """
    values = _checked(tx, user_id, new)
    number = int(tx.execute(insert(labels).values(user_id=user_id, **values).returning(_l.id)).scalar_one())
    _bind(tx, number, new)
    return number


def change(tx: Tx, user_id: int, label_id: int, new: NewLabel) -> None:
    """Make another one of a label. Raises as ``create``, and ``NotFound("label", id)`` behind what is wrong with the name."""
    values = _checked(tx, user_id, new, label_id)
    _check(tx, user_id, label_id)
    tx.execute(update(labels).where(_l.id == label_id).values(values))
    tx.execute(delete(label_addresses).where(label_addresses.c.label_id == label_id))
    _bind(tx, label_id, new)


def remove(tx: Tx, user_id: int, label_id: int) -> None:
    """Take a label away, from whatever has it. Raises ``NotFound("label", id)``."""
    _check(tx, user_id, label_id)
    tx.execute(delete(labels).where(_l.id == label_id))


def put(tx: Tx, user_id: int, label_id: int, keys: Iterable[Key]) -> None:
    """Put a label on those of the items that the person has. Raises ``NotFound("label", id)``."""
    if not _held(tx, user_id, [label_id]):
        raise NotFound("label", label_id)
    for own, numbers in _split(tx, user_id, keys):
        column = _column(own)
        rows = [{"label_id": label_id, column: number} for number in numbers]
        tx.execute(insert_into(tx, labelled).on_conflict_do_nothing(), rows)


def take(tx: Tx, user_id: int, label_id: int, keys: Iterable[Key]) -> None:
    """Take a label off those of the items that the person has. Raises ``NotFound("label", id)``."""
    _check(tx, user_id, label_id)
    for own, numbers in _split(tx, user_id, keys):
        tx.execute(delete(labelled).where(labelled.c.label_id == label_id, labelled.c[_column(own)].in_(numbers)))


def set_all(tx: Tx, user_id: int, key: Key, label_ids: Iterable[int]) -> None:
    """Let an item have those of the labels that are the person's, and no others."""
    items.get(tx, user_id, key)
    column = labelled.c[_column(key.own)]
    tx.execute(delete(labelled).where(column == key.id))
    rows = [{"label_id": label_id, column.name: key.id} for label_id in _held(tx, user_id, label_ids)]
    if rows:
        tx.execute(insert_into(tx, labelled).on_conflict_do_nothing(), rows)


def put_by_sender(tx: Tx, message_id: int, sender: str = "") -> None:
    """Put labels that have the address of a sender on a message, for each who has it in the mailbox and such a label; one statement.

    ``sender``: the address alone; empty: the one that a message bears whose author chose none.
    """
    r, a, m, office = recipients.c, label_addresses.c, messages.c, institutional_addresses.c
    author = messages.outerjoin(users, users.c.id == m.author_id).outerjoin(institutional_addresses, office.id == m.from_address_id)
    own = select(func.lower(func.coalesce(office.email, users.c.email, users.c.alt_email))).select_from(author).where(m.id == message_id)
    found = select(_l.id, r.id).join(label_addresses, a.label_id == _l.id).join(recipients, r.user_id == _l.user_id)
    came = found.where(a.email == (sender.lower() or own.scalar_subquery()), r.message_id == message_id, r.received_at.is_not(None))
    tx.execute(insert(labelled).from_select(["label_id", "recipient_id"], _kept(came)))


def put_on_own(tx: Tx, user_id: int, message_id: int, sender: str) -> None:
    """Put labels of a person that have the address alone which their message bears on that message; one statement."""
    a = label_addresses.c
    bound = select(_l.id, literal(message_id)).join(label_addresses, a.label_id == _l.id)
    bound = bound.where(a.email == sender.lower(), _l.user_id == user_id)
    tx.execute(insert_into(tx, labelled).from_select(["label_id", "message_id"], _kept(bound)).on_conflict_do_nothing())


def _kept(found: Select[Any]) -> Select[Any]:
    """Let nobody take the selected labels away until this transaction ends: whoever writes must not fail for a reader who tidies up."""
    return found.order_by(_l.id).with_for_update(read=True, key_share=True, of=labels)


def of_items(tx: Tx, keys: Iterable[Key]) -> dict[Key, list[int]]:
    """Return the labels of items, by number; two statements for each 500."""
    found: dict[Key, list[int]] = {}
    for chunk in chunks(keys):
        for own in (False, True):
            numbers = [key.id for key in chunk if key.own == own]
            column = labelled.c[_column(own)]
            if numbers:
                rows = select(column.label("id"), labelled.c.label_id).where(column.in_(numbers)).order_by(labelled.c.label_id)
                for row in tx.execute(rows):
                    found.setdefault(Key(own, row.id), []).append(row.label_id)
    return found


def _column(own: bool) -> str:  # noqa: FBT001 - as keys have it
    return "message_id" if own else "recipient_id"


def _split(tx: Tx, user_id: int, keys: Iterable[Key]) -> list[tuple[bool, list[int]]]:
    found = items.find(tx, user_id, keys)
    split = ((own, sorted(one.id for one in found if bool(one.own) == own)) for own in (False, True))
    return [(own, some) for own, numbers in split for some in chunks(numbers)]


def _held(tx: Tx, user_id: int, label_ids: Iterable[int]) -> list[int]:
    """Return those of the labels that are the person's, and keep others from taking them away until this transaction ends."""
    held: list[int] = []
    for chunk in chunks(sorted(known(label_ids))):
        own = select(_l.id).where(_l.id.in_(chunk), _l.user_id == user_id).order_by(_l.id)
        held += tx.scalars(own.with_for_update(read=True, key_share=True))
    return held


def _bind(tx: Tx, label_id: int, new: NewLabel) -> None:
    """Let messages be labelled by the addresses of a label when they come; what has no address in it binds nothing."""
    mailboxes = map(named_mailboxes.parse, new.addresses)
    rows = [{"email": email, "label_id": label_id} for email in sorted({one.email.lower() for one in mailboxes if one is not None})]
    if rows:
        tx.execute(insert(label_addresses), rows)


def _check(tx: Tx, user_id: int, label_id: int) -> None:
    if not of_person(tx, user_id, label_id):
        raise NotFound("label", label_id)


def _checked(tx: Tx, user_id: int, new: NewLabel, label_id: int | None = None) -> dict[str, Any]:
    trimmed = new.name.strip()
    if not trimmed:
        raise Invalid("name", "required")
    check_line("name", trimmed, MAX_NAME)
    check_line("style", new.style, MAX_NAME)
    addresses: Sequence[str] = [address.strip() for address in new.addresses if address.strip()]
    if len(addresses) > MAX_ADDRESSES:
        raise TooLarge("addresses", MAX_ADDRESSES)
    for address in addresses:
        check_line("addresses", address, MAX_NAME)
    # Of two that make the same at once, the second sees what the first has made.
    tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    had = tx.execute(select(_l.id, _l.name).where(_l.user_id == user_id)).all()
    if any(row.name.lower() == trimmed.lower() and row.id != label_id for row in had):
        raise WrongState("exists")
    if label_id is None and len(had) >= MAX_LABELS:
        raise TooLarge("labels", MAX_LABELS)
    return {"name": trimmed, "style": new.style, "addresses": msgspec.json.encode(addresses).decode()}
