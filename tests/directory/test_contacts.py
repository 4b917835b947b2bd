"""What is known of a program beside its name."""

import pytest

from postroom.directory import clients, contacts
from postroom.directory.contacts import Contact
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.store import Store

NOW = 1_700_000_000_000
FULL = Contact(url="https://app.example/", email="it@uni.example", callbacks=("https://app.example/back", "org.example.app:/back"))


def add(store: Store, contact: Contact | None = None) -> str:
    return str(store.database.write_now(clients.add_client, store.vault, "Plan", administrative=False, now=NOW, contact=contact).key)


def test_what_was_said_of_a_program_is_shown(store: Store) -> None:
    program = store.database.read_now(contacts.program, add(store, FULL))
    assert program.contact == FULL
    assert (program.name, program.administrative, program.active, program.created_at) == ("Plan", False, True, NOW)
    assert store.database.read_now(contacts.program, add(store)).contact == Contact()


def test_what_is_given_is_changed_and_nothing_else(store: Store) -> None:
    key, other = add(store, FULL), add(store, FULL)
    store.database.write_now(contacts.change, key, {"callbacks": (), "url": ""})
    assert store.database.read_now(contacts.program, key).contact == Contact(email="it@uni.example")
    assert store.database.read_now(contacts.program, other).contact == FULL


@pytest.mark.parametrize(
    ("contact", "error", "parameter"),
    [
        (Contact(url="javascript:alert(1)"), Invalid, "url"),
        (Contact(url="https://a\nb"), Invalid, "url"),
        (Contact(url="https://" + "a" * 2_000), TooLarge, "url"),
        (Contact(email="nobody"), Invalid, "email"),
        (Contact(callbacks=("oob",)), Invalid, "callback"),
        (Contact(callbacks=("https://a.example/\nhttps://b.example/",)), Invalid, "callback"),
        (Contact(callbacks=("https://a.example/",) * 101), TooLarge, "callback"),
    ],
)
def test_what_cannot_be_said_changes_nothing(store: Store, contact: Contact, error: type[Exception], parameter: str) -> None:
    with pytest.raises(error) as refused:
        add(store, contact)
    assert getattr(refused.value, "parameter", None) == parameter
    key = add(store, FULL)
    changes = {name: getattr(contact, name) for name in ("url", "email", "callbacks") if getattr(contact, name)}
    with pytest.raises(error):
        store.database.write_now(contacts.change, key, changes)
    assert store.database.read_now(contacts.program, key).contact == FULL


@pytest.mark.parametrize("key", ["", "unknown", "a\0b", "\ud800"])
def test_unknown_keys_are_not_found(store: Store, key: str) -> None:
    with pytest.raises(NotFound):
        store.database.read_now(contacts.program, key)
