"""An SMTP server that keeps the truth: what it took, from whom and for whom, and how often it was asked.

The local part of the recipient tells it what to do (``t4x2-…``: defer twice, then take it; see ``Sink._rcpt`` and ``Sink._final``). It
takes commands one at a time and answers them in order, so pipelined ones work.
"""

import asyncio
import base64
import collections
import contextlib
import re
import ssl
from collections.abc import AsyncIterator

from msgspec import Struct


class Taken(Struct, frozen=True):
    """One mail that was taken (or whose connection was dropped at the last moment)."""

    sender: str
    recipient: str
    content: bytes
    acknowledged: bool
    tls: bool
    connection: int
    at: float
    """When, by the clock of the event loop."""


class Sink:
    def __init__(
        self, *, extensions: tuple[str, ...] = ("PIPELINING", "SIZE 10000000", "8BITMIME"), tls: ssl.SSLContext | None = None
    ) -> None:
        self.extensions = extensions
        self.tls = tls
        self.credentials: tuple[str, str] | None = None
        self.port = 0
        self.taken: list[Taken] = []
        self.asked: collections.Counter[str] = collections.Counter()
        self.commands: list[str] = []
        self.connections = 0
        self.open_now = 0
        self.most_open = 0
        self.greeting = b"220 sink ready\r\n"
        self.slow = 0.05
        self.refusals: dict[str, list[str]] = {}  # what an address is told, one time after the other, before it is taken
        self.recipient_limit = 1_000  # of one transaction
        self.connection_limit = 1_000
        self.turned_away = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.busy: collections.Counter[str] = collections.Counter()  # transactions now, by domain
        self.most_busy: collections.Counter[str] = collections.Counter()
        self.injected = b""  # what an attacker puts behind the answer to STARTTLS

    def recipients(self) -> list[str]:
        """Whom mail was acknowledged for, sorted."""
        return sorted(mail.recipient for mail in self.taken if mail.acknowledged)

    def begun(self, domain: str) -> None:
        self.busy[domain] += 1
        self.most_busy[domain] = max(self.most_busy[domain], self.busy[domain])

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open_now >= self.connection_limit:
            self.turned_away += 1
            writer.write(b"421 4.7.0 too many connections\r\n")
            writer.close()
            return
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        session = _Session(self, reader, writer, self.connections)
        self.writers.add(writer)
        try:
            await session.run()
        except (ConnectionError, asyncio.IncompleteReadError, EOFError, ssl.SSLError):
            pass
        finally:
            session.over()
            self.writers.discard(writer)
            self.open_now -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                async with asyncio.timeout(1):  # a handshake that the other side broke off never ends by itself
                    await writer.wait_closed()


