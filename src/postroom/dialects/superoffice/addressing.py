"""Addresses and who is behind them, as the interface has them (wire/superoffice.md §4.3 EMailAddress).

Everybody of the directory is a person and an associate under one number; their school, else the organisation of the installation, is the
contact (our choices, ``directory.behind_addresses``).
"""

from collections.abc import Iterable

from postroom.dialects.superoffice.carriers import EMailAddress
from postroom.directory import behind_addresses, named_mailboxes
from postroom.directory.behind_addresses import Behind
from postroom.directory.records import Mailbox
from postroom.settings import Settings
from postroom.storage.database import Tx


def read(written: str) -> list[EMailAddress]:
    """Return the mailboxes of a list as it stands in a header; what is none of them is kept as the name of nobody known."""
    found = []
    for entry in named_mailboxes.split(written):
        mailbox = named_mailboxes.parse(entry)
        found.append(
            EMailAddress(name=entry) if mailbox is None else EMailAddress(address=mailbox.email, name=mailbox.name or mailbox.email)
        )
    return found


def written(address: EMailAddress) -> str:
    """Return an address as it stands in a header."""
    return named_mailboxes.written(Mailbox(address.name or "", (address.address or "").strip()))


def complete(tx: Tx, settings: Settings, reader_id: int, addresses: Iterable[EMailAddress]) -> None:
    """Fill in what is missing: the address, of a person or by its number; then who is behind each. Three statements at most for each 500.

    What the directory does not know stays as it is, but for numbers: these are ours, or 0.
    """
    every = list(addresses)
    without = [one for one in every if not (one.address or "").strip()]
    by_number = behind_addresses.by_numbers(tx, settings, reader_id, [one.email_id for one in without if one.email_id]) if without else {}
    of_people = behind_addresses.of_people(tx, settings, [one.person_id for one in without if one.person_id]) if without else {}
    for one in without:
        known = by_number.get(one.email_id) or of_people.get(one.person_id)
        if known is not None:
            one.address, one.name = known.email, one.name or known.name
    found = behind_addresses.find(tx, settings, reader_id, [one.address for one in every if one.address]) if every else {}
    for one in every:
        _fill(one, found.get((one.address or "").strip().lower(), []))


def of(behind: Behind, everybody: Iterable[Behind]) -> EMailAddress:
    """Return the address of one whom it belongs to, among everybody whom it belongs to."""
    address = EMailAddress(address=behind.email, name=behind.name)
    _fill(address, [behind, *(one for one in everybody if one != behind)])
    return address


def _fill(address: EMailAddress, behind: list[Behind]) -> None:
    first = behind[0] if behind else None
    address.contact_id = first.organisation.id if first else 0
    address.contact_name = first.organisation.name if first else None
    address.person_id = address.associate_id = first.user_id if first else 0
    address.person_name = first.name if first and first.user_id else None
    address.email_id = first.number if first else 0
    address.duplicate_person_ids = list(dict.fromkeys(one.user_id for one in behind if one.user_id))
    if first and not address.name:
        address.name = first.name
