"""Taking bounces over SMTP and LMTP: RFC 5321, RFC 2033; design section 1.5 (smuggling); issue: bad input changes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from postroom.delivery import verp
from postroom.delivery.bounces import listener
from postroom.delivery.bounces.listener import listening
from postroom.settings import BounceSettings
from postroom.storage.database import Tx
from postroom.storage.store import Store, open_store
from postroom.storage.tables import recipients
from tests.delivery.letters import add_message, rows, states, tallies
from tests.processes import free_port

CORPUS = Path(__file__).with_name("corpus")
BOUNCE = (CORPUS / "postfix_unknown.eml").read_bytes().replace(b"\n", b"\r\n")


class Client:
    """Says what it is told, byte by byte, and returns each reply as it came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        lines = []
        async with asyncio.timeout(20):
            while line := (await self.reader.readuntil(b"\r\n")).decode("ascii").rstrip("\r\n"):
                lines.append(line)
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    async def say(self, command: str) -> str:
        return await self.raw(command.encode() + b"\r\n")

    async def raw(self, data: bytes) -> str:
        self.writer.write(data)
        return await self.reply()

    async def send(self, address: str, content: bytes = BOUNCE, sender: str = "") -> str:
        """Hand over a mail as a mail server does; return the last reply."""
        for command, code in ((f"MAIL FROM:<{sender}>", "250"), (f"RCPT TO:<{address}>", "250"), ("DATA", "354")):
            reply = await self.say(command)
            if not reply.startswith(code):
                return reply
        return await self.raw(content + b".\r\n")


def listening_store(store: Store, protocol: str, **more: Any) -> Store:
    bounces = BounceSettings(domain="b.uni.example", listen=protocol, port=free_port(), **more)  # type: ignore[arg-type]
    return msgspec.structs.replace(store, settings=msgspec.structs.replace(store.settings, bounces=bounces))


