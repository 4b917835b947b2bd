"""Mail servers that people and programs name: which may be named, and which addresses may be connected to.

A server may be named when the settings list it (``superoffice.outgoing_servers``, ``superoffice.incoming_servers``) or, for SMTP,
when it is one of our own relays. An entry is a host, ``*.host`` (below it) or an address, each with ``:port`` or without;
without one the usual ports of the protocol are meant. Whether the *address* that a name leads to may be reached is another
question, asked at each connection (``may_reach``): the names of others are in the hands of others.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct, structs
from sqlalchemy import Row

from postroom.directory.values import storable
from postroom.errors import Invalid, TooLarge
from postroom.settings import Settings

Kind = Literal["smtp", "imap"]
Security = Literal["none", "starttls_if_offered", "tls"]

PORTS: Final[dict[Kind, frozenset[int]]] = {"smtp": frozenset({25, 465, 587}), "imap": frozenset({143, 993})}
"""What an entry without a port means."""

NOT_ALLOWED: Final = "this mail server is not one that programs may name here"

MAX_LOGIN: Final = 1_000
"""Characters of a user name and of a password."""

LARGEST_PORT: Final = 65_535

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?|[0-9A-Fa-f:.]{2,45}")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Connection(Struct, frozen=True, kw_only=True):
    """A mail server and a login there."""

    host: str
    """Name in ASCII, or an address."""
    port: int
    security: Security
    """``tls`` from the first byte; ``starttls_if_offered``: a password goes over TLS only; both with a certificate that is
    checked. ``none``: everything in the clear."""
    username: str = ""
    """Empty: no login."""
    password: str = ""

    def __repr__(self) -> str:
        return f"Connection(port={self.port}, security={self.security!r})"


def is_host(value: str) -> bool:
    """Tell whether this can be the name of a host, in ASCII, or an address."""
    return _HOST.fullmatch(value) is not None


def bound(connection: Connection) -> str:
    """Return what a password is encrypted for, beside its row: whoever can write into the store still cannot have it sent elsewhere."""
    return f"{connection.username}@{connection.host}:{connection.port} {connection.security}"


def columns(connection: Connection) -> dict[str, Any]:
    """Return what tables keep of a connection beside the password, which is encrypted."""
    return {"host": connection.host, "port": connection.port, "security": connection.security, "username": connection.username}


def bare(row: Row[*tuple[Any, ...]]) -> Connection:
    """Return a connection as ``columns`` of it are kept, without the password."""
    return Connection(host=row.host, port=row.port, security=row.security, username=row.username)


def check(settings: Settings, connection: Connection, kind: Kind = "smtp") -> Connection:
    """Return the connection with its host in lower case.

    Raises ``Invalid`` named ``server``, ``username`` or ``password``, or ``TooLarge`` for the last two.
    """
    host = connection.host.strip(" ").rstrip(".").lower()
    if not is_host(host) or not 0 < connection.port <= LARGEST_PORT:
        raise Invalid("server", "the name of a host in ASCII, or an address, and a port from 1 to 65535 are needed")
    for name, value in (("username", connection.username), ("password", connection.password)):
        if not storable(value):
            raise Invalid(name, "one line without control characters is needed")
        if len(value) > MAX_LOGIN:
            raise TooLarge(name, MAX_LOGIN)
    if connection.password and not connection.username:
        raise Invalid("username", "a password needs a user name")
    if not is_allowed(settings, host, connection.port, kind):
        raise Invalid("server", NOT_ALLOWED)
    return structs.replace(connection, host=host)


def is_allowed(settings: Settings, host: str, port: int, kind: Kind) -> bool:
    """Tell whether programs may name this server."""
    return any(_matches(pattern, host.lower(), port, kind) for pattern in _patterns(settings, kind))


def may_reach(settings: Settings, host: str, port: int, address: str, kind: Kind) -> bool:
    """Tell whether ``address``, which ``host`` leads to, may be connected to.

    Addresses of the public internet may. Private, loopback, link-local (cloud metadata among them) and all other special ones only
    if the settings list that very address (with this port), or ``host`` and ``port`` are those of one of our own relays.
    An IPv4 address in an IPv6 one (RFC 4291 section 2.5.5.2, 6to4, Teredo, NAT64) counts as the IPv4 address too.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if kind == "smtp" and (host.lower(), port) in {(relay.host.lower(), relay.port) for relay in settings.all_relays.values()}:
        return True
    meant = _meant(found)
    if all(one.is_global and not one.is_multicast for one in meant):
        return True
    return any(_matches(pattern, str(meant[-1]), port, kind) for pattern in _listed(settings, kind))


def _patterns(settings: Settings, kind: Kind) -> Iterator[str]:
    yield from _listed(settings, kind)
    if kind == "smtp":
        for relay in settings.all_relays.values():
            yield f"[{relay.host}]:{relay.port}" if ":" in relay.host else f"{relay.host}:{relay.port}"


def _listed(settings: Settings, kind: Kind) -> list[str]:
    return settings.superoffice.outgoing_servers if kind == "smtp" else settings.superoffice.incoming_servers


def _split(pattern: str) -> tuple[str, int | None]:
    """Return host and port of an entry; an IPv6 address with a port stands in brackets."""
    host, colon, port = pattern.strip().lower().rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        return pattern.strip().lower().strip("[]"), None
    return host.strip("[]"), int(port)


def _matches(pattern: str, host: str, port: int, kind: Kind) -> bool:
    wanted, only = _split(pattern)
    if port != only and not (only is None and port in PORTS[kind]):
        return False
    return host == wanted or (wanted.startswith("*.") and host.endswith(wanted[1:]))


def _meant(address: _Address) -> list[_Address]:
    """Return an address, and behind it the IPv4 one that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is None:
        return [address]
    return [inner] if address.ipv4_mapped else [address, inner]
