"""Trying out a login at a mail server that a program names, without sending anything."""

import asyncio
import functools
import ssl
from typing import Final

from imapclient.exceptions import IMAPClientError

from postroom.delivery import imap, own_connections, reaching, smtp
from postroom.delivery.reaching import ForbiddenAddressError
from postroom.delivery.smtp import SmtpError
from postroom.delivery.wire import reason
from postroom.directory import mail_servers
from postroom.directory.mail_servers import Connection, Kind
from postroom.directory.values import one_line
from postroom.errors import Invalid
from postroom.messages.copies import ImapAccount
from postroom.settings import Settings

LONGEST: Final = 15.0
"""Seconds that a trial may take."""


class Refused(Exception):
    """The login did not succeed; ``words`` are those of the server, or say what went wrong, without the password."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


async def authenticate_smtp(settings: Settings, connection: Connection) -> None:
    """Log in at an SMTP server and leave again. Raises ``Refused``, ``Invalid`` and ``TooLarge`` as ``mail_servers.check``."""
    checked = mail_servers.check(settings, connection, "smtp")
    relay = own_connections.relay_settings(checked)
    try:
        async with asyncio.timeout(LONGEST):
            address = await reaching.resolved(settings, checked.host, checked.port, "smtp")
            session = await smtp.connect(relay, settings.mail.domain, address, verified=True)
            await session.quit()
    except TimeoutError:
        raise Refused(f"no answer within {LONGEST:g} seconds") from None
    except (OSError, SmtpError) as error:
        raise Refused(_words(error, checked)) from None


async def authenticate_imap(settings: Settings, connection: Connection) -> None:
    """Log in at an IMAP server and leave again. Raises as ``authenticate_smtp``."""
    checked = mail_servers.check(settings, connection, "imap")
    if not checked.username:
        raise Invalid("username", "a user name is needed")
    account = ImapAccount(
        host=checked.host,
        port=checked.port,
        security="starttls" if checked.security == "starttls_if_offered" else checked.security,  # a password goes over TLS only
        username=checked.username,
        password=checked.password,
        folder="INBOX",
    )
    reach = functools.partial(reaching.resolve, settings, checked.host, checked.port, "imap")
    try:
        async with asyncio.timeout(LONGEST):
            await asyncio.to_thread(imap.try_login, account, reach)
    except TimeoutError:
        raise Refused(f"no answer within {LONGEST:g} seconds") from None
    except (OSError, ssl.SSLError, IMAPClientError, imap.LoginRefusedError) as error:
        raise Refused(_words(error, checked)) from None


async def can_login(settings: Settings, connection: Connection, *, kind: Kind) -> bool:
    """Tell whether a login succeeds. Raises ``Invalid`` and ``TooLarge`` as ``mail_servers.check``."""
    try:
        await (authenticate_smtp if kind == "smtp" else authenticate_imap)(settings, connection)
    except Refused:
        return False
    return True


def _words(error: Exception, connection: Connection) -> str:
    words = str(error) if isinstance(error, ForbiddenAddressError) else reason(error)
    return one_line(words.replace(connection.password, "…") if connection.password else words, imap.MAX_WORDS)
