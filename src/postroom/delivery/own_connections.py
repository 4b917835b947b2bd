"""Letters that leave through the mail server that their author named, never through a relay.

Each server with one login is a relay of this worker's for as long as letters wait for it: with a window, pauses and a report of
its own, so that its trouble is nobody else's. Letters with the same server and login share it.
"""

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Final

from postroom.delivery.relay import Relay
from postroom.directory.mail_servers import Connection
from postroom.settings import RelaySettings

if TYPE_CHECKING:
    from postroom.delivery.dispatch import Dispatch

MAX_SERVERS: Final = 20
"""Servers that a worker holds at once; letters for others wait."""

CONNECTIONS: Final = 2
"""Connections to one of them."""

IDLE: Final = 5.0
"""Seconds that a connection without work stays open."""

TIMEOUT: Final = 30.0
"""Seconds to wait for a connection or a reply."""

BUSY: Final = 5.0
"""Seconds after which a letter is looked at again that found too many servers, or too much waiting for its own."""


def relay_settings(connection: Connection) -> RelaySettings:
    """Return what our SMTP client needs to know of a connection."""
    return RelaySettings(
        host=connection.host,
        port=connection.port,
        security="opportunistic" if connection.security == "starttls_if_offered" else connection.security,
        username=connection.username,
        password=connection.password,
        connections=CONNECTIONS,
        idle=IDLE,
        timeout=TIMEOUT,
    )


class OwnServers:
    """The servers that letters of this worker wait for just now."""

    def __init__(self, dispatch: "Dispatch") -> None:
        self._dispatch = dispatch
        self._names: dict[Connection, str] = {}
        self._numbers = count(1)
        self.employ: Callable[[Relay], None] = _nobody
        """Called with each new one: the worker lets senders work for it."""

    def name_of(self, connection: Connection) -> str | None:
        """Return the name of the relay for a connection, made when it is missing; ``None``: there are ``MAX_SERVERS`` already."""
        name = self._names.get(connection)
        if name is None:
            if len(self._names) >= MAX_SERVERS:
                return None
            name = self._names[connection] = f"own {next(self._numbers)}"  # a space: no name of the settings has one
            relay = Relay(name, self._dispatch.settings, self._dispatch.look.set, relay_settings(connection))
            self._dispatch.relays[name] = relay
            self.employ(relay)
        return name

    def dismiss_idle(self) -> None:
        """Forget servers, with the logins there, that nothing waits for, and that no connection is open to.

        Those that are down too: nobody is there to hear that they are back, and a refused login would be tried on and on.
        Not between ``name_of`` and the time when the job waits there.
        """
        for connection, name in list(self._names.items()):
            relay = self._dispatch.relays[name]
            if relay.idle:
                relay.end()
                del self._names[connection], self._dispatch.relays[name]


def _nobody(relay: Relay) -> None:
    raise RuntimeError(f"nobody works for {relay.name}")
