"""Letters that leave through the server that their author named: design promises of issue 7, part 2."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postroom import clock
from postroom.delivery import operations, own_connections, reaching
from postroom.delivery.own_connections import OwnServers
from postroom.directory import mail_servers
from postroom.directory.mail_servers import Connection
from postroom.messages import connections, options
from postroom.messages.records import MailOptions
from postroom.storage import tables
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.crash.installation import installation
from tests.delivery.letters import add_message, rows, settled, tries, until, with_relay, working
from tests.delivery.sink import Sink, running

PASSWORD = "Kot w butach"
SINK = ("PIPELINING", "SIZE 10000000", "8BITMIME", "AUTH PLAIN")


def allowing(store: Store, relay_port: int, *servers: str) -> Store:
    ours = with_relay(store, relay_port)
    superoffice = msgspec.structs.replace(ours.settings.superoffice, outgoing_servers=list(servers))
    return msgspec.structs.replace(ours, settings=msgspec.structs.replace(ours.settings, superoffice=superoffice))


def add_letter(tx: Tx, store: Store, connection: Connection, *emails: str, **columns: Any) -> int:
    mail = options.encoded(MailOptions(own_connection=True))
    message = add_message(
        tx, list(emails), shared=True, letter=True, mail=mail, options='{"sender":{"name":"","email":"a@x.example"}}', **columns
    )
    connections.keep(tx, store.vault, message, connection)
    return message


def kept(store: Store) -> list[Any]:
    return store.database.read_now(lambda tx: list(tx.execute(select(tables.connections))))


def at(port: int, **changes: Any) -> Connection:
    return Connection(**{"host": "127.0.0.1", "port": port, "security": "none", "username": "ala", "password": PASSWORD, **changes})


def test_letters_leave_through_their_own_server_alone_and_the_login_is_forgotten(store: Store) -> None:
    """Both letters share the connections of one login; nothing reaches the relay; the password is not readable in the store."""

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink(extensions=SINK)) as own:
            own.credentials = ("ala", "Kot w butach")
            ours = allowing(store, relay.port, f"127.0.0.1:{own.port}")
            letters = [ours.database.write_now(add_letter, ours, at(own.port), f"ok{n}@x.example", f"ok{n}@y.example") for n in range(3)]
            assert "Kot" not in repr(kept(ours))
            async with working(ours):
                for letter in letters:
                    await settled(ours, letter)
            assert relay.connections == 0
            assert own.recipients() == sorted(f"ok{n}@{d}.example" for n in range(3) for d in "xy")
            assert own.connections <= own_connections.CONNECTIONS
            assert kept(ours) == []

    asyncio.run(main())


def test_refused_login_fails_the_letter_with_the_words_of_the_server(sqlite_store: Store) -> None:
    """And holds up neither the relay nor a letter with the right password."""

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink(extensions=SINK)) as own:
            own.credentials = ("ala", "Kot w butach")
            ours = allowing(sqlite_store, relay.port, f"127.0.0.1:{own.port}")
            bad = ours.database.write_now(add_letter, ours, at(own.port, password="nie to"), "ok-bad@x.example")
            good = ours.database.write_now(add_letter, ours, at(own.port), "ok-good@x.example")
            plain = ours.database.write_now(add_message, ["ok-plain@x.example"])
            async with working(ours):
                for message in (bad, good, plain):
                    await settled(ours, message)
            assert (own.recipients(), relay.recipients()) == (["ok-good@x.example"], ["ok-plain@x.example"])
            row = ours.database.read_now(rows, bad)["ok-bad@x.example"]
            assert (row.state, row.reply_code) == ("failed", 535)
            assert "nie to" not in row.reply_text
            assert kept(ours) == []

    asyncio.run(main())


def test_server_that_fails_is_let_go_when_nothing_waits_for_it(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password is tried once, not again and again for nobody, and takes no place from the servers of others."""
    monkeypatch.setattr(own_connections, "MAX_SERVERS", 1)

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink(extensions=SINK)) as own:
            own.credentials = ("ala", "Kot w butach")
            ours = allowing(sqlite_store, relay.port, f"127.0.0.1:{own.port}")
            async with working(ours):
                bad = ours.database.write_now(add_letter, ours, at(own.port, password="nie to"), "ok-bad@x.example")
                await settled(ours, bad)
                await asyncio.sleep(0.5)
                good = ours.database.write_now(add_letter, ours, at(own.port), "ok-good@x.example")
                await settled(ours, good)
            assert own.recipients() == ["ok-good@x.example"]
            assert sum(command.startswith("AUTH") for command in own.commands) == 2

    asyncio.run(main())


