"""The servers of a client, real ones: Postfix with logins by Dovecot's SASL takes the letter, Dovecot keeps its copy (issue 7, part 2)."""

import asyncio
import contextlib
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import select

from postroom import clock
from postroom.directory import account_servers, mail_accounts
from postroom.directory.mail_servers import Connection
from postroom.messages import copies, letters
from postroom.messages.letter_records import Letter
from postroom.messages.letters import Desk
from postroom.settings import SuperofficeSettings
from postroom.storage import tables
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests import postfix
from tests.delivery import dovecot
from tests.delivery.dovecot import Dovecot
from tests.delivery.letters import add_person, rows, settled, until, with_relay, working
from tests.delivery.sink import Sink, running
from tests.postfix import Postfix, running_postfix

ALA = dovecot.PASSWORDS["ala"]
LETTER = Letter(sender="ala@uni.example", to=("ok@x.example", "ok@y.example"), subject="Zażółć", body="<p>gęślą</p>")


@pytest.fixture(scope="module")
def mailboxes() -> Iterator[Dovecot]:
    reason = dovecot.missing() or postfix.missing()
    if reason:
        pytest.skip(f"{reason}: letters through real servers of a client are not shown here")
    with dovecot.running() as server:
        yield server


@contextlib.contextmanager
def submission(mailboxes: Dovecot, next_port: int) -> Iterator[Postfix]:
    """A Postfix that takes mail after a login over TLS only, and hands it on to a loopback port."""
    settings = {
        "mynetworks": "192.0.2.1/32",
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": str(mailboxes.sasl),
        "smtpd_tls_security_level": "may",
        "smtpd_tls_auth_only": "yes",
        "smtpd_tls_cert_file": str(mailboxes.folder / "both.pem"),
        "smtpd_tls_key_file": str(mailboxes.folder / "both.pem"),
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    }
    with running_postfix(next_port, settings) as server:
        yield server


def allowing(store: Store, relay: Sink, server: Postfix, mailboxes: Dovecot) -> Store:
    ours = with_relay(store, relay.port)
    lists = SuperofficeSettings(outgoing_servers=[f"127.0.0.1:{server.port}"], incoming_servers=[f"127.0.0.1:{mailboxes.port}"])
    return msgspec.structs.replace(ours, settings=msgspec.structs.replace(ours.settings, superoffice=lists))


def desk(store: Store, author: int) -> Desk:
    return Desk(settings=store.settings, vault=store.vault, author_id=author, dialect="superoffice", now=clock.now())


def at(server: Postfix, password: str = ALA) -> Connection:
    return Connection(host="127.0.0.1", port=server.port, security="starttls_if_offered", username="ala", password=password)


def secrets(tx: Tx) -> list[str]:
    """Every password that is kept for what waits."""
    return [secret for table in (tables.connections, tables.sent_copies) for secret in tx.scalars(select(table.c.secret)) if secret]


def test_letter_leaves_through_the_server_that_a_call_names_and_its_copy_is_kept(
    sqlite_store: Store, mailboxes: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS with a checked certificate, AUTH, nothing by the relay; the folder of the copy is made; then no password is left."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mailboxes.certificate))

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink()) as world:
            with submission(mailboxes, world.port) as server:
                ours = allowing(sqlite_store, relay, server, mailboxes)
                author = ours.database.write_now(add_person)
                saved = ours.database.write_now(letters.send, desk(ours, author), LETTER, 0, at(server))
                folder = mailboxes.account(folder="Sent Items/2026")
                ours.database.write_now(copies.request, ours.settings, ours.vault, saved.message_id, folder, now=clock.now())
                assert len(ours.database.read_now(secrets)) == 2
                async with working(ours):
                    await settled(ours, saved.message_id)
                    await until(lambda: ours.database.read_now(copies.of_message, saved.message_id)[0].state == "done")
                assert {row.state for row in ours.database.read_now(rows, saved.message_id).values()} == {"delivered"}, server.log()[-3000:]
                await until(lambda: len(world.recipients()) == 2)
                assert (world.recipients(), relay.connections) == (["ok@x.example", "ok@y.example"], 0)
                assert "sasl_method=PLAIN, sasl_username=ala" in server.log()
                ((flags, copy),) = mailboxes.kept("Sent Items.2026")
                assert (flags, saved.identifier.encode() in copy, saved.identifier.encode() in world.taken[0].content) == ("S", True, True)
                assert ours.database.read_now(secrets) == []

    asyncio.run(main())


@pytest.mark.parametrize("trusted", [True, False])
def test_wrong_password_or_untrusted_certificate_lets_nothing_through(
    sqlite_store: Store,
    mailboxes: Dovecot,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,  # noqa: FBT001
) -> None:
    """A refused login fails the letter with the words of Postfix; without a certificate that we trust no login is tried at all."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(mailboxes.certificate))

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink()) as world:
            with submission(mailboxes, world.port) as server:
                ours = allowing(sqlite_store, relay, server, mailboxes)
                author = ours.database.write_now(add_person)
                saved = ours.database.write_now(letters.send, desk(ours, author), LETTER, 0, at(server, "nie to"))
                async with working(ours):
                    await until(lambda: bool(ours.database.read_now(rows, saved.message_id)["ok@x.example"].reply_text))
                row = ours.database.read_now(rows, saved.message_id)["ok@x.example"]
                assert (row.state, row.reply_code) == (("failed", 535) if trusted else ("deferred", None))
                assert ("authentication failed" if trusted else "certificate") in row.reply_text
                assert ("SASL PLAIN authentication failed" in server.log()) == trusted
                assert (world.connections, relay.connections) == (0, 0)
                assert bool(ours.database.read_now(secrets)) != trusted  # what waits still needs it

    asyncio.run(main())


def test_letter_without_a_connection_leaves_through_the_server_of_the_account(
    sqlite_store: Store, mailboxes: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose login stays with the account, encrypted; a letter of somebody without leaves by the relay."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mailboxes.certificate))

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink()) as world:
            with submission(mailboxes, world.port) as server:
                ours = allowing(sqlite_store, relay, server, mailboxes)
                author = ours.database.write_now(add_person)
                other = ours.database.write_now(add_person, "Ola", "Kot", "ola@uni.example")
                account = ours.database.write_now(mail_accounts.number_all, author)[0].id
                keep = account_servers.keep
                ours.database.write_now(keep, ours.vault, author, account, at(server), kind="smtp", settings=ours.settings)
                own = ours.database.write_now(letters.send, desk(ours, author), LETTER)
                others = Letter(sender="ola@uni.example", to=("ok@z.example",), subject="a", body="b")
                common = ours.database.write_now(letters.send, desk(ours, other), others)
                async with working(ours):
                    await settled(ours, own.message_id)
                    await settled(ours, common.message_id)
                await until(lambda: len(world.recipients()) == 2)
                assert (world.recipients(), relay.recipients()) == (["ok@x.example", "ok@y.example"], ["ok@z.example"])
                assert ours.database.read_now(secrets) == []
                assert ours.database.read_now(account_servers.default, ours.vault, author, "smtp") == at(server)

    asyncio.run(main())
