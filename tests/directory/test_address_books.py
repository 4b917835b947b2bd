"""Address books that learn: ONLYOFFICE contract §1a.6 step 10 (unknown recipients saved as contacts)."""

import threading

from postroom.directory import address_books, people
from postroom.directory.address_books import Contact, ContactInfo
from postroom.directory.people import NewPerson
from postroom.directory.records import Mailbox
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000


def a_person(tx: Tx) -> int:
    return people.add(tx, NewPerson(first_name="Anna", last_name="Żak"), NOW)


def a_contact(number: int, name: str, email: str) -> Contact:
    info = ContactInfo(id=number, kind="email", value=email, is_primary=True)
    return Contact(id=number, name=name, description="", kind="frequent", infos=[info])


def test_the_unknown_are_learnt_once(store: Store) -> None:
    """By their address in any case of letters; everybody has a book of their own."""
    anna, otto = store.database.write_now(a_person), store.database.write_now(a_person)
    pairs = [(anna, Mailbox("Bob", "Bob@x.example")), (anna, Mailbox("", "carol@x.example")), (otto, Mailbox("B", "bob@x.example"))]
    for _ in range(2):
        store.database.write_now(address_books.learn, pairs, NOW)
    store.database.write_now(address_books.learn, [(anna, Mailbox("Robert", "BOB@x.example"))], NOW)
    found, more = store.database.read_now(address_books.page, anna, 0, 10)
    assert not more
    assert found == [a_contact(1, "Bob", "Bob@x.example"), a_contact(2, "", "carol@x.example")]
    assert [contact.name for contact in store.database.read_now(address_books.page, otto, 0, 10)[0]] == ["B"]
    first, more = store.database.read_now(address_books.page, anna, 0, 1)
    assert ([contact.id for contact in first], more) == ([1], True)
    assert store.database.read_now(address_books.page, anna, 2**40, 1) == ([], False)


def test_many_are_learnt_in_few_statements(store: Store) -> None:
    anna = store.database.write_now(a_person)
    with counted(store) as statements:
        store.database.write_now(address_books.learn, [(anna, Mailbox("", f"p{number}@x.example")) for number in range(500)], NOW)
    assert len(statements) <= 5
    with counted(store) as statements:
        store.database.write_now(address_books.learn, [], NOW)
    assert statements == []


def test_two_that_learn_at_once_make_no_double(store: Store) -> None:
    anna = store.database.write_now(a_person)
    ready = threading.Barrier(4)

    def learn() -> None:
        ready.wait(20)
        store.database.write_now(address_books.learn, [(anna, Mailbox("Bob", "bob@x.example"))], NOW)

    workers = [threading.Thread(target=learn) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(store.database.read_now(address_books.page, anna, 0, 10)[0]) == 1
