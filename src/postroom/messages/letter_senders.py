"""Writing what is not sent yet from another address of its author's."""

from typing import Any, Final

from msgspec import structs
from sqlalchemy import Row, select, update

from postroom.directory import owned_addresses
from postroom.directory.owned_addresses import OwnedAddress
from postroom.directory.records import Mailbox
from postroom.directory.values import chunks
from postroom.messages import letter_records, options, search
from postroom.messages.letters import is_editable
from postroom.storage.database import Tx
from postroom.storage.tables import messages

_m: Final = messages.c


def reassign(tx: Tx, author_id: int, email: str, now: int, *, templates: bool) -> int:
    """Let all drafts of a person, or all templates, be from this one of their addresses; return how many there are (contract §8.23).

    Nothing else of them changes. What lies in the trash stays as it is. Raises as ``owned_addresses.find``. One statement for each.
    """
    address = owned_addresses.find(tx, author_id, email)
    unsent = select(_m.id, _m.status, _m.sent_at, _m.mail, _m.options).where(
        _m.author_id == author_id, _m.letter, _m.sent_at.is_(None), _m.deleted_at.is_(None)
    )
    rows = [
        row
        for row in tx.execute(unsent.order_by(_m.id).with_for_update(key_share=True))
        if is_editable(row) and letter_records.decoded(row.options).is_template == templates
    ]
    for some in chunks(rows):
        for row in some:
            tx.execute(update(messages).where(_m.id == row.id).values(**_from(row, address), modified_at=now))
        search.index(tx, [row.id for row in some], again=True)
    return len(rows)


def _from(row: Row[*tuple[Any, ...]], address: OwnedAddress) -> dict[str, Any]:
    sender = Mailbox(address.name, address.email)
    mail = structs.replace(options.decoded(row.mail), sender=None if address.address_id is not None else sender)
    kept = structs.replace(letter_records.decoded(row.options), sender=sender)
    return {"from_address_id": address.address_id, "mail": options.encoded(mail), "options": letter_records.encoded(kept)}
