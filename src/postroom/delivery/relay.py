"""A relay as a worker sees it: what waits for it, how fast it may go, and whether it is there at all.

While it is not, nobody is handed to it and no attempt is burnt; one task looks from time to time whether it is back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from postroom.delivery import reaching
from postroom.delivery.limits import Pace, Pause
from postroom.delivery.records import RelayReport
from postroom.delivery.smtp import SmtpConnection, SmtpError, connect
from postroom.delivery.window import Job, Taken, Window
from postroom.delivery.wire import reason
from postroom.messages.records import Lane
from postroom.settings import RelaySettings, Settings

_GOODBYE: Final = 2.0
"""Seconds that a QUIT may take."""

_log: Final = structlog.get_logger("postroom.delivery")


class Relay:
    """One relay of the settings; its senders take jobs from here."""

    def __init__(self, name: str, settings: Settings, back: Callable[[], None], own: RelaySettings | None = None) -> None:
        """Work for the relay of that name; ``back`` is called when it answers again after trouble.

        ``own``: it is none of ours, but a server that the author of letters named (``own_connections``).
        """
        self.name = name
        self.own = own is not None
        self._all = settings
        self.settings: RelaySettings = own or settings.all_relays[name]
        self.label = f"{self.settings.host}:{self.settings.port}"
        self.window = Window(self.settings, {domain.lower(): limits for domain, limits in settings.domains.items()})
        self.reason = ""
        self.open = 0
        self._opening = 0
        self.busy = 0
        self.sent = 0
        self._told = (0, _now())  # what had been sent when the last report was made
        self._helo = self.settings.helo or settings.mail.domain
        self._back = back
        self._pace = Pace(self.settings.rate)
        self._pause = Pause()
        self._down = False
        self._reviver: asyncio.Task[None] | None = None
        self._takers: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0  # beside it, since uvloop gives a plain Handle, without when(), for what is due at once
        self._stop = asyncio.Event()

    @property
    def down(self) -> bool:
        """Whether it is not to be worked with now."""
        return self._down

    @property
    def idle(self) -> bool:
        """Whether no job waits for it, and no connection is open or about to be."""
        return not (self.window or self.busy or self.open or self._opening)

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

    def take_ahead(self) -> Taken | None:
        """Take a job for a connection that is still busy: a bulk one, and only when no single one waits, nor any other connection."""
        return None if self._takers or self.window.waiting("single") else self._take(("bulk",))

    async def take(self, seconds: float) -> Taken | None:
        """Wait up to so many seconds for a job; ``None`` when none came, or when there will be no more."""
        end = _now() + seconds
        while not self.ended:
            taken = self._take(("single", "bulk"))
            left = end - _now()
            if taken is not None or left <= 0:
                return taken
            if not self._set_alarm():
                continue
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(waiter)
            await asyncio.wait([waiter], timeout=left)
            if not waiter.done():
                waiter.cancel()
                self._takers.remove(waiter)
        return None

    async def rest(self, seconds: float) -> None:
        """Wait, but not longer than there are jobs."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    def _take(self, lanes: Sequence[Lane]) -> Taken | None:
        now = _now()
        if self.ended or self._down or self._pace.wait(now) > 0:
            return None
        taken = self.window.take(now, lanes)
        if taken is not None:
            self._pace.spend(now)
        return taken

    @property
    def ended(self) -> bool:
        """Whether there will be no more jobs."""
        return self._stop.is_set()

    def begun(self, taken: Taken) -> None:
        """Note that a job which was taken ahead goes out now."""
        self.window.begun(taken, _now())

    def done(self, taken: Taken, *, works: bool) -> None:
        """Give back what was taken; ``works``: the relay gave an answer for it in time."""
        self.window.done(taken, _now(), works=works)
        self.wake()

    def wake(self) -> None:
        """Wake as many of those who wait for a job as there are jobs."""
        for _ in range(min(len(self._takers), len(self.window))):
            self._takers.popleft().set_result(None)

    def end(self) -> None:
        """Hand out nothing any more."""
        self._stop.set()
        while self._takers:
            self._takers.popleft().set_result(None)
        if self._reviver is not None:
            self._reviver.cancel()
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self) -> bool:
        """Have somebody woken when the pace of the relay, or of a domain, lets the next one go; ``False``: one may go at once."""
        now = _now()
        waiting = len(self.window) > 0 and not self._down
        wait = self.window.look_again(now) if waiting else None
        if waiting and self._pace.wait(now) <= 0 and self.window.ready:
            return False
        waits = [seconds for seconds in (self._pace.wait(now), wait) if seconds]
        if waiting and waits:
            self._ring_at(now + min(waits))
        return True

    def _ring_at(self, when: float) -> None:
        if self._alarm is not None:
            if self._alarm_at <= when:
                return
            self._alarm.cancel()
        self._alarm, self._alarm_at = asyncio.get_running_loop().call_at(when, self._ring), when

    def _ring(self) -> None:
        self._alarm = None
        self.window.look_again(_now())
        self.wake()

    # -- connections -------------------------------------------------------------------------------------------------

    async def connect(self) -> SmtpConnection:
        """Open a connection. Raises ``SmtpError`` of phase ``session``.

        That is trouble of the relay when no connection to it is open, or about to be; while others are, it may only have enough
        of them.
        """
        self._opening += 1
        try:
            connection = await self._connected()
        except SmtpError as error:
            if not self.open and self._opening == 1:
                self.failed(error.reason)
            raise
        finally:
            self._opening -= 1
        self.open += 1
        return connection

    async def _connected(self) -> SmtpConnection:
        if not self.own:
            return await connect(self.settings, self._helo)
        try:
            async with asyncio.timeout(self.settings.timeout):
                address = await reaching.resolved(self._all, self.settings.host, self.settings.port, "smtp")
        except OSError as error:
            raise SmtpError("session", reason(error), final=isinstance(error, reaching.ForbiddenAddressError)) from None
        return await connect(self.settings, self._helo, address, verified=True)

    async def part(self, connection: SmtpConnection) -> None:
        """Close a connection politely, but not at any cost of time."""
        self.open -= 1
        try:
            async with asyncio.timeout(_GOODBYE):
                await connection.quit()
        except TimeoutError:
            pass
        finally:
            connection.close()

    def works(self) -> None:
        """Note that it took a mail, or refused one for what is in it: whatever trouble there was is over."""
        self._pause.end()

    def failed(self, reason: str) -> None:
        """Note trouble, and begin to look whether it is over; trouble within a pause is the same trouble."""
        wait = self._pause.trouble(_now())
        if wait is None:
            return
        self._down = True
        self.reason = reason
        _log.warning("relay_down", relay=self.label, reason=reason, next_try_in=round(wait, 1))
        if not self.ended and (self._reviver is None or self._reviver.done()):
            self._reviver = asyncio.create_task(self._revive(), name=f"revive {self.name}")

    async def _revive(self) -> None:
        """Wait until the relay lets us in again. Only a mail that it answers shows that all is well: until then pauses go on growing."""
        while self._down:
            await asyncio.sleep(self.wait_left)
            if not self.open:  # a connection that is open shows that it lets us in
                try:
                    connection = await self.connect()
                except SmtpError:
                    continue
                await self.part(connection)
            _log.info("relay_up", relay=self.label)
            self._down = False
            self.reason = ""
            self._back()
            self.wake()


def _now() -> float:
    return asyncio.get_running_loop().time()
