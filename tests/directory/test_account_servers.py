"""Mail servers of people's accounts, and their logins there (design promises of issue 7, parts 2 and 3)."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update

from postroom.directory import account_servers, mail_accounts
from postroom.directory.mail_servers import Connection, Kind
from postroom.errors import Invalid, NotFound, Unavailable
from postroom.settings import SuperofficeSettings
from postroom.storage import tables
from postroom.storage.store import Store
from tests.messages.conftest import Office
from tests.support import counted

PASSWORD = "Zażółć gęślą"
SERVERS = SuperofficeSettings(outgoing_servers=["smtp.other.example"], incoming_servers=["imap.other.example"])
SMTP = Connection(host="smtp.other.example", port=587, security="starttls_if_offered", username="anna", password=PASSWORD)
IMAP = Connection(host="imap.other.example", port=993, security="tls", username="anna", password="inne")


def bare(connection: Connection) -> Connection:
    return msgspec.structs.replace(connection, password="")


def keep(office: Office, account_id: int, connection: Connection, kind: Kind = "smtp") -> None:
    settings = msgspec.structs.replace(office.settings, superoffice=SERVERS)
    office.run(account_servers.keep, office.store.vault, office.author, account_id, connection, kind=kind, settings=settings)


def default(office: Office, kind: Kind = "smtp") -> Connection | None:
    return office.run(account_servers.default, office.store.vault, office.author, kind)


def numbers(office: Office) -> list[int]:
    return [account.id for account in office.run(mail_accounts.number_all, office.author)]


def rows(office: Office) -> list[Any]:
    return office.run(lambda tx: list(tx.execute(select(tables.account_servers))))


def test_server_is_kept_shown_without_password_and_forgotten(store: Store) -> None:
    """Both kinds beside each other; the password stands nowhere in the clear, and is gone with its row."""
    office = Office(store)
    first, second = numbers(office)
    keep(office, first, SMTP)
    keep(office, first, IMAP, "imap")
    assert office.run(account_servers.of_person, office.author) == {first: {"smtp": bare(SMTP), "imap": bare(IMAP)}}
    assert office.run(account_servers.of_person, office.other) == {}
    assert PASSWORD not in repr(rows(office))
    assert (default(office), default(office, "imap")) == (SMTP, IMAP)
    changed = msgspec.structs.replace(SMTP, host="SMTP.other.example.", username="other", password="nowe")
    keep(office, first, changed)
    assert default(office) == msgspec.structs.replace(changed, host="smtp.other.example")
    office.run(account_servers.forget, office.author, first, "smtp")
    assert default(office) is None
    assert [row.kind for row in rows(office)] == ["imap"]
    office.run(account_servers.forget, office.author, second, "smtp")  # there is none


def test_password_that_is_not_given_stays_for_the_same_login_only(sqlite_store: Store) -> None:
    """What is read has no password, so saving it again must not lose the one that is kept; another server never gets it."""
    office = Office(sqlite_store)
    first, _ = numbers(office)
    keep(office, first, SMTP)
    keep(office, first, bare(SMTP))
    assert default(office) == SMTP
    for change in ({"port": 465}, {"username": "other"}, {"security": "none"}):
        other = msgspec.structs.replace(bare(SMTP), **change)
        keep(office, first, other)
        assert default(office) == other
        keep(office, first, SMTP)


def test_default_account_is_the_one_that_counts(store: Store) -> None:
    """The chosen one, else the first; one that is not the person's any more does not count, though it was chosen."""
    office = Office(store)
    office.address("office@uni.example", assigned_to=office.author)
    first, second, third = numbers(office)
    keep(office, second, SMTP)
    assert default(office) is None
    office.run(mail_accounts.prefer, office.author, "anna@home.example", preferred=True)
    assert default(office) == SMTP
    other = msgspec.structs.replace(SMTP, username="first")
    keep(office, first, other)
    office.run(lambda tx: tx.execute(update(tables.users).where(tables.users.c.id == office.author).values(alt_email=None)) and None)
    assert default(office) == other
    assert third not in office.run(account_servers.of_person, office.author)


def test_who_has_none_costs_one_statement(sqlite_store: Store) -> None:
    office = Office(sqlite_store)
    numbers(office)
    with counted(sqlite_store) as statements:
        assert sqlite_store.database.read_now(account_servers.default, sqlite_store.vault, office.author, "smtp") is None
    assert len([line for line in statements if line.startswith("SELECT")]) == 1


def test_password_is_bound_to_account_and_server(store: Store) -> None:
    """Whoever can write into the store cannot have a password sent elsewhere, or used by somebody else."""
    office = Office(store)
    first, second = numbers(office)
    keep(office, first, SMTP)
    changes: list[dict[str, Any]] = [{"host": "evil.example"}, {"port": 25}, {"security": "none"}, {"username": "eve"}]
    for change in changes:
        kept = rows(office)[0]._asdict()
        office.run(lambda tx, change=change: tx.execute(update(tables.account_servers).values(change)) and None)
        with pytest.raises(Unavailable):
            default(office)
        office.run(lambda tx, kept=kept: tx.execute(update(tables.account_servers).values(kept)) and None)
    office.run(lambda tx: tx.execute(update(tables.account_servers).values(account_id=second)) and None)
    office.run(mail_accounts.prefer, office.author, "anna@home.example", preferred=True)
    with pytest.raises(Unavailable):
        default(office)


def test_what_is_refused_changes_nothing(store: Store) -> None:
    """A server that is not listed, one of the other kind, an account of somebody else's."""
    office = Office(store)
    first, _ = numbers(office)
    keep(office, first, SMTP)
    stranger = office.run(mail_accounts.number_all, office.other)[0].id
    with pytest.raises(Invalid, match="server"):
        keep(office, first, msgspec.structs.replace(SMTP, host="evil.example"))
    with pytest.raises(Invalid, match="server"):
        keep(office, first, SMTP, "imap")
    for number in (stranger, 0, 2**70):
        with pytest.raises(NotFound):
            keep(office, number, SMTP)
        with pytest.raises(NotFound):
            office.run(account_servers.forget, office.author, number, "smtp")
    assert default(office) == SMTP
    assert len(rows(office)) == 1


def test_servers_go_with_their_person(store: Store) -> None:
    office = Office(store)
    keep(office, numbers(office)[0], SMTP)
    office.run(lambda tx: tx.execute(delete(tables.users).where(tables.users.c.id == office.author)) and None)
    assert rows(office) == []