class _Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.sink = sink
        self.reader = reader
        self.writer = writer
        self.number = number
        self.secure = writer.get_extra_info("ssl_object") is not None
        self.authenticated = False
        self.sender: str | None = None
        self.accepted: list[str] = []

    async def run(self) -> None:
        self.writer.write(self.sink.greeting)
        while line := await self.reader.readline():
            command = line.decode("ascii").rstrip("\r\n")
            assert line.endswith(b"\r\n"), line
            self.sink.commands.append(command)
            if not await self._command(command):
                await self.writer.drain()
                return

    def say(self, *lines: str) -> bool:
        for line in lines:
            self.writer.write(line.encode() + b"\r\n")
        return True

    async def _command(self, command: str) -> bool:
        """Answer one command; tell whether the conversation goes on."""
        at_once = {
            "EHLO": self._ehlo,
            "HELO": lambda: self.say("250 sink"),
            "RSET": self._reset,
            "QUIT": lambda: not self.say("221 2.0.0 bye"),
        }
        later = {"STAR": self._start_tls, "DATA": self._data}
        with_argument = {"MAIL": self._mail, "RCPT": self._rcpt}
        verb = command[:4].upper()
        if verb in at_once:
            return at_once[verb]()
        if verb in with_argument:
            return with_argument[verb](command)
        if verb in later:
            return await later[verb]()
        return await self._auth(command) if verb == "AUTH" else self.say("500 5.5.1 what?")

    def over(self) -> None:
        """The transaction has come to its end, whatever that was."""
        self.sink.busy.subtract({address.rpartition("@")[2] for address in self.accepted})
        self.sender, self.accepted = None, []

    def _reset(self) -> bool:
        self.over()
        return self.say("250 2.0.0 flushed")

    def _ehlo(self) -> bool:
        if not self.sink.extensions:
            return self.say("502 5.5.1 not here")
        words = [word for word in self.sink.extensions if not (self.secure and word == "STARTTLS")]
        return self.say("250-sink", *(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}")

    async def _start_tls(self) -> bool:
        self.writer.write(b"220 2.0.0 go\r\n" + self.sink.injected)
        await self.writer.drain()
        assert self.sink.tls is not None
        await self.writer.start_tls(self.sink.tls)
        self.secure = True
        return True

    async def _auth(self, command: str) -> bool:
        assert self.sink.credentials is not None
        if command.upper().startswith("AUTH PLAIN "):
            given = tuple(base64.b64decode(command[11:]).decode().split("\0")[1:])
        else:
            words = []
            for prompt in (b"Username:", b"Password:"):
                self.say(f"334 {base64.b64encode(prompt).decode()}")
                words.append(base64.b64decode(await self.reader.readline()).decode())
            given = tuple(words)
        self.authenticated = given == self.sink.credentials
        return self.say("235 2.7.0 welcome" if self.authenticated else "535 5.7.8 no")

    def _mail(self, command: str) -> bool:
        if self.sink.credentials and not self.authenticated:
            return self.say("530 5.7.0 authentication required")
        match = re.fullmatch(r"MAIL FROM:<([^<>]*)>.*", command)
        assert match, command
        self.over()
        self.sender = match[1]
        return self.say("250 2.1.0 ok")

    def _rcpt(self, command: str) -> bool:
        match = re.fullmatch(r"RCPT TO:<([^<>]+)>( NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;[!-~]+)?", command)
        assert match, command
        address = match[1]
        self.sink.asked[address] += 1
        if self.sender is None:
            return self.say("503 5.5.1 MAIL first")
        times = re.match(r"t4x(\d+)", address)
        script = {
            "p5": ("550-5.1.1 no such person", "550 5.1.1 ask somebody else"),
            "t4": ("451 4.7.1 come back later",) if times and self.sink.asked[address] <= int(times[1]) else (),
            "42": ("421 4.3.2 shutting down",),
            "ga": ("what do you mean?",),
        }
        refusal = script.get(address[:2], ())
        if self.sink.refusals.get(address):
            refusal = (self.sink.refusals[address].pop(0),)
        closing = address.startswith("421") or (address.startswith("die") and self.sink.asked[address] == 1)
        if not refusal and not closing and len(self.accepted) >= self.sink.recipient_limit:
            refusal = ("452 4.5.3 too many recipients",)
        if not refusal and not closing:
            domain = address.rpartition("@")[2]
            if not any(other.endswith(f"@{domain}") for other in self.accepted):
                self.sink.begun(domain)
            self.accepted.append(address)
            refusal = ("250 2.1.5 ok",)
        self.say(*refusal)
        return not closing

    async def _data(self) -> bool:
        if not self.accepted:
            return self.say("503 5.5.1 no valid recipients")
        await self.writer.drain()
        self.say("354 go on")
        content = bytearray()
        while (line := await self.reader.readline()) != b".\r\n":
            assert line.endswith(b"\r\n"), line
            assert len(line) <= 1000
            content += line[1:] if line.startswith(b".") else line
        return await self._final(bytes(content))

    async def _final(self, content: bytes) -> bool:
        address = self.accepted[0]
        dropped = address.startswith("drop") and self.sink.asked[address] == 1
        refused = address.startswith("spam")
        if address.startswith("slow"):
            await asyncio.sleep(self.sink.slow)
        if not refused:
            now = asyncio.get_running_loop().time()
            for recipient in self.accepted:
                self.sink.taken.append(Taken(self.sender or "", recipient, content, not dropped, self.secure, self.number, now))
        self.over()
        if dropped:
            return False
        return self.say("554 5.7.1 we do not want this" if refused else "250 2.0.0 taken as 4711")


@contextlib.asynccontextmanager
async def running(sink: Sink, *, implicit_tls: bool = False, port: int = 0) -> AsyncIterator[Sink]:
    """Listen on a loopback port meanwhile."""
    server = await asyncio.start_server(sink.handle, "127.0.0.1", port, ssl=sink.tls if implicit_tls else None, limit=2**20)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
