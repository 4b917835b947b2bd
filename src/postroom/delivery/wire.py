"""One connection to a mail server, below SMTP: bytes out, replies in, a limit on how long either may take."""

import asyncio
import ssl
from collections import deque
from typing import Final

from postroom.delivery.replies import GarbageError, Reply, ReplyReader

CLOSING: Final = 421
"""The server closes the connection, whatever it was asked (RFC 5321 section 3.8)."""

_UNWANTED_REPLIES: Final = 16
"""Replies that nobody asked for, after which a connection is given up."""

_JOINED: Final = 65_536
"""Bytes up to which pieces are joined before they are written: one system call costs more than copying so much."""


class Wire(asyncio.Protocol):
    """A connection as the event loop sees it; one task at a time waits for its replies."""

    def __init__(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for each group of replies, the time in which the server takes bytes from us not counted."""
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._owed = 1  # the greeting
        self._wanted = 0
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether bytes may still go out."""
        return self._transport is not None and self._failure is None and not self._transport.is_closing()

    @property
    def unasked(self) -> bool:
        """Whether the server said more than it was asked: the next answers could not be told from that."""
        return len(self._replies) > self._owed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport

    def data_received(self, data: bytes) -> None:
        """Take in what the server said, and wake whoever waits when it is enough."""
        replies, error = self._reader.feed(data)
        self._replies += replies
        if len(self._replies) > self._owed + _UNWANTED_REPLIES:
            self._replies.clear()  # nothing that it said can be told from what it was asked
            error = GarbageError("more replies than commands")
        if error is not None:
            self._fail(error)
            self.close()
        if self._answered():
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._fail(exc if isinstance(exc, OSError) else ConnectionResetError("the relay closed the connection"))
        self._wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def write(self, *pieces: bytes, replies: int) -> None:
        """Send bytes, all pieces together, that the server will answer with so many replies.

        On a connection that failed nothing is sent: ``replies`` tells of it.
        """
        self._owed += replies
        if self._transport is None or self._failure is not None:
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif sum(map(len, pieces)) <= _JOINED:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)

    async def replies(self, count: int) -> list[Reply]:
        """Return the next ``count`` replies; a 421 stands for itself and all that would have followed, since the server closes after it.

        Raises ``OSError`` (``TimeoutError`` when the server is silent for too long) or ``GarbageError``.
        """
        self._wanted = count
        if not self._answered():
            await self._wait()
        taken = [self._replies.popleft() for _ in range(min(count, len(self._replies)))]
        self._owed -= len(taken)
        if len(taken) < count:
            if taken and taken[-1].code == CLOSING:
                return taken + taken[-1:] * (count - len(taken))
            raise self._failure or ConnectionResetError("the relay closed the connection")
        return taken

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go over to TLS.

        Whatever came before the handshake was not protected by it: a server that already said more is an attack. Raises
        ``OSError`` and ``GarbageError``.
        """
        self._check_silent()
        if self._transport is None or self._failure is not None:
            raise self._failure or ConnectionResetError("the relay closed the connection")
        self._transport = await self._loop.start_tls(
            self._transport, self, context, server_hostname=host, ssl_handshake_timeout=self._timeout
        )
        self._check_silent()

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _check_silent(self) -> None:
        if self._replies or self._reader.pending:
            raise GarbageError("the relay spoke before TLS began")

    def _answered(self) -> bool:
        """Whether what was asked is answered, or never will be."""
        replies = self._replies
        return len(replies) >= self._wanted or self._failure is not None or (bool(replies) and replies[-1].code == CLOSING)

    async def _wait(self) -> None:
        self._deadline = self._loop.time() + self._timeout
        self._unsent = 0
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check_time)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _check_time(self) -> None:
        """One timer serves many waits: it looks whether the present one has taken too long, and comes back if not."""
        self._timer = None
        if self._waiter is None or self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:  # a large mail over a slow line: it is still taking from us, or took the last of it just now
            self._deadline = self._loop.time() + self._timeout
        self._unsent = unsent
        if self._loop.time() >= self._deadline:
            self._fail(TimeoutError(f"no reply within {self._timeout:g} seconds"))
            self._wake()
        else:
            self._timer = self._loop.call_at(self._deadline, self._check_time)

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_wire(
    host: str,
    port: int,
    timeout: float,  # noqa: ASYNC109 - of the whole connection
    context: ssl.SSLContext | None,
    address: str | None = None,
) -> Wire:
    """Connect, with TLS from the first byte if there is a ``context``, to ``address`` if ``host`` was resolved already.

    Raises ``OSError``, ``TimeoutError`` among them.
    """
    wire = Wire(timeout)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().create_connection(
                lambda: wire, address or host, port, ssl=context, server_hostname=host if context else None
            )
    except TimeoutError:
        raise TimeoutError(f"no connection within {timeout:g} seconds") from None
    return wire


def tls_context(*, verified: bool) -> ssl.SSLContext:
    """Return what a connection needs for TLS; not ``verified``: better than none against those who only listen (RFC 7435)."""
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def reason(error: Exception) -> str:
    """Say in a few words why a connection failed."""
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
