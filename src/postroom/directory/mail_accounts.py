"""What a person has settled for each of their addresses: the number by which programs know it, a signature, automatic replies."""

from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update

from postroom.directory import owned_addresses
from postroom.directory.owned_addresses import OwnedAddress
from postroom.errors import NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import mail_accounts, users

_c: Final = mail_accounts.c


class Autoreply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When an address answers by itself, and what."""

    on: bool = False
    only_contacts: bool = False
    until_end: bool = False
    """Only until ``end``."""
    begin: int = 0
    """As the next, in milliseconds; 0: not said."""
    end: int = 0
    subject: str = ""
    html: str = ""


class MailAccount(Struct, frozen=True, kw_only=True):
    """One address of a person."""

    id: int
    address: OwnedAddress
    signature: str
    """HTML."""
    signature_on: bool
    autoreply: Autoreply
    is_default: bool
    """What programs write from unless told otherwise: the one that was chosen, else the first one."""


def of_person(tx: Tx, user_id: int) -> list[MailAccount]:
    """Return the addresses that a person has now and that have a number, the primary one first. Raises ``NotFound("user", id)``."""
    kept = {row.email: row for row in tx.execute(select(mail_accounts).where(_c.user_id == user_id))}
    found = [address for address in owned_addresses.of_person(tx, user_id) if address.email.lower() in kept]
    default = next((address for address in found if kept[address.email.lower()].is_default), next(iter(found), None))
    return [
        MailAccount(
            id=row.id,
            address=address,
            signature=row.signature,
            signature_on=row.signature_on,
            autoreply=msgspec.json.decode(row.autoreply, type=Autoreply),
            is_default=address is default,
        )
        for address in found
        for row in [kept[address.email.lower()]]
    ]


def number_all(tx: Tx, user_id: int) -> list[MailAccount]:
    """Give a number to each address of a person that has none yet; return them all. Raises ``NotFound("user", id)``."""
    # Of two calls at once, the second sees what the first has numbered.
    tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    known = {account.address.email for account in of_person(tx, user_id)}
    fresh = [address.email.lower() for address in owned_addresses.of_person(tx, user_id) if address.email not in known]
    if fresh:
        tx.execute(insert(mail_accounts), [{"user_id": user_id, "email": email} for email in fresh])
    return of_person(tx, user_id)


def get(tx: Tx, user_id: int, account_id: int) -> MailAccount:
    """Return one address of a person by its number. Raises ``NotFound("account", id)``."""
    for account in of_person(tx, user_id):
        if account.id == account_id:
            return account
    raise NotFound("account", account_id)


def named(tx: Tx, user_id: int, email: str) -> MailAccount:
    """Return one address of a person, in any case of letters. Raises ``NotFound("account", email)``."""
    for account in number_all(tx, user_id):
        if account.address.email.lower() == email.strip().lower():
            return account
    raise NotFound("account", email)


def prefer(tx: Tx, user_id: int, email: str, *, preferred: bool) -> None:
    """Let an address be the default one, or not any more. Raises ``NotFound("account", email)``."""
    account = named(tx, user_id, email)
    if preferred:
        tx.execute(update(mail_accounts).where(_c.user_id == user_id).values(is_default=_c.id == account.id))
    else:
        tx.execute(update(mail_accounts).where(_c.id == account.id).values(is_default=False))


def sign(tx: Tx, user_id: int, account_id: int, html: str, *, on: bool) -> None:
    """Settle the signature of an address. Raises ``NotFound("account", id)``."""
    get(tx, user_id, account_id)
    tx.execute(update(mail_accounts).where(_c.id == account_id).values(signature=html, signature_on=on))


def reply(tx: Tx, user_id: int, account_id: int, autoreply: Autoreply) -> None:
    """Settle how an address answers by itself. Raises ``NotFound("account", id)``."""
    get(tx, user_id, account_id)
    kept = msgspec.json.encode(autoreply).decode()
    tx.execute(update(mail_accounts).where(_c.id == account_id).values(autoreply=kept))
