"""Contacts of a person, and whom they may mean by what they begin to write (wire/onlyoffice.md §1b Contacts)."""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from postroom.dialects.onlyoffice import pictures
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import argument
from postroom.dialects.onlyoffice.lists import Listing
from postroom.dialects.onlyoffice.operation import Operations, operation
from postroom.directory import address_books, contact_rules, named_mailboxes, owned_addresses
from postroom.directory.address_books import ContactKind, InfoKind, NewContact, Search
from postroom.directory.records import Mailbox
from postroom.errors import Invalid, NotFound
from postroom.settings import Settings
from postroom.storage.database import Tx

PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 1_000
MAX_FOUND: Final = 20
"""Addresses from each source."""
MAX_IDS: Final = 10_000

_PICTURE: Final = pictures.PATH + "?cid={}&ps={}"


class ContactType(IntEnum):
    """How a contact came to be."""

    FREQUENTLYCONTACTED = 0
    PERSONAL = 1


class ContactInfoType(IntEnum):
    """What a contact is reached by."""

    EMAIL = 1
    PHONE = 2


_KINDS: Final[dict[ContactType, ContactKind]] = {ContactType.FREQUENTLYCONTACTED: "frequent", ContactType.PERSONAL: "personal"}
_TYPES: Final = {kind: int(number) for number, kind in _KINDS.items()}
_INFO_KINDS: Final[dict[ContactInfoType, InfoKind]] = {ContactInfoType.EMAIL: "email", ContactInfoType.PHONE: "phone"}


class ContactInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """An address or a telephone number."""

    id: int
    value: str
    is_primary: bool


