"""One message into one folder of an IMAP account (RFC 3501 APPEND); blocking, to be run in a thread.

Everything that can go wrong becomes an ``Answer``: nothing is raised, and no answer holds the password. A connection
lasts for one message. Each step waits ``CONNECT`` or ``READ`` seconds at most, and takes no more than ``MAX_RECEIVED``
bytes from the server; whoever runs it bounds the whole by ``abort``.

A server may have kept the message although we never heard so. Therefore a message that was tried before is first looked
for by its Message-ID, and not put there a second time.
"""

import base64
import contextlib
import imaplib
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Final, Literal

import structlog
from imapclient import SEEN, IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError
from msgspec import Struct

from postroom.delivery.reaching import ForbiddenAddressError
from postroom.delivery.wire import tls_context
from postroom.directory.values import one_line
from postroom.messages.copies import ImapAccount

CONNECT: Final = 10.0
"""Seconds to wait for a connection, its encryption and the greeting."""

READ: Final = 30.0
"""Seconds to wait for each piece of an answer."""

MAX_RECEIVED: Final = 1_048_576
"""Bytes that a server may say in one conversation; a few thousand are usual."""

MAX_WORDS: Final = 500
"""Characters of an answer that are kept."""

_NEVER: Final = ("[CANNOT]", "[TOOBIG]")
"""Response codes that say that trying again is of no use (RFC 5530 section 3, RFC 4469 section 4.2)."""

_UNWELL: Final = "[UNAVAILABLE]"
"""A refused login with this code says nothing about the password (RFC 5530 section 3)."""

_log: Final = structlog.get_logger("postroom.delivery")


class Answer(Struct, frozen=True):
    """What became of one try."""

    kind: Literal["done", "later", "login", "never"]
    """``login``: user name or password were refused; ``later`` and ``never`` say whether to try again."""
    words: str
    """What the server said, or what went wrong, on one line."""


class Conversation:
    """One try to put a message into the folder of an account; ``abort`` may be called from another thread."""

    def __init__(self, account: ImapAccount, resolve: Callable[[], str] | None = None) -> None:
        """``resolve`` says which address the host of the account has, or raises ``OSError``."""
        self._account = account
        self._resolve = resolve
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._aborted = False

    def append(self, content: bytes, date: int, *, again: bool) -> Answer:
        """Put ``content`` (CRLF line ends) into the folder, read, with ``date`` (milliseconds) as its date.

        ``again`` says that it may be there already: then it is looked for first.
        """
        try:
            with connect(self._account, self._hold, self._resolve) as client:
                _log_in(client, self._account)
                folder = _open_folder(client, self._account.folder)
                if again and _is_there(client, content):
                    return Answer("done", "it was there already")
                said = client.append(folder, content, (SEEN,), datetime.fromtimestamp(date / 1000, UTC))
            return self._answer("done", _text(said))
        except (LoginRefusedError, ForbiddenAddressError) as error:
            return self._answer("login" if isinstance(error, LoginRefusedError) else "never", str(error))
        except (IMAPClientAbortError, OSError) as error:
            return self._answer("later", "it took too long" if self._aborted else _broken(error))
        except IMAPClientError as error:
            words = _words(error)
            return self._answer("never" if any(code in words for code in _NEVER) else "later", words)
        except Exception as error:  # noqa: BLE001 - what a server says can confuse the library in any way
            return self._unforeseen(error)
        finally:
            self._let_go()

    def abort(self) -> None:
        """Break the connection, so that ``append`` returns soon."""
        with self._lock:
            self._aborted = True
            if self._handle is not None:
                _cut(self._handle)

    def _hold(self, connection: socket.socket) -> None:
        """Keep a second handle on a new connection, whatever encryption makes of the first one."""
        with self._lock:
            self._handle = connection.dup()
            if self._aborted:
                _cut(self._handle)

    def _let_go(self) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def _answer(self, kind: Literal["done", "later", "login", "never"], words: str) -> Answer:
        """Make an answer of one line, without the password: some servers repeat what they do not understand."""
        for secret in _forms(self._account):
            words = words.replace(secret, "…")
        return Answer(kind, one_line(words, MAX_WORDS))

    def _unforeseen(self, error: Exception) -> Answer:
        if not self._aborted:  # the message of the error may hold what was sent, so only its kind and place are logged
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("copy_confused", error=type(error).__name__, place=f"{place.name}:{place.lineno}")
        return self._answer("later", f"the answers of the server make no sense ({type(error).__name__})")


def _forms(account: ImapAccount) -> list[str]:
    """Return the password as it may stand in what we say: by itself, and encoded alone or as SASL PLAIN has it (RFC 4616)."""
    encoded = [base64.b64encode(text.encode()).decode() for text in (account.password, f"\0{account.username}\0{account.password}")]
    return [secret for secret in (account.password, *encoded) if secret]


def try_login(account: ImapAccount, resolve: Callable[[], str]) -> None:
    """Log in and out again. Raises ``OSError``, ``IMAPClientError`` or ``LoginRefusedError``."""
    with connect(account, lambda _: None, resolve) as client:
        _log_in(client, account)


