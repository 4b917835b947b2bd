"""Takes bounces from a mail server of the organisation, over SMTP or LMTP, on the event loop of the worker.

It takes mail for signed return paths only, from whatever sender, one recipient a transaction (452 for a second one, which the
mail server then sends by itself): so one reply means one bounce, over LMTP too (RFC 2033 section 4.2). The reply to the final
dot comes after the commit. While the store is away it is 451, and the mail server keeps the bounce; what was committed without
its reply being heard comes again and changes nothing.

The data ends at CRLF.CRLF and nowhere else, whatever bare CR and LF it holds (``aiosmtpd`` reads it by CRLF), so nothing can be
smuggled past an address. The port belongs to one worker of a host; the others try again until it is free, so one of them
goes on when that worker ends.

Known limits: neither TLS nor AUTH, since it stands behind a mail server, on loopback by default; a connection ends at the latest after
``LONGEST`` seconds, and a bounce over ``bounces.max_bytes`` is refused.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Final, cast

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from postroom.clock import now
from postroom.delivery import verp
from postroom.delivery.bounces import applying, reading
from postroom.delivery.bounces.applying import Result
from postroom.delivery.bounces.records import Report
from postroom.errors import Unavailable
from postroom.storage.store import Store

MAX_CONNECTIONS: Final = 50
"""Connections at once; the next one is told to come later."""

LONGEST: Final = 1_800.0
"""Seconds that a connection lasts at most, whatever it does."""

TIMEOUT: Final = 120.0
"""Seconds that the client has for its next command, and for the whole of a mail."""

PORT_PAUSE: Final = 5.0
"""Seconds before the next try to get the port."""

PAUSES: Final = (0.2, 1.0, 3.0)
"""Seconds before a bounce is applied again that came before the outcome of its mail was written: it can be that quick."""

_LONGEST_LINE: Final = 32_768
"""RFC 5321 section 4.5.3.1.6 allows 1,000; a bounce is not to be lost for the sake of a line of the mail that it returns."""

_NOT_OURS: Final = "550 5.1.1 no such return path"
_ONE_AT_A_TIME: Final = "452 4.5.3 one recipient at a time"
_LATER: Final = "451 4.3.0 cannot be written down now, try again later"
_GARBAGE: Final = "500 5.5.2 not understood"
_TAKEN: Final = "250 2.0.0 OK"
_BUSY: Final = b"421 4.3.2 too many connections, try again later\r\n"

_log: Final = structlog.get_logger("postroom.delivery")


@contextlib.asynccontextmanager
async def listening(store: Store) -> AsyncIterator[None]:
    """Take bounces meanwhile, if ``bounces.listen`` says so. Waits for nothing: a port that is in use is tried again until it is free."""
    if not store.settings.bounces.listen:
        yield
        return
    listener = _Listener(store)
    opening = asyncio.create_task(listener.open_port(), name="bounce listener")
    try:
        yield
    finally:
        opening.cancel()
        await asyncio.wait([opening])
        listener.close()
    if not opening.cancelled():
        opening.result()


class _Listener:
    """Opens the port, knows the connections, ends them."""

    def __init__(self, store: Store) -> None:
        self.settings = store.settings
        self.handler = _Handler(store)
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def open_port(self) -> None:
        host, port, told = self.settings.bounces.host, self.settings.bounces.port, ""
        while self._server is None:
            try:
                self._server = await asyncio.get_running_loop().create_server(self._protocol, host, port)
            except OSError as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("bounce_listener_waits", host=host, port=port, reason=told)
                await asyncio.sleep(PORT_PAUSE)
        _log.info("bounce_listener_started", protocol=self.settings.bounces.listen, host=host, port=port)

    def close(self) -> None:
        """Take no more connections and end those that are open; a bounce that was not answered yet comes again."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()

    def _protocol(self) -> asyncio.Protocol:
        if len(self.connections) >= MAX_CONNECTIONS:
            return _Refusal()
        return _LmtpConnection(self) if self.settings.bounces.listen == "lmtp" else _Connection(self)


class _Refusal(asyncio.Protocol):
    """Tells a client that there are too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(_BUSY)  # uvloop's transports are none by inheritance
        transport.close()


class _Connection(SMTP):
    """One client. What it says is understood by ``aiosmtpd``, and answered by ``_Handler``."""

    line_length_limit = _LONGEST_LINE

    def __init__(self, listener: _Listener) -> None:
        settings = listener.settings
        super().__init__(
            listener.handler,
            data_size_limit=settings.bounces.max_bytes,
            enable_SMTPUTF8=True,
            hostname=settings.bounces.domain,
            ident="Postroom",
            timeout=TIMEOUT,
            loop=asyncio.get_running_loop(),
        )
        self._listener = listener
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._listener.connections.add(self)
        self._end = asyncio.get_running_loop().call_later(LONGEST, self.abort)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections.discard(self)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(error)

    def abort(self) -> None:
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()


class _LmtpConnection(_Connection, LMTP):
    """The same over LMTP: another greeting, the same one reply for the one recipient."""


class _Handler:
    """Answers the commands that matter, with the names that ``aiosmtpd`` asks for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return _ONE_AT_A_TIME
        if verp.read(self._store.settings, self._store.vault, address) is None:
            return await _kept(self._refuse())
        envelope.rcpt_tos.append(address)
        return _TAKEN

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        return await _kept(self._take(envelope.rcpt_tos[0], envelope.original_content or b""))

    async def handle_exception(self, error: Exception) -> str:
        """Answer what ``aiosmtpd`` stumbled over: commands that are none, such as ``MAIL FROM:<``."""
        _log.warning("bounce_command_not_understood", error=type(error).__name__)
        return _GARBAGE

    async def _refuse(self) -> str:
        await self._store.database.write(applying.refuse)
        return _NOT_OURS

    async def _take(self, address: str, content: bytes) -> str:
        report = await asyncio.to_thread(reading.read, content)
        result = await self._applied(address, report)
        return _LATER if result == "sending" else _TAKEN

    async def _applied(self, address: str, report: Report) -> Result:
        result = await self._apply(address, report)
        for pause in PAUSES:
            if result != "sending":
                break
            await asyncio.sleep(pause)
            result = await self._apply(address, report)
        path = verp.read(self._store.settings, self._store.vault, address)
        _log.info("bounce", result=result, of=path.kind if path else None, number=path.number if path else None)
        return result

    async def _apply(self, address: str, report: Report) -> Result:
        settings, vault = self._store.settings, self._store.vault
        return await self._store.database.write(applying.apply, settings, vault, address, report, now())


async def _kept(answer: Coroutine[None, None, str]) -> str:
    """Return the answer; while there can be none the bounce stays with the mail server, whatever went wrong here."""
    try:
        return await answer
    except Unavailable as error:
        _log.warning("store_unavailable", reason=str(error))
    except Exception:  # noqa: BLE001 - as above
        _log.exception("bounce_failed")
    return _LATER
