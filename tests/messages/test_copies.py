"""Asking for copies of sent messages in folders elsewhere."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select

from postroom.errors import Invalid, NotFound, TooLarge, Unavailable, WrongState
from postroom.messages import copies
from postroom.messages.copies import MAX_COPIES, ImapAccount
from postroom.settings import SuperofficeSettings
from postroom.storage.store import Store
from postroom.storage.tables import sent_copies
from tests.messages.conftest import NOW, Office

ACCOUNT = ImapAccount(host="imap.example", port=993, security="tls", username="anna", password="hasło do poczty", folder="Sent")


def request(office: Office, message: int, **changes: Any) -> int:
    settings = structs.replace(office.settings, superoffice=SuperofficeSettings(incoming_servers=["imap.example"]))
    return office.run(copies.request, settings, office.store.vault, message, structs.replace(ACCOUNT, **changes), now=NOW)


def row(office: Office, number: int) -> Any:
    return office.run(lambda tx: tx.execute(select(sent_copies).where(sent_copies.c.id == number)).one())


def test_copy_is_due_at_once_for_two_days(office: Office) -> None:
    """A message is sent for its author when it was accepted: the copy does not wait for an outcome."""
    message = office.sent(emails=["a@x.example"])
    number = request(office, message)
    (copy,) = office.run(copies.of_message, message)
    assert (copy.id, copy.folder, copy.state, copy.attempts, copy.due_at) == (number, "Sent", "queued", 0, NOW)
    assert (copy.reply_text, copy.created_at, copy.settled_at) == (None, NOW, None)
    assert row(office, number).expires_at == NOW + 2 * 86_400_000


def test_password_is_encrypted_for_this_account_alone(office: Office) -> None:
    """Whoever writes another host into the row gets no password sent there."""
    message = office.sent(emails=["a@x.example"])
    secret = row(office, request(office, message)).secret
    assert ACCOUNT.password not in secret
    vault = office.store.vault
    assert vault.decrypt(secret, copies.purpose(message, ACCOUNT)) == ACCOUNT.password
    changes: list[dict[str, Any]] = [{"host": "evil.example"}, {"port": 143}, {"security": "none"}, {"username": "eve"}]
    for change in changes:
        with pytest.raises(Unavailable):
            vault.decrypt(secret, copies.purpose(message, structs.replace(ACCOUNT, **change)))
    with pytest.raises(Unavailable):
        vault.decrypt(secret, copies.purpose(message + 1, ACCOUNT))


def test_account_shows_neither_password_nor_whose_it_is() -> None:
    assert "imap.example" not in repr(ACCOUNT)
    assert "anna" not in repr(ACCOUNT)
    assert "hasło" not in repr(ACCOUNT)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"host": ""}, Invalid),
        ({"host": "imap.example:993"}, Invalid),
        ({"host": "a b"}, Invalid),
        ({"host": "other.example"}, Invalid),
        ({"host": "x" * 300}, Invalid),
        ({"host": "żółw.example"}, Invalid),
        ({"host": "imap.example\r\n"}, Invalid),
        ({"port": 0}, Invalid),
        ({"port": 65_536}, Invalid),
        ({"username": ""}, Invalid),
        ({"username": "a\nb"}, Invalid),
        ({"username": "a" * 1_001}, TooLarge),
        ({"password": ""}, Invalid),
        ({"password": "a\x00b"}, Invalid),
        ({"password": "\ud800"}, Invalid),
        ({"password": "a" * 1_001}, TooLarge),
        ({"folder": " "}, Invalid),
        ({"folder": "Sent\r\nA1 LOGOUT"}, Invalid),
        ({"folder": "a" * 201}, TooLarge),
    ],
)
def test_bad_account_is_refused_with_the_name_of_the_value(
    sqlite_store: Store, change: dict[str, Any], error: type[Invalid | TooLarge]
) -> None:
    office = Office(sqlite_store)
    message = office.sent(emails=["a@x.example"])
    with pytest.raises(error) as caught:
        request(office, message, **change)
    assert caught.value.parameter == next(iter(change))
    assert office.run(copies.of_message, message) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "mail-1.uni.example", " imap.example ", "2001:db8::25", "x"])
def test_hosts_are_names_and_addresses(host: str) -> None:
    assert copies.checked(structs.replace(ACCOUNT, host=host)).host == host.strip()


def test_only_a_sent_message_has_copies(office: Office) -> None:
    with pytest.raises(WrongState, match="sent_required"):
        request(office, office.draft())
    for number in (0, -1, 4_711, 2**70):
        with pytest.raises(NotFound):
            request(office, number)
        assert office.run(copies.of_message, number) == []


def test_message_has_a_bounded_number_of_copies(office: Office) -> None:
    message = office.sent(emails=["a@x.example"])
    for number in range(MAX_COPIES):
        request(office, message, folder=f"Sent {number}")
    with pytest.raises(TooLarge, match="copies"):
        request(office, message)
    assert [copy.folder for copy in office.run(copies.of_message, message)] == [f"Sent {number}" for number in range(MAX_COPIES)]
