"""Who is behind addresses, and what their domains take (wire/superoffice.md §1.4, §4.4).

By an exact address everybody of the directory is found; by a name those whom the caller may write to (``directory.contact_rules``).
"""

from typing import Final

from msgspec import Struct, field

from postroom.dialects.superoffice import addressing
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import ContactOrPersonFromEmail, EMailAddress, Person
from postroom.dialects.superoffice.operation import Methods, method
from postroom.directory import behind_addresses, contact_rules, mail_domains, names, people
from postroom.directory import records as directory_records
from postroom.directory.behind_addresses import Behind
from postroom.errors import Invalid, TooLarge
from postroom.storage.database import Tx

FOUND: Final = 25
"""People, and organisations, that a search finds unless another limit is given."""
MAX_FOUND: Final = 100
MAX_ADDRESSES: Final = 1_000
"""Addresses that one call is about."""
MAX_TEXT: Final = 100_000
"""Characters of a list of recipients."""


class OneAddress(Struct, frozen=True, kw_only=True, rename="pascal"):
    """An address."""

    address: str = ""


class OfEmailAddress(Struct, frozen=True, kw_only=True, rename="pascal"):
    """An address; or several, or a name, where that is said."""

    email_address: str = ""


class EmailIds(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Numbers of addresses."""

    email_ids: list[int] = field(default_factory=list)


class Sender(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Name and address of somebody who wrote."""

    name: str = ""
    email_address: str = ""


class SenderWithLimit(Sender, frozen=True, kw_only=True, rename="pascal"):
    """The same, and how many are wanted at most."""

    number_of_contacts: int = 0
    number_of_persons: int = 0


class OneDomain(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A domain."""

    mail_domain: str = ""


class Sending(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A domain, and the one that it is to let send in its name."""

    source_spf: str = ""
    target_domain: str = ""


@method("FindAddress", OneAddress, list[EMailAddress])
async def find_address(call: Call, request: OneAddress) -> list[EMailAddress]:
    """Return everybody who has exactly this address, in any case of letters, each with the others beside."""
    found = await call.read(_behind, call, request.address)
    return [addressing.of(one, found) for one in found]


@method("ResolveEMailRecipients", OfEmailAddress, list[EMailAddress])
async def resolve_email_recipients(call: Call, request: OfEmailAddress) -> list[EMailAddress]:
    """Return the recipients of a text: addresses with commas or semicolons between, and who is behind each; of a name, who is called so."""
    if len(request.email_address) > MAX_TEXT:
        raise TooLarge("EmailAddress", MAX_TEXT)
    return await call.read(_resolved, call, request.email_address)


@method("GetEMailAddresses", EmailIds, list[EMailAddress])
async def get_email_addresses(call: Call, request: EmailIds) -> list[EMailAddress]:
    """Return addresses by their numbers (EmailId), in the order given; those that are none are left out."""
    if len(request.email_ids) > MAX_ADDRESSES:
        raise TooLarge("EmailIds", MAX_ADDRESSES)
    return await call.read(_numbered, call, request.email_ids)


@method("GetPersonsFromEmailAddress", OfEmailAddress, list[Person])
async def get_persons_from_email_address(call: Call, request: OfEmailAddress) -> list[Person]:
    """Return the people who have exactly this address."""
    return await call.read(_persons, call, request.email_address)


@method("FindContactOrPersonByEmailName", Sender, list[ContactOrPersonFromEmail])
async def find_contact_or_person_by_email_name(call: Call, request: Sender) -> list[ContactOrPersonFromEmail]:
    """Return people who have an address, and people of a name; then the organisations of all of them. At most 25 of either."""
    return await call.read(_matching, call, request, FOUND, FOUND)


@method("FindContactOrPersonByEmailNameWithLimit", SenderWithLimit, list[ContactOrPersonFromEmail])
async def find_contact_or_person_by_email_name_with_limit(call: Call, request: SenderWithLimit) -> list[ContactOrPersonFromEmail]:
    """Return the same, so many at most: 100 of either, and none for 0."""
    for parameter, limit in (("NumberOfContacts", request.number_of_contacts), ("NumberOfPersons", request.number_of_persons)):
        if limit < 0:
            raise Invalid(parameter, "not less than 0")
    contacts, persons = min(request.number_of_contacts, MAX_FOUND), min(request.number_of_persons, MAX_FOUND)
    return await call.read(_matching, call, request, contacts, persons)


@method("HasMXRecord", OneDomain, bool)
async def has_mx_record(call: Call, request: OneDomain) -> bool:  # noqa: ARG001 - as every handler
    """Tell whether a domain takes mail: DNS has an MX record of it that names a host."""
    return await mail_domains.takes_mail(request.mail_domain)


@method("HasSPFRecord", Sending, bool)
async def has_spf_record(call: Call, request: Sending) -> bool:  # noqa: ARG001 - as every handler
    """Tell whether the SPF record of the target domain includes the source; without a source, whether there is one."""
    return await mail_domains.lets_send(request.target_domain, request.source_spf)


def _behind(tx: Tx, call: Call, email: str) -> list[Behind]:
    wanted = email.strip()
    return behind_addresses.find(tx, call.settings, call.user_id, [wanted]).get(wanted.lower(), []) if wanted else []


def _resolved(tx: Tx, call: Call, text: str) -> list[EMailAddress]:
    if "@" not in text:
        found = behind_addresses.of_people(tx, call.settings, [person.id for person in _called(tx, call, text, FOUND)])
        return [addressing.of(one, [one]) for one in found.values()]
    addresses = addressing.read(text)
    if len(addresses) > MAX_ADDRESSES:
        raise TooLarge("EmailAddress", MAX_ADDRESSES)
    addressing.complete(tx, call.settings, call.user_id, addresses)
    return addresses


def _numbered(tx: Tx, call: Call, numbers: list[int]) -> list[EMailAddress]:
    found = behind_addresses.by_numbers(tx, call.settings, call.user_id, numbers)
    everybody = behind_addresses.find(tx, call.settings, call.user_id, [one.email for one in found.values()]) if found else {}
    return [addressing.of(found[number], everybody[found[number].email.lower()]) for number in numbers if number in found]


def _persons(tx: Tx, call: Call, email: str) -> list[Person]:
    found = {one.user_id: one for one in _behind(tx, call, email) if one.user_id}
    known = people.active_by_ids(tx, found)
    return [_person(known[user_id], one) for user_id, one in found.items() if user_id in known]


def _person(person: directory_records.Person, behind: Behind) -> Person:
    return Person(
        person_id=person.id,
        firstname=person.first_name,
        middle_name=person.middle_names or None,
        lastname=person.last_name,
        title=person.title_before or None,
        email=behind.email,
        full_name=behind.name,
        formal_name=" ".join(part for part in (person.title_before, behind.name, person.title_after) if part),
        contact_id=behind.organisation.id,
        contact_name=behind.organisation.name,
        contact_full_name=behind.organisation.name,
        associate_id=person.id,
        associate_name=behind.name,
        email_name=behind.name,
        category_name=person.role or None,
        person_number=person.uid,
    )


def _matching(tx: Tx, call: Call, sender: Sender, contacts: int, persons: int) -> list[ContactOrPersonFromEmail]:
    """Find people, then their organisations. Four statements at most."""
    exact = _behind(tx, call, sender.email_address)
    called = _called(tx, call, sender.name, MAX_FOUND)
    by_name = behind_addresses.of_people(tx, call.settings, [person.id for person in called]) if called else {}
    found = {(one.user_id, one.name): one for one in [*exact, *by_name.values()]}
    of_persons = [_entry(one) for one in found.values() if one.user_id][:persons]
    organisations = {one.organisation.id: one.organisation for one in found.values()}
    of_contacts = [
        ContactOrPersonFromEmail(contact_id=one.id, contact_name=one.name, sort_name=one.name.lower()) for one in organisations.values()
    ]
    return of_persons + of_contacts[:contacts]


def _entry(behind: Behind) -> ContactOrPersonFromEmail:
    return ContactOrPersonFromEmail(
        person_id=behind.user_id,
        full_name=behind.name,
        email_address=behind.email,
        contact_id=behind.organisation.id,
        contact_name=behind.organisation.name,
        sort_name=behind.name.lower(),
    )


def _called(tx: Tx, call: Call, name: str, limit: int) -> list[directory_records.Person]:
    """Return the people of a name whom the caller may write to; a name of no word that can be looked for is nobody's."""
    words = names.words_of(name[: names.MAX_QUERY])[: names.MAX_WORDS]
    if not any(len(word) >= names.SHORTEST for word in words):
        return []
    return contact_rules.page(tx, call.settings, call.user_id, 0, limit, " ".join(words)[: names.MAX_QUERY])[0]


METHODS: Final[Methods] = (
    find_address,
    find_contact_or_person_by_email_name,
    find_contact_or_person_by_email_name_with_limit,
    resolve_email_recipients,
    get_email_addresses,
    get_persons_from_email_address,
    has_mx_record,
    has_spf_record,
)
