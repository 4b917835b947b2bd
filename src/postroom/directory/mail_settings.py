"""How a person wants their mailbox shown: a few switches, and whose images may be fetched from elsewhere."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import delete, func, select

from postroom.directory.inserting import insert_into
from postroom.directory.values import check_line
from postroom.errors import TooLarge
from postroom.storage.database import Tx
from postroom.storage.tables import image_addresses, mail_settings

MAX_ADDRESSES: Final = 10_000
"""Addresses whose images one person wants to see."""

_MAX_ADDRESS: Final = 320


class MailSettings(Struct, frozen=True, kw_only=True):
    """The switches."""

    conversations: bool = True
    """Show conversations instead of single messages."""
    all_images: bool = False
    """Fetch images from elsewhere, whoever wrote the message."""
    next_after_move: bool = False
    """Show the next message after one was moved."""
    replace_body: bool = False
    """Let a template replace what is written already."""


def of_person(tx: Tx, user_id: int) -> MailSettings:
    """Return the switches of a person; those of whoever never touched one are the defaults."""
    columns = [mail_settings.c[name] for name in MailSettings.__struct_fields__]
    row = tx.execute(select(*columns).where(mail_settings.c.user_id == user_id)).one_or_none()
    return MailSettings() if row is None else MailSettings(**row._asdict())


def change(tx: Tx, user_id: int, values: Mapping[str, bool]) -> None:
    """Set some switches, by their names in ``MailSettings``."""
    new = structs.asdict(structs.replace(MailSettings(), **values))
    statement = insert_into(tx, mail_settings).values(user_id=user_id, **new)
    tx.execute(statement.on_conflict_do_update(index_elements=[mail_settings.c.user_id], set_=dict(values)))


def addresses_of_images(tx: Tx, user_id: int) -> list[str]:
    """Return the addresses whose images a person wants to see, in alphabetical order."""
    own = select(image_addresses.c.email).where(image_addresses.c.user_id == user_id)
    return list(tx.scalars(own.order_by(image_addresses.c.email)))


def shows_images_of(tx: Tx, user_id: int, email: str) -> bool:
    """Tell whether images of this address are to be fetched: it is among those, or everybody's are."""
    own = select(image_addresses.c.email).where(image_addresses.c.user_id == user_id, image_addresses.c.email == email.lower())
    return of_person(tx, user_id).all_images or tx.execute(own).first() is not None


def show_images_of(tx: Tx, user_id: int, email: str) -> None:
    """Add an address. Raises ``Invalid`` and ``TooLarge`` (``address``), also for one too many."""
    checked = check_line("address", email, _MAX_ADDRESS, required=True).lower()
    count = select(func.count()).where(image_addresses.c.user_id == user_id)
    if tx.execute(count).scalar_one() >= MAX_ADDRESSES:
        raise TooLarge("address", MAX_ADDRESSES)
    tx.execute(insert_into(tx, image_addresses).values(user_id=user_id, email=checked).on_conflict_do_nothing())


def hide_images_of(tx: Tx, user_id: int, email: str) -> None:
    """Take an address away, if it is there."""
    tx.execute(delete(image_addresses).where(image_addresses.c.user_id == user_id, image_addresses.c.email == email.strip().lower()))
