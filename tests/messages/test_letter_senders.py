"""Writing from another address (messages/letter_senders.py; wire/onlyoffice.md §1b ``messages/reassign``, §8.23)."""

import pytest
from msgspec import structs

from postroom.directory import addresses, people
from postroom.errors import NotFound
from postroom.messages import filing, letter_senders, letters, search
from postroom.messages.item_details import Item, Reader, load
from postroom.messages.items import Key, find
from postroom.messages.letter_records import Letter
from postroom.messages.letters import Desk
from postroom.storage.store import Store
from tests.messages.school import School

NOW = 1_800_000_000_000
OFFICE = "office@x.example"


@pytest.fixture
def school(store: Store) -> School:
    return School(store)


@pytest.fixture
def jan(school: School) -> Desk:
    """A person who has the address of an office, too."""
    author = school.author
    number = school.run(addresses.add, OFFICE, "The Office", NOW)
    school.run(addresses.assign, number, author, NOW)
    return Desk(settings=school.store.settings, vault=school.store.vault, author_id=author, dialect="onlyoffice", now=NOW)


def shown(school: School, desk: Desk, number: int) -> Item:
    reader = Reader(settings=desk.settings, vault=desk.vault, user_id=desk.author_id)
    (item,) = school.run(load, reader, school.run(find, desk.author_id, [Key(own=True, id=number)]), whole=True)
    return item


def test_drafts_are_from_the_other_address_and_keep_all_else(school: School, jan: Desk) -> None:
    """§8.23: the sender changes, the body stays; templates, what was sent and what lies in the trash are left alone."""
    own = school.run(lambda tx: people.get(tx, jan.author_id).email)
    letter = Letter(sender=own, to=("nobody@y.example",), subject="Plan", body="<p>Tomorrow</p>")
    draft, other = (school.run(letters.save_draft, jan, letter).message_id for _ in range(2))
    thrown = school.run(letters.save_draft, jan, letter).message_id
    school.run(filing.move, jan.author_id, [Key(own=True, id=thrown)], "trash", NOW)
    template = school.run(letters.save_template, jan, letter).message_id
    sent = school.run(letters.send, jan, letter).message_id
    before = shown(school, jan, draft)
    assert school.run(letter_senders.reassign, jan.author_id, OFFICE.upper(), NOW + 5, templates=False) == 2
    senders = {number: shown(school, jan, number).address for number in (draft, other, thrown, template, sent)}
    assert senders == {draft: OFFICE, other: OFFICE, thrown: own, template: own, sent: own}
    after = shown(school, jan, draft)
    assert structs.replace(after, sender=before.sender, address=before.address, at=before.at) == before
    assert after.sender == f'"The Office" <{OFFICE}>'
    assert set(school.run(search.find, jan.author_id, OFFICE, search.SENDER)) == {draft, other}
    assert school.run(letter_senders.reassign, jan.author_id, OFFICE, NOW, templates=True) == 1
    assert shown(school, jan, template).address == OFFICE
    assert school.run(letter_senders.reassign, jan.author_id, own, NOW, templates=False) == 2
    assert shown(school, jan, draft).address == own


def test_nobody_writes_from_an_address_of_others(school: School, jan: Desk) -> None:
    """§1a.5 row 4: as for one letter; nothing changes."""
    with pytest.raises(NotFound, match="account"):
        school.run(letter_senders.reassign, school.other, OFFICE, NOW, templates=False)
    with pytest.raises(NotFound, match="account"):
        school.run(letter_senders.reassign, jan.author_id, "", NOW, templates=False)
