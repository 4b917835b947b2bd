"""The truth-keeping sink: an SMTP server in a process of its own that outlives every kill and remembers each mail.

It takes pipelined commands (RFC 2920) and remembers, for every recipient, each mail whose final dot arrived: when, under which
Message-ID, and whether it was answered with 250. By the recipient's address it plays a difficult relay:

| address | what the sink does |
|---|---|
| ``drop-kept…`` | the first time: takes the mail after its final dot and closes without a reply |
| ``drop-lost…`` | the first time: forgets the mail after its final dot and closes without a reply |
| ``…@silent.example`` | never answers RCPT, nor anything after it on that connection, until it is told to ``heal`` |

Run as ``python -m tests.crash.sink``: prints its two ports as one JSON line, SMTP and control, and ends when its standard input
ends. On the control port it answers one JSON object a line (``Question`` → ``Answer``); see ``tests.crash.witness``.

Known limits: only what a client of ours sends is understood; content is not kept; no TLS.
"""

import asyncio
import contextlib
import os
import re
import sys
import time
from typing import Final, cast

import msgspec
import uvloop
from msgspec import Struct

HOST: Final = "127.0.0.1"
SILENT_DOMAIN: Final = b"@silent.example"
_DROP_KEPT: Final = b"drop-kept"
_DROP_LOST: Final = b"drop-lost"
_BACKLOG: Final = 256
_LOOK: Final = 0.001
"""Seconds between two looks at the number of mails that somebody waits for."""