class Contact(Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact; the primary address and the primary number come first."""

    id: int
    name: str
    description: str
    emails: list[ContactInfo]
    phones: list[ContactInfo]
    type: int
    small_foto_url: str
    medium_foto_url: str


class Term(Struct, frozen=True, kw_only=True):
    """What was written so far."""

    term: str = ""


class ContactFilter(Struct, frozen=True, kw_only=True, rename="camel"):
    """Conditions of a list of contacts."""

    search: str = ""
    contact_type: ContactType | None = None
    page_size: int = PAGE_SIZE
    from_index: int = 0
    sortorder: str = ""


class InfoFilter(Struct, frozen=True, kw_only=True, rename="camel"):
    """An address or a number that contacts are to have."""

    info_type: ContactInfoType = ContactInfoType.EMAIL
    data: str = ""
    is_primary: bool = False


class ContactAdding(Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact as it is to be."""

    name: str = ""
    description: str = ""
    emails: list[str] = []
    phone_numbers: list[str] = []


class ContactChanging(ContactAdding, frozen=True, kw_only=True, rename="camel"):
    """Which contact, and what it is to be."""

    id: int = 0


class ContactIds(Struct, frozen=True, kw_only=True):
    """Which contacts."""

    ids: list[int] = []


@operation("GET", "/mail/emails/search", Term, result=list[str])
async def search_emails(call: Call, given: Term) -> list[str]:
    """Find addresses by a piece of them or of a name: of contacts, of the caller, and of people whom the caller may write to."""
    if not given.term.strip():
        raise argument("term parameter empty.", "term")
    return await call.read(_search, call.settings, call.user_id, given.term.strip())


def _search(tx: Tx, settings: Settings, user_id: int, term: str) -> list[str]:
    found: list[Mailbox] = []
    for contact in address_books.page(tx, user_id, 0, MAX_FOUND, Search(text=term))[0]:
        found += [Mailbox(contact.name, info.value) for info in contact.infos if info.kind == "email"][:MAX_FOUND]
    found = found[:MAX_FOUND]
    own = [Mailbox(address.name, address.email) for address in owned_addresses.of_person(tx, user_id)]
    found += [mailbox for mailbox in own if term.lower() in named_mailboxes.written(mailbox).lower()][:MAX_FOUND]
    try:
        people = contact_rules.page(tx, settings, user_id, 0, MAX_FOUND, term)[0]
    except Invalid:  # no name holds this
        people = []
    found += [Mailbox(f"{person.first_name} {person.last_name}".strip(), person.email) for person in people if person.email]
    return [named_mailboxes.written(mailbox) for mailbox in {mailbox.email.lower(): mailbox for mailbox in reversed(found)}.values()][::-1]


@operation("GET", "/mail/contacts", ContactFilter, result=list[Contact])
async def get_contacts(call: Call, given: ContactFilter) -> Listing:
    """List contacts in the order in which they were made."""
    kind = None if given.contact_type is None else _KINDS[given.contact_type]
    wanted = Search(text=given.search.strip(), kind=kind)
    found, total = await call.read(_page, call.user_id, given, wanted)
    return Listing(items=list(map(_shown, found)), total=total, paged=True)


def _page(tx: Tx, user_id: int, given: ContactFilter, wanted: Search) -> tuple[list[address_books.Contact], int]:
    limit = min(max(given.page_size, 1), MAX_PAGE_SIZE)
    backwards = given.sortorder.lower() == "descending"
    found, _ = address_books.page(tx, user_id, given.from_index, limit, wanted, backwards=backwards)
    return found, address_books.count(tx, user_id, wanted)


@operation("GET", "/mail/contacts/bycontactinfo", InfoFilter, result=list[Contact])
async def get_contacts_by_info(call: Call, given: InfoFilter) -> list[Contact]:
    """List the contacts that have an address or a telephone number."""
    wanted = Search(info_kind=_INFO_KINDS[given.info_type], info=given.data.strip(), primary=given.is_primary)
    found, _ = await call.read(address_books.page, call.user_id, 0, MAX_PAGE_SIZE, wanted)
    return list(map(_shown, found))


@operation("POST", "/mail/contact/add", ContactAdding, result=Contact)
async def add_contact(call: Call, given: ContactAdding) -> Contact:
    """Enter a contact."""
    return await _entered(call, given, None)


@operation("PUT", "/mail/contact/update", ContactChanging, result=Contact)
async def update_contact(call: Call, given: ContactChanging) -> Contact:
    """Make another one of a contact."""
    if given.id <= 0:
        raise argument("Invalid contact id.", "id")
    return await _entered(call, given, given.id)


@operation("PUT", "/mail/contacts/remove", ContactIds, result=list[int])
async def remove_contacts(call: Call, given: ContactIds) -> list[int]:
    """Take contacts out of the address book."""
    if not given.ids:
        raise argument("Empty ids collection", "ids")
    if len(given.ids) > MAX_IDS:
        raise argument(f"More than {MAX_IDS} contacts", "ids")
    await call.write(address_books.remove, call.user_id, given.ids)
    return given.ids


async def _entered(call: Call, given: ContactAdding, number: int | None) -> Contact:
    emails = tuple(email for email in given.emails if email.strip())
    new = NewContact(name=given.name, description=given.description, emails=emails, phones=tuple(given.phone_numbers))
    try:
        return _shown(await call.write(_enter, call.user_id, number, new, call.now))
    except Invalid as error:
        if error.parameter == "emails":
            raise argument("Invalid list of emails.", "emails") from None
        raise
    except NotFound:
        raise argument("Contact not found") from None


def _enter(tx: Tx, user_id: int, number: int | None, new: NewContact, now: int) -> address_books.Contact:
    if number is None:
        number = address_books.add(tx, user_id, new, now)
    else:
        address_books.change(tx, user_id, number, new, now)
    return address_books.get(tx, user_id, number)


def _shown(contact: address_books.Contact) -> Contact:
    return Contact(
        id=contact.id,
        name=contact.name,
        description=contact.description,
        emails=_infos(contact, "email"),
        phones=_infos(contact, "phone"),
        type=_TYPES[contact.kind],
        small_foto_url=_PICTURE.format(contact.id, 1),
        medium_foto_url=_PICTURE.format(contact.id, 2),
    )


def _infos(contact: address_books.Contact, kind: InfoKind) -> list[ContactInfo]:
    return [ContactInfo(id=info.id, value=info.value, is_primary=info.is_primary) for info in contact.infos if info.kind == kind]


OPERATIONS: Final[Operations] = (
    search_emails,
    get_contacts,
    get_contacts_by_info,
    add_contact,
    update_contact,
    remove_contacts,
)
