"""A relay as a worker sees it: what waits for it, how fast it may go, and whether it is there at all.

While it is not, nobody is handed to it and no attempt is burnt; one task looks from time to time whether it is back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from postroom.delivery.limits import Pace, Pause
from postroom.delivery.records import RelayReport
from postroom.delivery.smtp import SmtpConnection, SmtpError, connect
from postroom.delivery.window import Job, Taken, Window
from postroom.settings import RelaySettings, Settings

_GOODBYE: Final = 2.0
"""Seconds that a QUIT may take."""

_log: Final = structlog.get_logger("postroom.delivery")


class Relay:
    """One relay of the settings; its senders take jobs from here."""

    def __init__(self, name: str, settings: Settings, back: Callable[[], None]) -> None:
        """Work for the relay of that name; ``back`` is called when it answers again after trouble."""
        self.name = name
        self.settings: RelaySettings = settings.all_relays[name]
        self.label = f"{self.settings.host}:{self.settings.port}"
        self.window = Window(self.settings, {domain.lower(): limits for domain, limits in settings.domains.items()})
        self.reason = ""
        self.open = 0
        self.busy = 0
        self.sent = 0
        self._told = (0, _now())  # what had been sent when the last report was made
        self._helo = self.settings.helo or settings.mail.domain
        self._back = back
        self._pace = Pace(self.settings.rate)
        self._pause = Pause()
        self._reviver: asyncio.Task[None] | None = None
        self._takers: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._ended = False

    @property
    def down(self) -> bool:
        """Whether the last thing known of it is trouble."""
        return self._pause.running

    @property
    def wait_left(self) -> float:
        """Seconds until it is tried again, while it is down."""
        return self._pause.left(_now())

    def report(self) -> RelayReport:
        """Tell how it does; its rate is that since the last report."""
        at = _now()
        rate = (self.sent - self._told[0]) / max(at - self._told[1], 0.001)
        self._told = (self.sent, at)
        return RelayReport(
            name=self.name,
            address=self.label,
            up=not self.down,
            reason=self.reason,
            next_try_in=round(self.wait_left, 1) if self.down else None,
            connections=self.open,
            busy=self.busy,
            sent=self.sent,
            rate=round(rate, 1),
        )

    # -- jobs --------------------------------------------------------------------------------------------------------

    def put(self, jobs: Iterable[Job]) -> None:
        """Let jobs wait for a connection."""
        self.window.put(jobs, _now())
        self.wake()

    def take_now(self) -> Taken | None:
        """Take a job that may start now; ``None`` when there is none, or when whoever waits for one should have it."""
        return None if self._takers else self._take()

    def _take(self) -> Taken | None:
        now = _now()
        if self._ended or self.down or self._pace.wait(now) > 0:
            return None
        taken = self.window.take(now)
        if taken is not None:
            self._pace.spend(now)
        return taken

    async def take(self, seconds: float) -> Taken | None:
        """Wait up to so many seconds for a job; ``None`` when none came, or when there will be no more."""
        end = _now() + seconds
        while not self._ended:
            taken = self._take()
            left = end - _now()
            if taken is not None or left <= 0:
                return taken
            self._set_alarm()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(waiter)
            await asyncio.wait([waiter], timeout=left)
            if not waiter.done():
                waiter.cancel()
                self._takers.remove(waiter)
        return None

    @property
    def ended(self) -> bool:
        """Whether there will be no more jobs."""
        return self._ended

    def done(self, taken: Taken, *, works: bool) -> None:
        """Give back what was taken; ``works``: the relay gave an answer for it in time."""
        self.window.done(taken, works=works)
        self.wake()

    def wake(self) -> None:
        """Wake as many of those who wait for a job as there are jobs."""
        for _ in range(min(len(self._takers), len(self.window))):
            self._takers.popleft().set_result(None)

    def end(self) -> None:
        """Hand out nothing any more."""
        self._ended = True
        while self._takers:
            self._takers.popleft().set_result(None)
        if self._reviver is not None:
            self._reviver.cancel()
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self) -> None:
        """Wake somebody when the pace of the relay, or of a domain, lets the next one go."""
        if self._alarm is not None or not len(self.window):
            return
        now = _now()
        waits = [wait for wait in (self._pace.wait(now), self.window.look_again(now)) if wait]
        if waits:
            self._alarm = asyncio.get_running_loop().call_later(min(waits), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.window.look_again(_now())
        self.wake()

    # -- connections -------------------------------------------------------------------------------------------------

    async def connect(self) -> SmtpConnection:
        """Open a connection. Raises ``SmtpError`` of phase ``session``, after noting the trouble."""
        try:
            connection = await connect(self.settings, self._helo)
        except SmtpError as error:
            self.failed(error.reason)
            raise
        self.open += 1
        self._works()
        return connection

    async def part(self, connection: SmtpConnection) -> None:
        """Close a connection politely, but not at any cost of time."""
        self.open -= 1
        try:
            async with asyncio.timeout(_GOODBYE):
                await connection.quit()
        except TimeoutError:
            connection.close()

    def failed(self, reason: str) -> None:
        """Note trouble, and begin to look whether it is over; trouble within a pause is the same trouble."""
        wait = self._pause.trouble(_now())
        if wait is None:
            return
        self.reason = reason
        _log.warning("relay_down", relay=self.label, reason=reason, next_try_in=round(wait, 1))
        if not self._ended and (self._reviver is None or self._reviver.done()):
            self._reviver = asyncio.create_task(self._revive(), name=f"revive {self.name}")

    def _works(self) -> None:
        if self.down:
            _log.info("relay_up", relay=self.label)
            self._pause.end()
            self.reason = ""
            self._back()
            self.wake()

    async def _revive(self) -> None:
        while self.down:
            await asyncio.sleep(self.wait_left)
            try:
                connection = await self.connect()
            except SmtpError:
                continue
            await self.part(connection)


def _now() -> float:
    return asyncio.get_running_loop().time()
