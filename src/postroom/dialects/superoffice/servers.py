"""Mail servers that a request names (wire/superoffice.md §1.2, §4.3): their ports, and how the connection is kept secret."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from postroom.dialects.superoffice.carriers import EMailConnectionInfo, EMailConnectionInfoExtended
from postroom.directory import mail_servers
from postroom.directory.mail_servers import Connection, Kind, Security
from postroom.errors import Invalid, TooLarge
from postroom.messages.copies import ImapAccount
from postroom.settings import Settings

Info = EMailConnectionInfo | EMailConnectionInfoExtended

SENT_FOLDER: Final = "Sent Items"
"""Where copies go unless the request says otherwise: the preset of the original."""

_PORTS: Final[dict[Kind, tuple[int, int]]] = {"smtp": (25, 465), "imap": (143, 993)}
"""Without and with TLS from the first byte."""
_WITH_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})")
_PROPERTIES: Final = {"server": "ServerName", "username": "UserName", "password": "Password"}


def checked(settings: Settings, name: str, info: Info | None, kind: Kind) -> Connection | None:
    """Return the connection that a property of the request describes; ``None`` for one that names no server.

    Raises ``Invalid`` and ``TooLarge`` with the property, for a server that may not be named here too.
    """
    written = (info.server_name or "").strip() if info is not None else ""
    if info is None or not written:
        return None
    found = _WITH_PORT.fullmatch(written)
    given = info.port if isinstance(info, EMailConnectionInfoExtended) else 0
    port = int(found[2]) if found else given or _PORTS[kind][info.use_ssl]
    connection = Connection(
        host=(found[1] if found else written).strip("[]"),
        port=port,
        security="tls" if info.use_ssl else "starttls_if_offered",
        username=info.user_name or "",
        password=info.password or "",
    )
    with named(name, _PROPERTIES):
        return mail_servers.check(settings, connection, kind)


def described(kind: Kind, host: str, port: int, username: str, password: str) -> Connection:
    """Return the connection of an account; without a port the usual one. The ports of TLS from the first byte mean just that."""
    port = port or _PORTS[kind][0]
    security: Security = "tls" if port == _PORTS[kind][1] else "starttls_if_offered"
    return Connection(host=host.strip().strip("[]"), port=port, security=security, username=username, password=password)


@contextmanager
def named(name: str, properties: Mapping[str, str]) -> Iterator[None]:
    """Name the property of the request in the errors of ``mail_servers.check``."""
    try:
        yield
    except Invalid as error:
        raise Invalid(f"{name}.{properties[error.parameter]}", error.reason) from None
    except TooLarge as error:
        raise TooLarge(f"{name}.{properties[error.parameter]}", error.limit) from None


def folder(connection: Connection, info: EMailConnectionInfo) -> ImapAccount:
    """Return the folder that copies go to. There is always a password, so STARTTLS is needed if TLS does not come first."""
    return ImapAccount(
        host=connection.host,
        port=connection.port,
        security="tls" if connection.security == "tls" else "starttls",
        username=connection.username,
        password=connection.password,
        folder=(info.folder or "").strip() or SENT_FOLDER,
    )