async def connect(store: Store) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(20):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", store.settings.bounces.port)
            except ConnectionRefusedError:  # the listener opens its port in the background
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def connected(store: Store) -> AsyncIterator[Client]:
    """A client that has said hello."""
    reader, writer = await connect(store)
    client = Client(reader, writer)
    try:
        assert (await client.reply()).startswith("220 b.uni.example")
        hello = "LHLO" if store.settings.bounces.listen == "lmtp" else "EHLO"
        assert "SIZE" in await client.say(f"{hello} mx.uni.example")
        yield client
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def with_client(store: Store, conversation: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with listening(store), connected(store) as client:
            await conversation(client)

    asyncio.run(main())


def delivered(tx: Tx, emails: list[str], state: str = "delivered") -> int:
    message = add_message(tx, emails)
    tx.execute(update(recipients).where(recipients.c.message_id == message).values(state=state, due_at=None))
    return message


def paths(store: Store, message: int) -> list[str]:
    return [verp.of_recipient(store.settings, store.vault, row.id) for row in store.database.read_now(rows, message).values()]


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_a_bounce_is_written_down_before_it_is_acknowledged(store: Store, protocol: str) -> None:
    """From the null sender and from others, one after the other over one connection; each with one reply."""
    ours = listening_store(store, protocol)
    message = store.database.write_now(delivered, ["gone@else.example", "ann@else.example", "bob@else.example"])
    first, second, third = paths(ours, message)

    async def conversation(client: Client) -> None:
        assert (await client.send(first.upper())).startswith("250 ")
        assert store.database.read_now(states, message)["gone@else.example"] == "failed"
        assert (await client.send(second, (CORPUS / "vacation.eml").read_bytes().replace(b"\n", b"\r\n"), "otto@else.example"))[:3] == "250"
        assert (await client.send(third, sender="mailer-daemon@else.example")).startswith("250 ")
        assert (await client.say("QUIT")).startswith("221")

    with_client(ours, conversation)
    expected = {"gone@else.example": "failed", "ann@else.example": "delivered", "bob@else.example": "failed"}
    assert store.database.read_now(states, message) == expected
    assert tallies(store) == {"bounce.applied": 2, "bounce.auto_reply": 1}


def test_addresses_that_are_not_ours_are_refused_and_counted(store: Store) -> None:
    """Nothing is taken for them, so nobody can send bounces at large, nor relay."""
    ours = listening_store(store, "smtp")
    (path,) = paths(ours, store.database.write_now(delivered, ["gone@else.example"]))
    wrong = path.replace("@", "0@")

    async def conversation(client: Client) -> None:
        await client.say("MAIL FROM:<>")
        for address in (wrong, "postmaster@b.uni.example", "ann@else.example", path.replace("@b.", "@c.")):
            assert (await client.say(f"RCPT TO:<{address}>")).startswith("550 5.1.1 ")
        assert (await client.say("DATA")).startswith("503")

    with_client(ours, conversation)
    assert tallies(store) == {"bounce.forged": 4}


def test_one_recipient_a_transaction(sqlite_store: Store) -> None:
    """RFC 2033 section 4.2 asks for a reply for each recipient; the second one is told to come in a mail of its own."""
    ours = listening_store(sqlite_store, "lmtp")
    message = sqlite_store.database.write_now(delivered, ["gone@else.example", "ann@else.example"])
    first, second = paths(ours, message)

    async def conversation(client: Client) -> None:
        await client.say("MAIL FROM:<>")
        assert (await client.say(f"RCPT TO:<{first}>")).startswith("250")
        assert (await client.say(f"RCPT TO:<{second}>")).startswith("452 4.5.3")
        await client.say("DATA")
        assert (await client.raw(BOUNCE + b".\r\n")).startswith("250")
        assert (await client.say("NOOP")).startswith("250"), "there was one reply"
        assert (await client.send(second)).startswith("250")

    with_client(ours, conversation)
    assert set(sqlite_store.database.read_now(states, message).values()) == {"failed"}


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n", b"\n\r\n.\n\r\n"])
def test_nothing_is_smuggled_behind_a_bounce(sqlite_store: Store, end: bytes) -> None:
    """RFC 5321 section 4.1.1.4: only CRLF.CRLF ends a mail. What follows anything else is part of it, and no command."""
    ours = listening_store(sqlite_store, "smtp")
    message = sqlite_store.database.write_now(delivered, ["gone@else.example", "ann@else.example"])
    first, second = paths(ours, message)
    smuggled = f"MAIL FROM:<>\r\nRCPT TO:<{second}>\r\nDATA\r\n".encode() + BOUNCE

    async def conversation(client: Client) -> None:
        assert (await client.send(first, BOUNCE.rstrip(b"\r\n") + end + smuggled)).startswith("250")
        assert (await client.say("NOOP")).startswith("250 OK"), "there was one reply"

    with_client(ours, conversation)
    assert sqlite_store.database.read_now(states, message) == {"gone@else.example": "failed", "ann@else.example": "delivered"}


def test_a_bounce_that_is_too_long_is_refused(sqlite_store: Store) -> None:
    """RFC 1870: by its announced size, and by what comes; the connection goes on. Long lines are no reason."""
    ours = listening_store(sqlite_store, "smtp", max_bytes=65_536)
    message = sqlite_store.database.write_now(delivered, ["gone@else.example"])
    (path,) = paths(ours, message)

    async def conversation(client: Client) -> None:
        assert (await client.say("MAIL FROM:<> SIZE=65537")).startswith("552")
        assert (await client.send(path, BOUNCE + b"x" * 70 + b"\r\n" * 65_536)).startswith("552")
        assert sqlite_store.database.read_now(states, message) == {"gone@else.example": "delivered"}
        assert (await client.send(path, BOUNCE + b"x" * 20_000 + b"\r\n")).startswith("250")

    with_client(ours, conversation)
    assert sqlite_store.database.read_now(states, message) == {"gone@else.example": "failed"}


def test_while_the_store_is_away_the_mail_server_keeps_the_bounce(sqlite_store: Store) -> None:
    """451, for what would be taken and what would be refused; and once more when it is back."""
    ours = listening_store(sqlite_store, "lmtp")
    message = sqlite_store.database.write_now(delivered, ["gone@else.example"])
    (path,) = paths(ours, message)
    sqlite_store.database.close()

    async def away(client: Client) -> None:
        assert (await client.send(path)).startswith("451 4.3.0")
        await client.say("RSET")
        assert (await client.send("ann@b.uni.example")).startswith("451 4.3.0")

    async def back(client: Client) -> None:
        assert (await client.send(path)).startswith("250")

    with_client(ours, away)
    again = open_store(ours.settings)
    try:
        assert again.database.read_now(states, message) == {"gone@else.example": "delivered"}
        with_client(again, back)
        assert again.database.read_now(states, message) == {"gone@else.example": "failed"}
    finally:
        again.close()


def test_a_bounce_waits_for_the_outcome_of_its_mail(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be quicker than the commit of its outcome. It is tried again for some seconds, and then the mail server keeps it."""
    ours = listening_store(sqlite_store, "smtp")
    message = sqlite_store.database.write_now(delivered, ["gone@else.example"], "sending")
    (path,) = paths(ours, message)

    async def conversation(client: Client) -> None:
        monkeypatch.setattr(listener, "PAUSES", (0.01, 0.01))
        assert (await client.send(path)).startswith("451 4.3.0")
        monkeypatch.setattr(listener, "PAUSES", (0.01,) * 1_000)
        sending = asyncio.create_task(client.send(path))
        await asyncio.sleep(0.1)
        assert not sending.done()
        await sqlite_store.database.write(lambda tx: tx.execute(update(recipients).values(state="delivered")) and None)
        assert (await sending).startswith("250")

    with_client(ours, conversation)
    assert sqlite_store.database.read_now(states, message) == {"gone@else.example": "failed"}
    assert tallies(sqlite_store) == {"bounce.applied": 1}


def test_garbage_is_answered_and_changes_nothing(sqlite_store: Store) -> None:
    ours = listening_store(sqlite_store, "smtp")
    message = sqlite_store.database.write_now(delivered, ["gone@else.example"])
    (path,) = paths(ours, message)
    lines = [b"", b"\x00\xff\xfe", b"MAIL FROM:<", b"MAIL FROM:<>", b"RCPT TO:<", b"RCPT TO:<@>", b"RCPT TO:\xff", b"x" * 70_000]

    async def conversation(client: Client) -> None:
        for line in lines:
            reply = await client.raw(line + b"\r\n")
            assert reply[0] in ("4", "5") or line == b"MAIL FROM:<>", reply
        await client.say("RSET")
        assert (await client.send(path, b"\x00\xff" * 500 + b"\r\n")).startswith("250"), "malformed is taken: it would only come again"

    with_client(ours, conversation)
    assert sqlite_store.database.read_now(states, message) == {"gone@else.example": "delivered"}
    assert tallies(sqlite_store)["bounce.malformed"] == 1


def test_connections_are_bounded(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
    ours = listening_store(sqlite_store, "smtp")

    async def main() -> None:
        async with listening(ours):
            async with connected(ours), connected(ours):
                reader, writer = await asyncio.open_connection("127.0.0.1", ours.settings.bounces.port)
                assert (await Client(reader, writer).reply()).startswith("421 4.3.2")
                assert await reader.read() == b""
                writer.close()
            async with connected(ours) as client:
                assert (await client.say("NOOP")).startswith("250")

    asyncio.run(main())


@pytest.mark.parametrize("limit", ["TIMEOUT", "LONGEST"])
def test_silent_and_endless_clients_are_cut_off(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """One that says nothing more in the middle of a mail; one that never comes to an end."""
    monkeypatch.setattr(listener, limit, 0.3)
    ours = listening_store(sqlite_store, "smtp")
    (path,) = paths(ours, sqlite_store.database.write_now(delivered, ["gone@else.example"]))

    async def conversation(client: Client) -> None:
        for command in ("MAIL FROM:<>", f"RCPT TO:<{path}>", "DATA"):
            await client.say(command)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while True:
                    client.writer.write(b"still there\r\n")
                    await client.writer.drain()
                    await asyncio.sleep(0.02)

    with_client(ours, conversation)
    assert tallies(sqlite_store) == {}


def test_the_port_belongs_to_one_worker_and_the_next_goes_on(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers on one host: whoever comes second waits for the port, does its other work meanwhile, and takes over."""
    monkeypatch.setattr(listener, "PORT_PAUSE", 0.05)
    ours = listening_store(sqlite_store, "smtp")
    (path,) = paths(ours, sqlite_store.database.write_now(delivered, ["gone@else.example"]))

    async def main() -> None:
        async with contextlib.AsyncExitStack() as second:
            async with listening(ours), connected(ours):
                await second.enter_async_context(listening(ours))
                await asyncio.sleep(0.2)
            async with connected(ours) as client:
                assert (await client.send(path)).startswith("250")

    asyncio.run(main())


def test_without_the_setting_nothing_listens(sqlite_store: Store) -> None:
    ours = listening_store(sqlite_store, "")

    async def main() -> None:
        async with listening(ours):
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", ours.settings.bounces.port)

    asyncio.run(main())


def test_the_end_does_not_wait_for_clients(sqlite_store: Store) -> None:
    """A worker that stops ends what is open; the mail server comes again."""
    ours = listening_store(sqlite_store, "smtp")
    (path,) = paths(ours, sqlite_store.database.write_now(delivered, ["gone@else.example"]))

    async def main() -> None:
        async with asyncio.timeout(10):
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(listening(ours))
                reader, writer = await connect(ours)
                client = Client(reader, writer)
                for command in ("EHLO x", "MAIL FROM:<>", f"RCPT TO:<{path}>", "DATA"):
                    await client.say(command)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

    asyncio.run(main())
