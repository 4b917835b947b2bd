"""Our SMTP client: one connection to the relay, one message at a time.

Strict in what it sends: CRLF is the only line end, a bare CR or LF in a message is refused (no smuggling of a second
message through servers that take it for a line end), lines that begin with a dot are stuffed, and an envelope address
with a control character, a space or an angle bracket never reaches the wire. Tolerant in what it reads (``replies``).

With PIPELINING (RFC 2920) MAIL, RCPT and DATA go out in one write. A failure says in which phase it came, since that
decides what is known of the recipient: before MAIL nothing was tried, before the final dot the mail was not taken, after
it nobody knows (RFC 5321 section 4.5.3.2.6 and RFC 1047).
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from postroom.delivery.replies import GarbageError, Reply, ReplyReader
from postroom.errors import Invalid
from postroom.settings import Settings

Phase = Literal["session", "transaction", "outcome"]
"""``session``: no recipient was named yet. ``transaction``: MAIL went out. ``outcome``: the final dot went out."""

Step = Literal["MAIL", "RCPT", "DATA", "final dot"]

_BARE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ADDRESS: Final = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")  # printable ASCII without space, < and >
_REFUSED: Final = 300
"""Where in this client's exchanges success ends: replies below are 2xx (RFC 5321 section 4.2.1)."""
_GO_AHEAD: Final = 354
_CLOSING: Final = 421
"""The server closes the connection, whatever it was asked (RFC 5321 section 3.8)."""
_UNWANTED_REPLIES: Final = 16
"""Replies that nobody asked for, after which a connection is given up."""


