"""Copies of sent messages in folders of other mail servers: what a program that sends through us would keep in *Sent*.

A copy is due at once, in the transaction that accepts the message, and not only when somebody got it: for its author a
message is sent from then on, since nothing can call it back or lose it, and whom it does not reach is reported in other
ways. A relay that is away for an hour so keeps nobody from seeing in *Sent* what was sent. Making the copy
(``delivery.sent_copies``) never delays the mail, and its failure changes nothing about the message.

The password is kept encrypted, bound to the account that it is for, and forgotten when the copy is done or given up.
"""

from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import func, insert, select

from postroom.clock import DAY
from postroom.directory import mail_servers
from postroom.directory.mail_servers import LARGEST_PORT, MAX_LOGIN, NOT_ALLOWED
from postroom.directory.values import LARGEST_ID, check_line, storable
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.settings import Settings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import messages, sent_copies

MAX_COPIES: Final = 10
"""Copies of one message."""

MAX_FOLDER: Final = 200

EXPIRE: Final = 2 * DAY
"""Milliseconds after which a copy that could not be made is given up."""

Security = Literal["none", "starttls", "tls"]
CopyState = Literal["queued", "sending", "done", "failed"]


class ImapAccount(Struct, frozen=True, kw_only=True):
    """A folder of an account on an IMAP server."""

    host: str
    """Name in ASCII, or an address."""
    port: int
    security: Security
    """``tls`` from the first byte, or ``starttls``, both with a certificate that is checked; ``none``: STARTTLS if it is
    offered, whatever the certificate, else everything in the clear."""
    username: str
    password: str
    folder: str
    """Its levels separated by ``/`` or as the server does; made when it is missing."""

    def __repr__(self) -> str:
        return f"ImapAccount(port={self.port}, security={self.security!r})"


class Copy(Struct, frozen=True, kw_only=True):
    """One copy as it stands; times in milliseconds."""

    id: int
    folder: str
    state: CopyState
    attempts: int
    due_at: int | None
    """When the next try is due; ``None`` while there is one, and after the end."""
    reply_text: str | None
    """The last words of the IMAP server, or why there is no copy."""
    created_at: int
    settled_at: int | None


_COLUMNS: Final = tuple(sent_copies.c[name] for name in Copy.__struct_fields__)


def request(tx: Tx, settings: Settings, vault: Vault, message_id: int, account: ImapAccount, *, now: int) -> int:
    """Queue a copy of a message that was sent, in the same transaction or before; return the number of the copy.

    Raises ``Invalid`` or ``TooLarge`` for a value of the account, ``Invalid("host", …)`` for a server that may not be named
    (``directory.mail_servers``) among them, or more than ``MAX_COPIES`` (``copies``);
    ``NotFound("message", id)``; ``WrongState("sent_required")`` for a draft.
    """
    account = checked(account)
    if not mail_servers.is_allowed(settings, account.host, account.port, "imap"):
        raise Invalid("host", NOT_ALLOWED)
    _check_message(tx, message_id)
    row: dict[str, Any] = {
        "message_id": message_id,
        "host": account.host,
        "port": account.port,
        "security": account.security,
        "username": account.username,
        "secret": vault.encrypt(account.password, purpose(message_id, account)),
        "folder": account.folder,
        "due_at": now,
        "expires_at": now + EXPIRE,
        "created_at": now,
    }
    copy_id: int = tx.execute(insert(sent_copies).values(row).returning(sent_copies.c.id)).scalar_one()
    wakeup.notify(tx)
    return copy_id


def of_message(tx: Tx, message_id: int) -> list[Copy]:
    """Return the copies of a message, at most ``MAX_COPIES``, in the order in which they were asked for."""
    if not 0 < message_id <= LARGEST_ID:
        return []
    rows = tx.execute(select(*_COLUMNS).where(sent_copies.c.message_id == message_id).order_by(sent_copies.c.id).limit(MAX_COPIES))
    return [Copy(**row._mapping) for row in rows]  # noqa: SLF001 - the documented way to the names of a row


def purpose(message_id: int, account: ImapAccount) -> str:
    """Return what the password is encrypted for: whoever can write into the store still cannot have it sent elsewhere."""
    return f"sent copy {message_id} {account.username}@{account.host}:{account.port} {account.security}"


def checked(account: ImapAccount) -> ImapAccount:
    """Return the account with blanks around host and folder cut off. Raises ``Invalid`` or ``TooLarge``, as ``request`` does."""
    host = account.host.strip(" ")
    if not mail_servers.is_host(host):
        raise Invalid("host", "a host name in ASCII, or an address, is needed")
    if not 0 < account.port <= LARGEST_PORT:
        raise Invalid("port", "a number from 1 to 65535 is needed")
    for name, value in (("username", account.username), ("password", account.password)):
        if not value or not storable(value):  # not trimmed: blanks may belong to a password
            raise Invalid(name, "one line without control characters is needed")
        if len(value) > MAX_LOGIN:
            raise TooLarge(name, MAX_LOGIN)
    folder = check_line("folder", account.folder, MAX_FOLDER, required=True)
    return ImapAccount(
        host=host, port=account.port, security=account.security, username=account.username, password=account.password, folder=folder
    )


def _check_message(tx: Tx, message_id: int) -> None:
    status = None
    if 0 < message_id <= LARGEST_ID:
        status = tx.execute(select(messages.c.status).where(messages.c.id == message_id)).scalar_one_or_none()
    if status is None:
        raise NotFound("message", message_id)
    if status == "draft":
        raise WrongState("sent_required")
    there: int = tx.execute(select(func.count()).where(sent_copies.c.message_id == message_id)).scalar_one()
    if there >= MAX_COPIES:
        raise TooLarge("copies", MAX_COPIES)
