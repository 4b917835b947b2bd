"""Who is behind addresses, and what their domains take, over HTTP (wire/superoffice.md §1.4, §4.3, §4.4)."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from postroom.dialects.superoffice import addressing
from postroom.dialects.superoffice.carriers import EMailAddress
from postroom.directory import mail_domains, people
from postroom.directory.people import NewPerson
from postroom.settings import ContactSettings
from postroom.storage.tables import institutional_addresses, users
from tests.dialects.superoffice.conftest import Api
from tests.name_server import NameServer, name_server
from tests.support import counted


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with name_server() as server:
        monkeypatch.setattr(mail_domains, "system_resolver", server.resolver)
        yield server


def add(api: Api, first: str, last: str, **values: Any) -> int:
    return api.write(people.add, NewPerson(first_name=first, last_name=last, **values), 1)


def office(api: Api, email: str, name: str) -> None:
    row = insert(institutional_addresses).values(email=email, name=name, created_at=1)
    api.write(lambda tx: tx.execute(row) and None)


def test_find_address_is_exact(api: Api) -> None:
    """Everybody who has the address, in any case of letters; each tells of the others (DuplicatePersonIds)."""
    other = add(api, "Eva", "Lis", email="EWA@x.example", school="Law")
    found = api.result("FindAddress", {"Address": " Ewa@X.example "})
    assert [(one["PersonId"], one["PersonName"], one["ContactName"]) for one in found] == [
        (api.ewa, "Ewa Lis", api.store.settings.mail.organisation),
        (other, "Eva Lis", "Law"),
    ]
    assert [one["DuplicatePersonIds"] for one in found] == [[api.ewa, other], [other, api.ewa]]
    for nobody in ("ewa@x", "wa@x.example", "", None, "a b"):
        assert api.result("FindAddress", {"Address": nobody}) == []


def test_an_office_is_nobody_of_the_organisation(api: Api) -> None:
    office(api, "office@x.example", "Dean's office")
    (one,) = api.result("FindAddress", {"Address": "office@x.example"})
    assert (one["PersonId"], one["PersonName"], one["Name"], one["ContactId"]) == (0, None, "Dean's office", 1)
    assert one["DuplicatePersonIds"] == []
    assert api.result("GetPersonsFromEmailAddress", {"EmailAddress": "office@x.example"}) == []


def test_an_alternative_address_is_its_owners_alone(api: Api) -> None:
    api.write(lambda tx: tx.execute(update(users).where(users.c.id == api.ewa).values(alt_email="secret@home.example")) and None)
    ewas = api.ticket_of(api.ewa)
    for name, body in (
        ("FindAddress", {"Address": "secret@home.example"}),
        ("GetPersonsFromEmailAddress", {"EmailAddress": "secret@home.example"}),
        ("FindContactOrPersonByEmailName", {"EmailAddress": "secret@home.example"}),
    ):
        assert api.result(name, body) == []
        assert api.result(name, body, ticket=ewas)[0]["PersonId"] == api.ewa
    (own,) = api.result("FindAddress", {"Address": "secret@home.example"}, ticket=ewas)
    assert api.result("GetEMailAddresses", {"EmailIds": [own["EmailId"]]}) == []
    assert len(api.result("GetEMailAddresses", {"EmailIds": [own["EmailId"]]}, ticket=ewas)) == 1
    assert api.result("ResolveEMailRecipients", {"EmailAddress": "secret@home.example"})[0]["PersonId"] == 0


def test_recipients_are_resolved(sqlite_api: Api) -> None:
    api = sqlite_api
    found = api.result("ResolveEMailRecipients", {"EmailAddress": 'Somebody <EWA@x.example>; "X, Y" <x@other.example>, jan@x.example'})
    assert [(one["Address"], one["Name"], one["PersonId"]) for one in found] == [
        ("EWA@x.example", "Somebody", api.ewa),
        ("x@other.example", "X, Y", 0),
        ("jan@x.example", "jan@x.example", api.jan),
    ]
    (by_name,) = api.result("ResolveEMailRecipients", {"EmailAddress": "lis ew"})
    assert (by_name["Address"], by_name["PersonId"]) == ("ewa@x.example", api.ewa)
    assert api.result("ResolveEMailRecipients", {"EmailAddress": ""}) == []
    assert api.result("ResolveEMailRecipients", {"EmailAddress": "..."}) == []


def test_addresses_by_their_numbers(sqlite_api: Api) -> None:
    api = sqlite_api
    ids = [api.result("FindAddress", {"Address": email})[0]["EmailId"] for email in ("ewa@x.example", "jan@x.example")]
    found = api.result("GetEMailAddresses", {"EmailIds": [ids[1], 0, -1, 2**31 - 1, ids[0]]})
    assert [one["Address"] for one in found] == ["jan@x.example", "ewa@x.example"]
    answer = api.call("GetEMailAddresses", {"EmailIds": list(range(1_001))})
    api.refused(answer, 400, "ArgumentOutOfRangeException", "EmailIds: more than 1000")


def test_persons_have_their_properties(sqlite_api: Api) -> None:
    api = sqlite_api
    number = add(
        api,
        "Anna",
        "Nowak",
        middle_names="Maria",
        title_before="Dr",
        title_after="MBA",
        email="anna@x.example",
        school="Law",
        role="staff",
        uid="P7",
    )
    (person,) = api.result("GetPersonsFromEmailAddress", {"EmailAddress": "anna@x.example"})
    shown = (
        "PersonId",
        "Firstname",
        "MiddleName",
        "Lastname",
        "Title",
        "Email",
        "FullName",
        "FormalName",
        "ContactName",
        "CategoryName",
        "PersonNumber",
    )
    assert [person[name] for name in shown] == [
        number,
        "Anna",
        "Maria",
        "Nowak",
        "Dr",
        "anna@x.example",
        "Anna Nowak",
        "Dr Anna Nowak MBA",
        "Law",
        "staff",
        "P7",
    ]


def test_people_and_organisations_of_a_name_or_address(api: Api) -> None:
    add(api, "Ewelina", "Lis", email="ewelina@x.example", school="Law")
    found = api.result("FindContactOrPersonByEmailName", {"Name": "Lis", "EmailAddress": "jan@x.example"})
    assert [one["FullName"] for one in found if one["PersonId"]] == ["Jan Robak", "Ewa Lis", "Ewelina Lis"]
    assert [one["ContactName"] for one in found if not one["PersonId"]] == [api.store.settings.mail.organisation, "Law"]
    limits = {"NumberOfContacts": 1, "NumberOfPersons": 2}
    limited = api.result("FindContactOrPersonByEmailNameWithLimit", {"Name": "Lis", "EmailAddress": "jan@x.example", **limits})
    assert [one["PersonId"] != 0 for one in limited] == [True, True, False]
    assert api.result("FindContactOrPersonByEmailNameWithLimit", {"Name": "Lis"}) == []
    for name in ("", "L", "  - ", None, "Unknown Person", "x" * 10_000, " ".join(["Lis"] * 50_000)):
        answer = api.call("FindContactOrPersonByEmailName", {"Name": name})
        assert answer.status_code == 200
    answer = api.call("FindContactOrPersonByEmailNameWithLimit", {"NumberOfPersons": -1})
    api.refused(answer, 400, "ArgumentException", "NumberOfPersons: not less than 0")


def test_names_find_only_whom_one_may_write_to(sqlite_api: Api) -> None:
    api = sqlite_api
    api.store = msgspec.structs.replace(
        api.store, settings=msgspec.structs.replace(api.store.settings, contacts=ContactSettings(may_write_to={"*": ["nobody"]}))
    )
    api.serve()
    assert api.result("FindContactOrPersonByEmailName", {"Name": "Lis"}) == []
    assert api.result("ResolveEMailRecipients", {"EmailAddress": "Ewa Lis"}) == []
    assert api.result("FindAddress", {"Address": "ewa@x.example"})[0]["PersonId"] == api.ewa


def test_addresses_are_completed_from_numbers(api: Api) -> None:
    """In requests: a person or the number of an address stands for the address; what a program says of people counts for nothing."""
    (ewa,) = api.result("FindAddress", {"Address": "ewa@x.example"})
    given = [
        EMailAddress(person_id=api.jan),
        EMailAddress(email_id=ewa["EmailId"], name="My friend"),
        EMailAddress(address="x@other.example", person_id=api.jan, person_name="Jan", contact_id=7, duplicate_person_ids=[1, 2]),
        EMailAddress(person_id=2**31 - 1),
        EMailAddress(),
    ]
    with counted(api.store) as statements:
        api.write(addressing.complete, api.store.settings, api.jan, given)
    assert len(statements) == 3
    assert [(one.address, one.name, one.person_id, one.contact_id) for one in given] == [
        ("jan@x.example", "Jan Robak", api.jan, 1),
        ("ewa@x.example", "My friend", api.ewa, 1),
        ("x@other.example", None, 0, 0),
        (None, None, 0, 0),
        (None, None, 0, 0),
    ]
    assert given[2].duplicate_person_ids == []


def test_many_recipients_take_one_statement(api: Api) -> None:
    text = ", ".join(f"x{number}@other.example" for number in range(400))
    counts = []
    for given in ("ewa@x.example", text):
        with counted(api.store) as statements:
            api.result("ResolveEMailRecipients", {"EmailAddress": given})
        counts.append(len(statements))
    assert counts[0] == counts[1]
    answer = api.call("ResolveEMailRecipients", {"EmailAddress": ",".join(["x@other.example"] * 1_001)})
    api.refused(answer, 400, "ArgumentOutOfRangeException", "EmailAddress: more than 1000")


def test_domains_are_asked_for_in_dns(sqlite_api: Api, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """HasMXRecord, HasSPFRecord; a name server that does not answer is no "no"."""
    api = sqlite_api
    names.say("uni.example", "MX", "10 mail.uni.example.")
    names.say("uni.example", "TXT", '"v=spf1 include:spf.mailer.example -all"')
    assert api.result("HasMXRecord", {"MailDomain": "uni.example"}) is True
    assert api.result("HasMXRecord", {"MailDomain": "nobody.example"}) is False
    assert api.result("HasSPFRecord", {"SourceSpf": "spf.mailer.example", "TargetDomain": "uni.example"}) is True
    assert api.result("HasSPFRecord", {"SourceSpf": "other.example", "TargetDomain": "uni.example"}) is False
    api.refused(api.call("HasMXRecord", {"MailDomain": "a b"}), 400, "ArgumentException", "domain: not a domain")
    names.silent = True
    monkeypatch.setattr(mail_domains, "TIMEOUT", 0.2)
    assert api.call("HasMXRecord", {"MailDomain": "uni.example"}).status_code == 503
