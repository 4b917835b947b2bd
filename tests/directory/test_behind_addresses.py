"""Who is behind an address (SuperOffice contract §4.3: ContactId, PersonId, EmailId, DuplicatePersonIds)."""

from typing import Any

import pytest
from sqlalchemy import insert

from postroom.directory import behind_addresses, people
from postroom.directory.behind_addresses import Behind
from postroom.directory.people import NewPerson
from postroom.storage.store import Store
from postroom.storage.tables import institutional_addresses
from tests.support import counted

NOW = 1_700_000_000_000


class Directory:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.settings = store.settings

    def person(self, first: str, **values: Any) -> int:
        new = NewPerson(first_name=first, last_name="Nowak", **values)
        return self.store.database.write_now(people.add, new, NOW)

    def office(self, email: str, name: str) -> int:
        row = insert(institutional_addresses).values(email=email, name=name, created_at=NOW).returning(institutional_addresses.c.id)
        return self.store.database.write_now(lambda tx: int(tx.execute(row).scalar_one()))

    def find(self, *emails: str, reader: int = 0) -> dict[str, list[Behind]]:
        return self.store.database.write_now(behind_addresses.find, self.settings, reader, emails)

    def numbered(self, *numbers: int, reader: int = 0) -> dict[int, Behind]:
        return self.store.database.write_now(behind_addresses.by_numbers, self.settings, reader, numbers)


@pytest.fixture
def directory(store: Store) -> Directory:
    return Directory(store)


def test_people_and_offices_are_found_by_address_in_any_case(directory: Directory) -> None:
    anna = directory.person("Anna", email="Anna@uni.example", school="Law")
    office = directory.office("office@uni.example", "Dean's office")
    found = directory.find("ANNA@uni.example", "office@UNI.example", "nobody@uni.example")
    assert found.keys() == {"anna@uni.example", "office@uni.example"}
    (one,) = found["anna@uni.example"]
    assert (one.user_id, one.name, one.email, one.kind) == (anna, "Anna Nowak", "Anna@uni.example", "primary")
    assert one.organisation.name == "Law"
    (other,) = found["office@uni.example"]
    assert (other.user_id, other.name, other.kind, other.number // 3) == (0, "Dean's office", "office", office)
    assert other.organisation.id == 1


def test_everybody_who_shares_an_address_is_there_by_number(directory: Directory) -> None:
    numbers = [directory.person(name, email="shared@uni.example") for name in ("Zoe", "Adam")]
    directory.person("Gone", email="shared@uni.example", active=False)
    directory.office("shared@uni.example", "Office")
    assert [one.user_id for one in directory.find("shared@uni.example")["shared@uni.example"]] == [*numbers, 0]


def test_an_alternative_address_leads_its_owner_alone_to_anybody(directory: Directory) -> None:
    """A private address would tell everybody whose it is."""
    anna = directory.person("Anna", email="anna@uni.example", alt_email="secret@home.example")
    otto = directory.person("Otto", email="otto@uni.example")
    assert directory.find("secret@home.example", reader=otto) == {}
    (one,) = directory.find("secret@home.example", reader=anna)["secret@home.example"]
    assert (one.user_id, one.kind) == (anna, "alternative")
    assert directory.numbered(one.number, reader=otto) == {}
    assert directory.numbered(one.number, reader=anna) == {one.number: one}


def test_each_address_has_a_number_of_its_own(directory: Directory) -> None:
    anna = directory.person("Anna", email="anna@uni.example", alt_email="home@x.example")
    directory.office("office@uni.example", "Office")
    found = directory.find("anna@uni.example", "home@x.example", "office@uni.example", reader=anna)
    numbers = {one.number: one for every in found.values() for one in every}
    assert len(numbers) == 3
    assert directory.numbered(*numbers, reader=anna) == numbers
    assert directory.numbered(0, -5, 2**31 * 3, 2**62, 999, reader=anna) == {}


def test_organisations_keep_their_numbers(directory: Directory) -> None:
    """They are made of the name alone, fit 32 bits, and are none of the installation's own."""
    law = behind_addresses.organisation(directory.settings, "Law")
    own = behind_addresses.organisation(directory.settings, None)
    assert law == behind_addresses.organisation(directory.settings, "Law")
    assert 1 < law.id < 2**31
    assert law.id != behind_addresses.organisation(directory.settings, "Physics").id
    assert (own.id, own.name) == (1, directory.settings.mail.organisation)


def test_primary_addresses_of_people(directory: Directory) -> None:
    anna = directory.person("Anna", email="anna@uni.example")
    none = directory.person("Nemo")
    gone = directory.person("Gone", email="gone@uni.example", active=False)
    found = directory.store.database.write_now(behind_addresses.of_people, directory.settings, [anna, none, gone, 0, 999])
    assert {number: one.email for number, one in found.items()} == {anna: "anna@uni.example"}


def test_many_addresses_take_one_statement(directory: Directory) -> None:
    directory.person("Anna", email="anna@uni.example")
    emails = [f"x{number}@uni.example" for number in range(499)]
    with counted(directory.store) as statements:
        assert directory.find("anna@uni.example", *emails).keys() == {"anna@uni.example"}
    assert len(statements) == 1
    assert directory.find("bad\0@uni.example") == {}
