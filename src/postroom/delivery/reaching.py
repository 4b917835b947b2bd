"""The way to mail servers that others name: the address that is checked is the very one that is connected to.

A name is resolved once; when any of its addresses may not be reached (``mail_servers.may_reach``), none is: a name that leads
outside now and inside a moment later gains nothing. Certificates are checked against the name.
"""

import asyncio
import functools
import socket

from postroom.directory import mail_servers
from postroom.directory.mail_servers import Kind
from postroom.settings import Settings


class ForbiddenAddressError(OSError):
    """The name leads to an address that programs may not have connected to; it carries neither."""

    def __init__(self) -> None:
        super().__init__("the name of the mail server leads to an address that is not allowed here")


def resolve(settings: Settings, host: str, port: int, kind: Kind) -> str:
    """Return the address to connect to; blocking. Raises ``ForbiddenAddressError`` or another ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(mail_servers.may_reach(settings, host, port, address, kind) for address in addresses):
        raise ForbiddenAddressError
    return addresses[0]


async def resolved(settings: Settings, host: str, port: int, kind: Kind) -> str:
    """``resolve`` for the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(resolve, settings, host, port, kind))