class SmtpError(Exception):
    """The conversation broke: the connection was refused, lost, silent for too long, or garbage came.

    ``phase`` says how far the message was; ``code`` is that of the server's last word if it gave one (421, 535 …).
    """

    def __init__(self, phase: Phase, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.phase: Phase = phase
        self.reason = reason
        self.code = code


class Answer(Struct, frozen=True):
    """What the server said of one recipient, and to which command."""

    step: Step
    reply: Reply

    @property
    def taken(self) -> bool:
        """Whether the server took responsibility for the mail."""
        return self.step == "final dot" and self.reply.code < _REFUSED


class SmtpConnection:
    """One connection; made by ``connect``, for one task at a time."""

    def __init__(self, wire: "_Wire", timeout: float) -> None:
        """Speak over ``wire``, waiting at most ``timeout`` seconds for each reply."""
        self._wire = wire
        self._timeout = timeout
        self._extensions: dict[str, str] = {}
        self.phase: Phase = "session"
        self.sent = 0
        """Messages handed over so far."""

    @property
    def usable(self) -> bool:
        """Whether another message may be sent over this connection."""
        return self._wire.open and self.phase == "session" and not self._wire.unasked

    async def send(self, sender: str, recipients: Sequence[str], content: bytes, *, ready: bool = False) -> list[Answer]:
        """Hand over one message; return the last answer for each recipient, in their order.

        ``sender`` may be empty (the null reverse path). ``content`` has CRLF line ends only and no dot-stuffing, or is
        ``ready``: dots stuffed, closed by CRLF, without the final dot.
        Raises ``Invalid`` before anything is sent, ``SmtpError`` with the phase when the conversation breaks; then, and
        after a 421, the connection is closed.
        """
        body = content + b".\r\n" if ready else stuffed(content)
        commands = self._envelope(sender, recipients, content)
        try:
            return await self._transaction(commands, body, len(recipients))
        except SmtpError:
            self.close()
            raise

    async def quit(self) -> None:
        """Say goodbye and close; a server that does not answer is left without it."""
        if self.usable:
            try:
                await self._command(b"QUIT")
            except SmtpError:
                pass  # nothing is at stake any more
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._wire.close()

    def _envelope(self, sender: str, recipients: Sequence[str], content: bytes) -> list[bytes]:
        if not recipients:
            raise Invalid("recipients", "at least one is needed")
        parameters = f" SIZE={len(content)}" if "SIZE" in self._extensions else ""
        if not content.isascii():
            if "8BITMIME" not in self._extensions:
                raise Invalid("content", "8-bit, and the relay does not offer 8BITMIME")
            parameters += " BODY=8BITMIME"
        mail = f"MAIL FROM:<{checked_address(sender) if sender else ''}>{parameters}"
        return [mail.encode("ascii"), *(f"RCPT TO:<{checked_address(address)}>".encode("ascii") for address in recipients), b"DATA"]

    async def _transaction(self, commands: list[bytes], body: bytes, recipients: int) -> list[Answer]:
        self.phase = "transaction"
        mail, rcpts, data = await self._open_transaction(commands)
        answers = [Answer("RCPT", reply) if reply.code >= _REFUSED else Answer("DATA", data) for reply in rcpts]
        if mail.code >= _REFUSED:
            answers = [Answer("MAIL", mail)] * recipients
        accepted = [index for index, answer in enumerate(answers) if answer.step == "DATA"]
        if data.code == _GO_AHEAD:  # the server waits for content, even if it refused everybody (RFC 2920 section 3.1)
            if accepted:
                self.phase = "outcome"
            final = await self._exchange(body if accepted else b".\r\n")
            for index in accepted:
                answers[index] = Answer("final dot", final)
        await self._end_transaction(answers, data)
        return answers

    async def _open_transaction(self, commands: list[bytes]) -> tuple[Reply, list[Reply], Reply]:
        """Send MAIL, RCPT … DATA and return their replies; without PIPELINING nothing is asked that a refusal made pointless."""
        if "PIPELINING" in self._extensions:
            self._wire.write(b"".join(command + b"\r\n" for command in commands))
            mail, *rcpts, data = await self._replies(len(commands))
            return mail, rcpts, data
        mail = await self._command(commands[0])
        if mail.code >= _REFUSED:
            return mail, [mail] * (len(commands) - 2), mail
        rcpts = [await self._command(command) for command in commands[1:-1]]
        refused = all(reply.code >= _REFUSED for reply in rcpts)
        return mail, rcpts, rcpts[-1] if refused else await self._command(commands[-1])

    async def _end_transaction(self, answers: list[Answer], data: Reply) -> None:
        self.phase = "session"
        self.sent += 1
        if any(answer.reply.code == _CLOSING for answer in answers):
            self.close()
        elif data.code != _GO_AHEAD and self._wire.open:  # refused before content: back to a clean slate
            try:
                await self._command(b"RSET")
            except SmtpError:
                self.close()  # the answers above stand all the same

    async def _greet(self, helo: str) -> None:
        reply = await self._command(f"EHLO {helo}".encode("ascii"))
        if reply.code < _REFUSED:
            words = (line.split(None, 1) for line in reply.lines[1:] if line.strip())
            self._extensions = {word[0].upper(): word[1] if len(word) > 1 else "" for word in words}
        else:
            self._extensions = {}
            self._expect(await self._command(f"HELO {helo}".encode("ascii")), 250, "HELO")

    async def _start_tls(self, context: ssl.SSLContext, host: str) -> None:
        self._expect(await self._command(b"STARTTLS"), 220, "STARTTLS")
        await self._wire.start_tls(context, host, self._timeout)

    async def _authenticate(self, username: str, password: str) -> None:
        offered = self._extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            token = base64.b64encode(f"\0{username}\0{password}".encode())
            reply = await self._command(b"AUTH PLAIN " + token)
        elif "LOGIN" in offered:
            self._expect(await self._command(b"AUTH LOGIN"), 334, "AUTH")
            self._expect(await self._command(base64.b64encode(username.encode())), 334, "AUTH")
            reply = await self._command(base64.b64encode(password.encode()))
        else:
            raise SmtpError("session", "the relay offers neither AUTH PLAIN nor AUTH LOGIN")
        self._expect(reply, 235, "AUTH")

    def _expect(self, reply: Reply, code: int, step: str) -> None:
        if reply.code != code:
            raise SmtpError("session", f"{step}: {reply}", reply.code)

    async def _command(self, line: bytes) -> Reply:
        return await self._exchange(line + b"\r\n")

    async def _exchange(self, data: bytes) -> Reply:
        self._wire.write(data)
        return await self._reply()

    async def _replies(self, count: int) -> list[Reply]:
        """Read so many replies; a 421 stands for itself and all that would have followed, since the server closes after it."""
        replies: list[Reply] = []
        while len(replies) < count:
            replies.append(await self._reply())
            if replies[-1].code == _CLOSING:
                replies += replies[-1:] * (count - len(replies))
        return replies

    async def _reply(self) -> Reply:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._wire.reply()
        except TimeoutError:
            raise SmtpError(self.phase, f"no reply within {self._timeout:g} seconds") from None
        except (OSError, GarbageError) as error:
            raise SmtpError(self.phase, _reason(error)) from None


async def connect(settings: Settings) -> SmtpConnection:
    """Open a connection to the relay: greeting, EHLO, TLS and AUTH as the settings say.

    Raises ``SmtpError`` of phase ``session``; no text of it carries the password.
    """
    relay = settings.relay
    context = _tls_context(verified=relay.security != "opportunistic") if relay.security != "none" else None
    wire = _Wire()
    connection = SmtpConnection(wire, relay.timeout)
    try:
        async with asyncio.timeout(relay.timeout):
            tls = context if relay.security == "tls" else None
            await asyncio.get_running_loop().create_connection(lambda: wire, relay.host, relay.port, ssl=tls)
        await _introduce(connection, settings, context)
    except TimeoutError:
        connection.close()
        raise SmtpError("session", f"no connection within {relay.timeout:g} seconds") from None
    except (OSError, SmtpError) as error:
        connection.close()
        raise error if isinstance(error, SmtpError) else SmtpError("session", _reason(error)) from None
    except BaseException:
        connection.close()
        raise
    return connection


async def _introduce(connection: SmtpConnection, settings: Settings, context: ssl.SSLContext | None) -> None:
    relay = settings.relay
    helo = relay.helo or settings.mail.domain
    connection._expect(await connection._reply(), 220, "greeting")  # noqa: SLF001 - connect is the constructor
    await connection._greet(helo)  # noqa: SLF001
    if context is not None and relay.security != "tls":
        if "STARTTLS" in connection._extensions:  # noqa: SLF001
            await connection._start_tls(context, relay.host)  # noqa: SLF001
            await connection._greet(helo)  # noqa: SLF001 - what was said before TLS does not count (RFC 3207 section 4.2)
        elif relay.security == "starttls":
            raise SmtpError("session", "the relay does not offer STARTTLS, which the settings require")
        elif relay.username:
            raise SmtpError(
                "session", "the relay does not offer STARTTLS, and the password is not sent without; relay.security = none would"
            )
    if relay.username:
        await connection._authenticate(relay.username, relay.password)  # noqa: SLF001


def stuffed(content: bytes) -> bytes:
    """Return content as it goes over the wire: closed by CRLF, dots stuffed, the final dot behind it (RFC 5321 section 4.5.2).

    Raises ``Invalid`` for a bare CR or LF.
    """
    if _BARE.search(content):
        raise Invalid("content", "a bare CR or LF")
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")


def checked_address(address: str) -> str:
    """Return an address that may stand in an envelope. Raises ``Invalid`` for one that could be anything else."""
    if not _ADDRESS.fullmatch(address):
        raise Invalid("email", "no address that can be put on an envelope")
    return address


class _Wire(asyncio.Protocol):
    """Bytes out, replies in."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._replies: list[Reply] = []
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None and self._failure is None and not self._transport.is_closing()

    @property
    def unasked(self) -> bool:
        """Whether the server said more than it was asked: the next answers could not be told from that."""
        return bool(self._replies)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport

    def data_received(self, data: bytes) -> None:
        try:
            self._replies += self._reader.feed(data)
            if len(self._replies) > _UNWANTED_REPLIES:
                raise GarbageError("more replies than commands")  # noqa: TRY301 - one way out of this method
        except GarbageError as error:
            self._fail(error)
            self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc if isinstance(exc, OSError) else ConnectionResetError("the relay closed the connection"))
        self._wake()

    def write(self, data: bytes) -> None:
        if self._transport is not None and self._failure is None:
            self._transport.write(data)

    async def reply(self) -> Reply:
        """Return the next reply. Raises ``OSError`` or ``GarbageError``."""
        while not self._replies:
            if self._failure is not None:
                raise self._failure
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._replies.pop(0)

    async def start_tls(self, context: ssl.SSLContext, host: str, timeout: float) -> None:  # noqa: ASYNC109 - asyncio calls it so too
        """Go over to TLS. Whatever came before the handshake was not protected by it: a server that already said more is an attack."""
        if self._replies or self._reader.pending:
            raise SmtpError("session", "the relay spoke before TLS began")
        if self._transport is None or self._failure is not None:
            raise SmtpError("session", "the relay closed the connection")
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=host, ssl_handshake_timeout=timeout)
        if self._replies or self._reader.pending:
            raise SmtpError("session", "the relay spoke before TLS began")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _tls_context(*, verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verified:  # opportunistic TLS: better than none against those who only listen (RFC 7435)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
