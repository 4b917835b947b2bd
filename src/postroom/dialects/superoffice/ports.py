"""What the delivery side does for the interface, which stands beside it and cannot reach it: the application puts it in."""

from typing import Protocol

from msgspec import Struct

from postroom.directory.mail_servers import Connection, Kind
from postroom.messages.items import Key
from postroom.settings import Settings
from postroom.storage.store import Store


class AsFile(Protocol):
    """Makes a file (RFC 5322) of the mail that a person has as an item."""

    async def __call__(self, store: Store, user_id: int, key: Key, *, with_files: bool) -> bytes:
        """Return the file. Raises ``NotFound("message", key)``, ``Invalid`` and ``Unavailable``."""
        ...


class Login(Protocol):
    """Tries a login at a mail server, without sending or reading anything."""

    async def __call__(self, settings: Settings, connection: Connection, *, kind: Kind) -> bool:
        """Tell whether it succeeded. Raises ``Invalid`` and ``TooLarge`` as ``mail_servers.check``."""
        ...


class Ports(Struct, frozen=True, kw_only=True):
    """Every one of them."""

    as_file: AsFile
    can_login: Login