def connect(account: ImapAccount, opened: Callable[[socket.socket], None], resolve: Callable[[], str] | None = None) -> IMAPClient:
    """Open a connection, encrypted as the account demands, before any login; ``opened`` is told of it before anything is said.

    ``resolve`` says which address to connect to. Raises ``OSError`` (``ssl.SSLError`` is one) or ``IMAPClientError``.
    """
    checked = tls_context(verified=True)
    client: IMAPClient = _Client(account, checked, opened, resolve)
    try:
        if account.security == "starttls":
            client.starttls(checked)
        elif account.security == "none" and client.has_capability("STARTTLS"):
            client.starttls(tls_context(verified=False))
    except BaseException:
        with contextlib.suppress(OSError):  # a handshake that failed has closed it
            client.shutdown()
        raise
    return client


def reach(host: str, port: int) -> socket.socket:
    """Open a TCP connection: the one place where hosts that others name are reached. Raises ``OSError``."""
    return socket.create_connection((host, port), CONNECT)


class LoginRefusedError(Exception):
    """The server knows us well enough to say no."""


class _Connection(imaplib.IMAP4):
    """Takes no more than ``MAX_RECEIVED`` bytes from a server: the library keeps in memory whatever it is told."""

    _received = 0

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, opened: Callable[[socket.socket], None], address: str) -> None:
        self._context = context
        self._address = address
        self._opened = opened
        super().__init__(host, port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 - we have our own
        plain = reach(self._address, self.port)
        self._opened(plain)
        return self._context.wrap_socket(plain, server_hostname=self.host) if self._context else plain

    def read(self, size: int) -> bytes:
        self._count(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._count(len(line))
        return line

    def _count(self, size: int) -> None:
        self._received += size
        if self._received > MAX_RECEIVED:
            raise self.abort("the server says too much")


class _Client(IMAPClient):
    def __init__(
        self, account: ImapAccount, context: ssl.SSLContext, opened: Callable[[socket.socket], None], resolve: Callable[[], str] | None
    ) -> None:
        self._opened = opened
        self._address = resolve() if resolve is not None else account.host
        super().__init__(account.host, account.port, ssl=account.security == "tls", ssl_context=context, timeout=READ)

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - the name is the library's
        return _Connection(self.host, self.port, self.ssl_context if self.ssl else None, self._opened, self._address)


def _log_in(client: IMAPClient, account: ImapAccount) -> None:
    """Log in by PLAIN (RFC 4616) where the server offers it, since LOGIN carries ASCII only."""
    try:
        if client.has_capability("AUTH=PLAIN"):
            client.plain_login(account.username, account.password)
            return
        if client.has_capability("LOGINDISABLED"):
            raise IMAPClientError("the server takes no passwords over this connection")
        if not (account.username + account.password).isascii():
            raise LoginRefusedError("the server takes ASCII characters only in user names and passwords")
        client.login(account.username, account.password)
    except LoginError as error:
        cause = error.__context__
        if isinstance(cause, IMAPClientAbortError):  # the library calls every trouble during a login a refusal
            raise cause from None
        words = _words(cause if isinstance(cause, IMAPClientError) else error)
        if _UNWELL in words:
            raise IMAPClientError(words) from None
        raise LoginRefusedError(words) from None


def _open_folder(client: IMAPClient, wanted: str) -> str:
    """Open the folder for looking into it, made and subscribed to when it is missing; return its name as the server writes it.

    A server need not say why it cannot be opened, so making it is tried for any reason. When that fails it may have been
    made meanwhile.
    """
    folder = _native_name(client, wanted)
    if not _opens(client, folder):
        _make_folder(client, folder)
        client.select_folder(folder, readonly=True)
    return folder


def _opens(client: IMAPClient, folder: str) -> bool:
    try:
        client.select_folder(folder, readonly=True)
    except IMAPClientAbortError:
        raise
    except IMAPClientError:
        return False
    return True


def _make_folder(client: IMAPClient, folder: str) -> None:
    """Make a folder and all above it (RFC 3501 section 6.3.3 asks that of servers), and show it in mail programs."""
    try:
        client.create_folder(folder)
    except IMAPClientError:
        if not _opens(client, folder):
            raise
    else:
        client.subscribe_folder(folder)


def _native_name(client: IMAPClient, folder: str) -> str:
    """Return the name of a folder with the separator and prefix of the server, such as ``INBOX.Sent`` (RFC 2342)."""
    personal = client.namespace().personal if client.has_capability("NAMESPACE") else None
    if not personal:
        return folder
    prefix, separator = personal[0]
    if separator and separator != "/":
        folder = folder.replace("/", separator)
    inbox = folder.upper() == "INBOX"
    return folder if inbox or folder.startswith(prefix) else prefix + folder


def _is_there(client: IMAPClient, content: bytes) -> bool:
    name = "Message-ID"
    number = str(BytesHeaderParser(policy=compat32).parsebytes(content)[name]).strip()
    return bool(client.search(["HEADER", name, number]))


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is broken already
        connection.shutdown(socket.SHUT_RDWR)


def _broken(error: Exception) -> str:
    return "the server does not answer" if isinstance(error, TimeoutError) else _words(error)


def _words(error: BaseException) -> str:
    """Return what an error says; the library hands on some answers as bytes."""
    first = error.args[0] if len(error.args) == 1 else error
    return _text(first) or type(error).__name__


def _text(said: object) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
