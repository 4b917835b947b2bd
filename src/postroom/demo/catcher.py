"""A mail catcher: a real SMTP server on loopback that takes mail for everybody and delivers it to nobody.

It plays the outside world of the demonstration, so it is not always kind: about 2 % of the addresses are unknown to it
(550 5.1.1) and about 4 % are told once to come again later (451 4.7.1, as grey-listing does) and taken after that. What
happens to an address follows from its hash, so it is the same in every run and the example addresses look natural.

Known limits: one thread, no TLS, no AUTH; the texts of a few mails are kept, of all others only that they came.
"""

import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Literal, Self

from aiosmtpd.smtp import SMTP, Envelope, Session

Treatment = Literal["take", "defer", "reject"]

HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 10.0
_REJECT: Final = 0.02
_DEFER: Final = 0.04
_UNKNOWN_USER: Final = "550 5.1.1 Recipient address rejected: user unknown"
_GREY_LISTED: Final = "451 4.7.1 Greylisted, please come again later"


def treatment(address: str) -> Treatment:
    """Tell what the catcher does with mail for ``address``, compared without regard to case; the same in every run."""
    share = int.from_bytes(hashlib.sha256(address.lower().encode()).digest()[:4], "big") / 2**32
    if share < _REJECT:
        return "reject"
    return "defer" if share < _REJECT + _DEFER else "take"


class Catcher:
    """The server and its ledger; a context manager that listens while it is entered.

    Addresses in the ledger are in lower case. It may be read from any thread at any time.
    """

    def __init__(self, spared: Iterable[str] = (), samples: int = 3) -> None:
        """Take mail for the ``spared`` addresses always and keep all of it; keep the first ``samples`` mails for others."""
        self.taken: Counter[str] = Counter()
        """Mails taken, by recipient."""
        self.deferred: Counter[str] = Counter()
        """Times that a recipient was told to come later."""
        self.rejected: Counter[str] = Counter()
        """Times that a recipient was refused."""
        self.kept: list[tuple[str, bytes]] = []
        """Recipient and whole text of the mails that are kept, in the order they came."""
        self.port = 0
        """The port that it listens on, once entered."""
        self._spared = frozenset(address.lower() for address in spared)
        self._samples = samples
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mail-catcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise TimeoutError("the mail catcher did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_SECONDS)

    def kept_for(self, address: str) -> list[bytes]:
        """Return the kept mails for ``address``, in the order they came."""
        return [text for recipient, text in self.kept if recipient == address.lower()]

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT TO: where unknown users and grey-listed ones are turned away."""
        recipient = address.lower()
        fate = "take" if recipient in self._spared else treatment(recipient)
        if fate == "reject":
            self.rejected[recipient] += 1
            return _UNKNOWN_USER
        if fate == "defer" and not self.deferred[recipient]:
            self.deferred[recipient] += 1
            return _GREY_LISTED
        envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Take the mail: note it in the ledger, keep it if it is one of those to keep."""
        text = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        for recipient in envelope.rcpt_tos:
            self.taken[recipient] += 1
            if recipient in self._spared:
                self.kept.append((recipient, text))
            elif self._samples:
                self._samples -= 1
                self.kept.append((recipient, text))
        return "250 2.0.0 OK: caught"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(self._protocol, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()  # not wait_closed(): clients that keep their connection would be waited for

    def _protocol(self) -> SMTP:
        return SMTP(self, hostname="catcher.example.org", enable_SMTPUTF8=True, loop=self._loop)
