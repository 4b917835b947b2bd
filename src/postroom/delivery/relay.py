"""The relay as a worker sees it: reachable or not. While it is not, nobody is claimed and no attempt is burnt."""

import asyncio
import random
from typing import Final

import structlog

from postroom.delivery.smtp import SmtpConnection, SmtpError, connect
from postroom.settings import Settings

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_GOODBYE: Final = 2.0
"""Seconds that a QUIT may take."""

_log: Final = structlog.get_logger("postroom.delivery")


class Relay:
    """Opens connections and remembers when to try again after trouble."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pause = 0.0
        self._ready_at = 0.0
        self.name = f"{settings.relay.host}:{settings.relay.port}"

    @property
    def down(self) -> bool:
        """Whether the last thing known of the relay is trouble."""
        return self._pause > 0

    def wait_left(self) -> float:
        """Return the seconds until the relay may be tried again."""
        return max(0.0, self._ready_at - asyncio.get_running_loop().time())

    def failed(self, reason: str) -> None:
        """Note trouble: the pause doubles with each, from a second to a minute. Trouble within a pause is the same trouble."""
        if self.wait_left() > 0:
            return
        self._pause = min(max(_FIRST_PAUSE, self._pause * 2), _LONGEST_PAUSE)
        wait = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - workers only must not come back all at once
        self._ready_at = asyncio.get_running_loop().time() + wait
        _log.warning("relay_down", relay=self.name, reason=reason, next_try_in=round(wait, 1))

    def works(self) -> None:
        """Note that the relay answers."""
        if self.down:
            _log.info("relay_up", relay=self.name)
        self._pause = self._ready_at = 0.0

    async def connect(self) -> SmtpConnection:
        """Open a connection. Raises ``SmtpError`` of phase ``session``, after noting the trouble."""
        try:
            connection = await connect(self._settings)
        except SmtpError as error:
            self.failed(error.reason)
            raise
        self.works()
        return connection

    async def probe(self) -> bool:
        """Tell whether the relay lets us in again."""
        try:
            connection = await self.connect()
        except SmtpError:
            return False
        await goodbye(connection)
        return True


async def goodbye(connection: SmtpConnection) -> None:
    """Close a connection politely, but not at any cost of time."""
    try:
        async with asyncio.timeout(_GOODBYE):
            await connection.quit()
    except TimeoutError:
        connection.close()