_EHLO: Final = b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n"
_OK: Final = b"250 2.0.0 ok\r\n"
_TAKEN: Final = b"250 2.0.0 taken\r\n"
_GO_ON: Final = b"354 go on\r\n"
_NOT_NOW: Final = b"503 5.5.1 not now\r\n"
_ADDRESS: Final = re.compile(rb"<([^<>]*)>")
_MESSAGE_ID: Final = re.compile(rb"^Message-ID:\s*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)


class Mail(Struct, frozen=True, array_like=True):
    """One mail for one recipient whose final dot arrived."""

    recipient: str
    message_id: str
    at: float
    """``time.monotonic()``, which all processes of one machine share."""
    answered: bool
    """Whether 250 was written; a sender that was dead by then never read it."""


class Question(Struct, frozen=True, omit_defaults=True):
    """One line to the control port."""

    ask: str
    """``count``, ``wait`` (until ``count`` mails arrived, at most ``seconds``), ``mails``, ``away``, ``back``, ``heal``."""
    count: int = 0
    seconds: float = 0.0


class Answer(Struct, frozen=True, omit_defaults=True):
    """One line from the control port."""

    count: int
    mails: list[Mail] = []


class Ports(Struct, frozen=True):
    """Where the sink listens."""

    smtp: int
    control: int


class Truth:
    """What the sink saw, and how it behaves now."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.asked: set[bytes] = set()
        self.silent = True
        self.sessions: set[Session] = set()

    def first_time(self, recipient: bytes) -> bool:
        """Tell whether this recipient's final dot never came before."""
        new = recipient not in self.asked
        self.asked.add(recipient)
        return new


class Session(asyncio.Protocol):
    """One connection. Everything that arrives at once is answered at once, without a coroutine for each line."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._buffer = b""
        self._recipients: list[bytes] = []
        self._in_data = False
        self._stalled = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transports are none by inheritance
        self._truth.sessions.add(self)
        self.transport.write(b"220 sink.example ESMTP\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        self._truth.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._stalled or self.transport is None or self.transport.is_closing():
            return
        self._buffer += data
        replies: list[bytes] = []
        going_on = True
        while going_on and (unit := self._next_unit()) is not None:
            going_on = self._content(unit, replies) if self._in_data else self._command(unit, replies)
        if replies:
            self.transport.write(b"".join(replies))
        if not going_on and not self._stalled:
            self.transport.close()

    def _next_unit(self) -> bytes | None:
        """Take a whole command, or the whole content of a mail, off the buffer."""
        if not self._in_data:
            line, end, rest = self._buffer.partition(b"\r\n")
        elif self._buffer.startswith(b".\r\n"):
            line, end, rest = b"", b".", self._buffer[3:]
        else:
            line, end, rest = self._buffer.partition(b"\r\n.\r\n")
        if not end:
            return None
        self._buffer = rest
        return line

    def _command(self, line: bytes, replies: list[bytes]) -> bool:
        """Answer one command; tell whether the conversation goes on."""
        verb = line[:4].upper()
        if verb == b"RCPT":
            return self._rcpt(line, replies)
        if verb in {b"MAIL", b"RSET"}:
            self._recipients = []
            replies.append(_OK)
        elif verb == b"DATA":
            self._in_data = bool(self._recipients)
            replies.append(_GO_ON if self._in_data else _NOT_NOW)
        elif verb in {b"EHLO", b"HELO"}:
            replies.append(_EHLO if verb == b"EHLO" else _OK)
        elif verb == b"QUIT":
            replies.append(b"221 2.0.0 bye\r\n")
            return False
        else:
            replies.append(b"500 5.5.1 what?\r\n")
        return True

    def _rcpt(self, line: bytes, replies: list[bytes]) -> bool:
        found = _ADDRESS.search(line)
        if found is None:
            replies.append(b"501 5.1.3 no address\r\n")
            return True
        if self._truth.silent and found[1].endswith(SILENT_DOMAIN):
            self._stalled = True
            return False
        self._recipients.append(found[1])
        replies.append(_OK)
        return True

    def _content(self, content: bytes, replies: list[bytes]) -> bool:
        """Remember a mail whose final dot has arrived; tell whether the conversation goes on."""
        self._in_data = False
        recipients, self._recipients = self._recipients, []
        first = [self._truth.first_time(recipient) for recipient in recipients]
        kept = first[0] and recipients[0].startswith(_DROP_KEPT)
        lost = first[0] and recipients[0].startswith(_DROP_LOST)
        if not lost:
            found = _MESSAGE_ID.search(content)
            name, at = found[1].decode("ascii") if found else "", time.monotonic()
            self._truth.mails += [Mail(recipient.decode(), name, at, not kept) for recipient in recipients]
        if kept or lost:
            return False
        replies.append(_TAKEN)
        return True


class Control:
    """Answers questions, and opens and closes the door to the mail."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._listener: asyncio.Server | None = None
        self._port = 0

    async def open(self) -> int:
        """Listen for mail, on the same port as before if there was one; return the port."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Session(self._truth), HOST, self._port, backlog=_BACKLOG, reuse_address=True)
        self._port = self._listener.sockets[0].getsockname()[1]
        return self._port

    def close(self) -> None:
        """Be away: no connection is taken any more, and those that are open break off."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for session in list(self._truth.sessions):
            if session.transport is not None:
                session.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one control connection until it ends."""
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                answer = await self._answer(msgspec.json.decode(line, type=Question))
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, question: Question) -> Answer:
        match question.ask:
            case "wait":
                end = time.monotonic() + question.seconds
                while len(self._truth.mails) < question.count and time.monotonic() < end:  # noqa: ASYNC110 - events would slow the mails down
                    await asyncio.sleep(_LOOK)
            case "mails":
                return Answer(len(self._truth.mails), self._truth.mails)
            case "away":
                self.close()
            case "back" if self._listener is None:
                await self.open()
            case "heal":
                self._truth.silent = False
        return Answer(len(self._truth.mails))


async def main() -> None:
    """Serve until standard input ends, so that nothing is left when whoever started it is gone."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, lambda: os.read(0, 4096) or ended.set())
    control = Control(Truth())
    questions = await asyncio.start_server(control.answer, HOST, 0)
    ports = Ports(await control.open(), questions.sockets[0].getsockname()[1])
    sys.stdout.buffer.write(msgspec.json.encode(ports) + b"\n")
    sys.stdout.buffer.flush()
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main())