def test_server_that_wants_a_login_lets_the_letter_fail(sqlite_store: Store) -> None:
    """530 to MAIL is trouble of a relay of ours; the author of a letter is told of it."""

    async def main() -> None:
        async with running(Sink()) as relay, running(Sink(extensions=SINK)) as own:
            own.credentials = ("ala", "Kot w butach")
            ours = allowing(sqlite_store, relay.port, f"127.0.0.1:{own.port}")
            letter = ours.database.write_now(add_letter, ours, at(own.port, username="", password=""), "ok@x.example")
            async with working(ours):
                await settled(ours, letter)
            row = ours.database.read_now(rows, letter)["ok@x.example"]
            assert (row.state, row.reply_code, relay.connections) == ("failed", 530, 0)

    asyncio.run(main())


def test_absent_server_is_tried_again_and_never_replaced_by_a_relay(sqlite_store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as relay:
            async with running(Sink()) as gone:
                port = gone.port
            ours = allowing(sqlite_store, relay.port, f"127.0.0.1:{port}")
            letter = ours.database.write_now(add_letter, ours, at(port), "ok@x.example")
            async with working(ours):
                await until(lambda: ours.database.read_now(rows, letter)["ok@x.example"].state == "deferred")
                row = ours.database.read_now(rows, letter)["ok@x.example"]
                assert row.reply_text
                assert len(kept(ours)) == 1
                ours.database.write_now(
                    lambda tx: tx.execute(update(tables.recipients).values(expires_at=clock.now(), due_at=clock.now())) and None
                )
                await settled(ours, letter)
            assert relay.connections == 0
            assert kept(ours) == []

    asyncio.run(main())


@pytest.mark.parametrize("forgotten", [True, False])
def test_server_that_is_not_allowed_any_more_or_a_login_that_is_gone_fails(sqlite_store: Store, forgotten: bool) -> None:  # noqa: FBT001
    async def main() -> None:
        async with running(Sink()) as relay:
            ours = allowing(sqlite_store, relay.port)
            letter = ours.database.write_now(add_letter, ours, at(2525), "ok@x.example")
            if forgotten:
                ours.database.write_now(connections.forget, [letter])
            async with working(ours):
                await settled(ours, letter)
            row = ours.database.read_now(rows, letter)["ok@x.example"]
            assert (row.state, relay.connections) == ("failed", 0)
            assert ("not kept any more" if forgotten else mail_servers.NOT_ALLOWED) in row.reply_text

    asyncio.run(main())


@pytest.mark.parametrize("second", ["127.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "10.0.0.1", "fe80::1", "64:ff9b::7f00:1"])
def test_name_that_leads_inside_is_not_connected_to(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    """DNS rebinding: one forbidden address among several forbids all; what was checked is what is connected to."""
    answers = [(2, 1, 6, "", ("93.184.216.34", 25)), (2, 1, 6, "", (second, 25))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(reaching.ForbiddenAddressError):
        reaching.resolve(sqlite_store.settings, "mail.other.example", 25, "smtp")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answers[:1])
    assert reaching.resolve(sqlite_store.settings, "mail.other.example", 25, "smtp") == "93.184.216.34"


@contextlib.asynccontextmanager
async def echoing(final: str) -> AsyncIterator[int]:
    """A server that offers AUTH PLAIN and repeats what it is told, also decoded, after ``final``; its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        said = b""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"AUTH":
                secret = line.split()[2]
                said = b" ".join(
                    (line.strip(), base64.b64decode(secret).replace(b"\0", b" "), base64.b64encode(PASSWORD.encode()), secret[:20])
                )
            answers = {b"EHLO": b"250-x\r\n250 AUTH PLAIN\r\n", b"AUTH": final.encode() + b" " + said + b"\r\n"}
            writer.write(answers.get(verb, b"550 5.7.1 not for " + said + b"\r\n"))
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("final", ["535 5.7.8 bad", "235 2.7.0 welcome", "what is"])
def test_server_that_repeats_the_login_brings_it_nowhere(sqlite_store: Store, final: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refusing the login, refusing the mail, and talking nonsense: the password is in no reply text, no try and no log, in no form."""

    async def main() -> None:
        async with running(Sink()) as relay, echoing(final) as port:
            ours = allowing(sqlite_store, relay.port, f"127.0.0.1:{port}")
            letter = ours.database.write_now(add_letter, ours, at(port), "ok@x.example")
            async with working(ours):
                await until(lambda: bool(ours.database.read_now(rows, letter)["ok@x.example"].reply_text))
            kept_words = repr((ours.database.read_now(rows, letter), ours.database.read_now(tries)))
            heard.append(ours.database.read_now(rows, letter)["ok@x.example"].reply_text)
            heard.append(kept_words)

    heard: list[str] = []
    asyncio.run(main())
    plain = base64.b64encode(f"\0ala\0{PASSWORD}".encode()).decode()
    everything = " ".join(heard) + "".join(capsys.readouterr())
    assert "…" in heard[0] or final == "what is", heard[0]
    for secret in (PASSWORD, plain, plain[:20], base64.b64encode(PASSWORD.encode()).decode()):
        assert secret not in everything


def test_cancelling_forgets_the_login(store: Store) -> None:
    ours = allowing(store, 1, "127.0.0.1:2525")
    letter = ours.database.write_now(add_letter, ours, at(2525), "ok@x.example", "ok@y.example")
    found = list(ours.database.read_now(rows, letter).values())
    ours.database.write_now(operations.perform, ours.settings, operations.CANCEL, [found[0].id], clock.now())
    assert len(kept(ours)) == 1  # somebody still waits
    ours.database.write_now(operations.perform, ours.settings, operations.CANCEL, [found[1].id], clock.now())
    assert kept(ours) == []


def test_number_of_servers_at_once_is_bounded(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More servers than a worker holds: none is held beyond the bound, and letters for the others leave when there is room."""
    most = 0
    name_of = OwnServers.name_of

    def watched(self: OwnServers, connection: Connection) -> str | None:
        nonlocal most
        name = name_of(self, connection)
        most = max(most, sum(relay.own for relay in self._dispatch.relays.values()))
        return name

    monkeypatch.setattr(OwnServers, "name_of", watched)
    monkeypatch.setattr(own_connections, "IDLE", 0.2)
    monkeypatch.setattr(own_connections, "BUSY", 0.2)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            relay = await stack.enter_async_context(running(Sink()))
            sinks = [await stack.enter_async_context(running(Sink())) for _ in range(own_connections.MAX_SERVERS + 5)]
            ours = allowing(sqlite_store, relay.port, *(f"127.0.0.1:{sink.port}" for sink in sinks))
            letters = [ours.database.write_now(add_letter, ours, at(sink.port, username="", password=""), "ok@x.example") for sink in sinks]
            async with working(ours):
                for letter in letters:
                    await settled(ours, letter)
            assert [sink.recipients() for sink in sinks] == [["ok@x.example"]] * len(sinks)
            assert (relay.connections, kept(ours)) == (0, [])

    asyncio.run(main())
    assert most == own_connections.MAX_SERVERS


def test_worker_that_is_killed_sends_once_or_says_that_it_may_have_been_twice() -> None:
    """Design 1.3 for servers of others: kill -9 with two mails on the wire and more behind them; the login is gone at the end."""

    async def main() -> None:
        async with running(Sink(extensions=SINK)) as own:
            own.credentials, own.slow = ("ala", PASSWORD), 0.7
            with installation("sqlite", superoffice={"outgoing_servers": [f"127.0.0.1:{own.port}"]}) as office:
                store = office.store
                letters = [store.database.write_now(add_letter, store, at(own.port), f"slow{n}@x.example") for n in range(6)]
                office.start("worker")
                await until(lambda: len(own.taken) >= 2)
                await until(lambda: own.open_now == own_connections.CONNECTIONS and sum(own.asked.values()) >= 4)
                office.kill("worker")
                own.slow = 0
                assert kept(store)
                office.start("worker")
                for letter in letters:
                    await settled(store, letter)
                office.stop()
                found = {email: row for letter in letters for email, row in store.database.read_now(rows, letter).items()}
                twice = {try_.recipient_id for try_ in store.database.read_now(tries) if try_.outcome == "unknown"}
                got = own.recipients()
                assert {row.state for row in found.values()} == {"delivered"}
                assert 0 < len(twice) <= own_connections.CONNECTIONS
                assert {email for email in found if got.count(email) != 1} <= {email for email, row in found.items() if row.id in twice}
                assert set(got) == set(found)
                assert kept(store) == []

    asyncio.run(main())
