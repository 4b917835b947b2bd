"""Accounts, and logins at mail servers (wire/superoffice.md §1.4, §4.3 EMailAccount).

An account is one of the addresses that the directory has for a person, so nobody makes or deletes one here. What a client saves with one
are mail servers and the logins there, which it may name; deleting forgets these. Passwords are never shown (our choices).
"""

import asyncio
from typing import Final

from msgspec import Struct, field

from postroom.dialects.superoffice import servers
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailAccount, EMailConnectionInfo, EMailConnectionInfoExtended, ServiceAuth
from postroom.dialects.superoffice.errors import malformed
from postroom.dialects.superoffice.operation import Methods, method
from postroom.dialects.superoffice.wire_types import Nothing
from postroom.directory import account_servers, mail_accounts
from postroom.directory.mail_accounts import MailAccount
from postroom.directory.mail_servers import Connection, Kind
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx

_OK: Final = 4
"""AccountStatus: in order."""
_PLAIN: Final = "plain-text"
_PROPERTIES: Final[dict[Kind, str]] = {"imap": "IncomingCredentials", "smtp": "OutgoingCredentials"}
_FIELDS: Final = {"server": "Server", "username": "Username", "password": "Password"}
_PROTOCOLS: Final[dict[str, Kind]] = {"": "smtp", "smtp": "smtp", "imap": "imap"}


class OneAccount(Struct, frozen=True, kw_only=True):
    """Which account."""

    account_id: int = field(name="eMailAccountId", default=0)


class FromAddress(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The address of an account."""

    from_address: str = ""


class Login(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail server, and how to log in."""

    connection_info: EMailConnectionInfo | None = None


class ExtendedLogin(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The same, with its protocol: SMTP or IMAP."""

    connection_info_extended: EMailConnectionInfoExtended | None = None


@method("GetCurrentAccount", Nothing, EMailAccount)
async def get_current_account(call: Call, request: Nothing) -> EMailAccount | None:  # noqa: ARG001 - as every handler
    """Return the account that the caller writes from unless a mail says otherwise; null for who has no address."""
    return await _one(call, await _current(call))


@method("GetCurrentAccountId", Nothing, int)
async def get_current_account_id(call: Call, request: Nothing) -> int:  # noqa: ARG001 - as every handler
    """Return the number of that account; 0 for who has no address."""
    return await _current(call)


@method("GetEMailAccount", OneAccount, EMailAccount, place="query")
async def get_email_account(call: Call, request: OneAccount) -> EMailAccount | None:
    """Return an account of the caller's; null for one that is not there."""
    return await _one(call, request.account_id)


@method("GetEMailAccountFromEMailAddress", FromAddress, EMailAccount)
async def get_email_account_from_email_address(call: Call, request: FromAddress) -> EMailAccount | None:
    """Return the account of the caller's that has this address; null if none has."""
    wanted = request.from_address.strip().lower()
    return await _one(call, next((account.id for account in await _accounts(call) if account.address.email.lower() == wanted), 0))


@method("SaveEMailAccount", EMailAccount, EMailAccount)
async def save_email_account(call: Call, request: EMailAccount) -> EMailAccount | None:
    """Keep the mail servers of one of the caller's accounts, named by its number, else by its address; null credentials are forgotten.

    Without a password the one that is kept for the same server and user name stays.
    """
    wanted = (request.email_address or "").strip().lower()
    number = request.email_account_id
    found = [one for one in await _accounts(call) if one.id == number or (not number and one.address.email.lower() == wanted)]
    if not found:
        raise NotFound("account", number or wanted)
    kept: dict[Kind, Connection | None] = {
        "imap": _server("imap", request.incoming_credentials),
        "smtp": _server("smtp", request.outgoing_credentials),
    }
    await call.write(_keep, call, found[0].id, kept)
    return await _one(call, found[0].id)


@method("DeleteEMailAccount", OneAccount, None, place="query")
async def delete_email_account(call: Call, request: OneAccount) -> None:
    """Forget the mail servers of one of the caller's accounts. The address stays: it is the directory's."""
    await call.write(_keep, call, request.account_id, {"imap": None, "smtp": None})


@method("TestAuthenticate", Nothing, bool)
async def test_authenticate(call: Call, request: Nothing) -> bool:  # noqa: ARG001 - as every handler
    """Tell whether the caller can send: logs in at the servers of the default account, at once, or has one that needs none of its own."""
    if not await _accounts(call):
        return False
    return all(await asyncio.gather(*(_can_login(call, kind) for kind in _PROPERTIES)))


@method("AuthenticateOutgoing", Login, bool)
async def authenticate_outgoing(call: Call, request: Login) -> bool:
    """Try a login at an SMTP server that clients may name; tell whether it succeeded within 15 seconds."""
    return await _authenticated(call, "ConnectionInfo", request.connection_info, "smtp")


@method("AuthenticateIncoming", Login, bool)
async def authenticate_incoming(call: Call, request: Login) -> bool:
    """Try a login at an IMAP server that clients may name; tell whether it succeeded within 15 seconds."""
    return await _authenticated(call, "ConnectionInfo", request.connection_info, "imap")


@method("Authenticate", ExtendedLogin, bool)
async def authenticate(call: Call, request: ExtendedLogin) -> bool:
    """Try a login as the protocol says: smtp, which an empty one means, or imap."""
    info = request.connection_info_extended
    protocol = (info.protocol or "").strip().lower() if info is not None else ""
    if protocol not in _PROTOCOLS:
        raise Invalid("ConnectionInfoExtended.Protocol", "smtp or imap is expected")
    return await _authenticated(call, "ConnectionInfoExtended", info, _PROTOCOLS[protocol])


async def _authenticated(call: Call, name: str, info: servers.Info | None, kind: Kind) -> bool:
    connection = servers.checked(call.settings, name, info, kind)
    if connection is None:
        raise malformed(f"The parameters dictionary contains a null entry for parameter '{name}'.")
    if not connection.username:
        raise Invalid(f"{name}.UserName", "a user name is needed")
    return await call.ports.can_login(call.settings, connection, kind=kind)


async def _can_login(call: Call, kind: Kind) -> bool:
    """Try the login of the caller's default account; one that is not kept needs no trial."""
    connection = await call.read(account_servers.default, call.store.vault, call.user_id, kind)
    return connection is None or await call.ports.can_login(call.settings, connection, kind=kind)


async def _accounts(call: Call) -> list[MailAccount]:
    found = await call.read(mail_accounts.of_person, call.user_id)
    return found or await call.write(mail_accounts.number_all, call.user_id)


async def _current(call: Call) -> int:
    return next((account.id for account in await _accounts(call) if account.is_default), 0)


async def _one(call: Call, number: int) -> EMailAccount | None:
    for account in await _accounts(call):
        if account.id == number:
            kept = await call.read(account_servers.of_person, call.user_id)
            return _shown(call, account, kept.get(account.id, {}))
    return None


def _server(kind: Kind, given: ServiceAuth | None) -> Connection | None:
    """Return what is to be kept; ``None`` for credentials without a server. Raises ``Invalid``."""
    if given is None or not (given.server or "").strip():
        return None
    if (given.auth_type or _PLAIN).strip().lower() not in {"", _PLAIN}:
        raise Invalid(f"{_PROPERTIES[kind]}.AuthType", f"{_PLAIN} is expected")
    return servers.described(kind, given.server or "", given.port, given.username or "", given.password or "")


def _keep(tx: Tx, call: Call, number: int, wanted: dict[Kind, Connection | None]) -> None:
    for kind, connection in wanted.items():
        if connection is None:
            account_servers.forget(tx, call.user_id, number, kind)
            continue
        with servers.named(_PROPERTIES[kind], _FIELDS):
            account_servers.keep(tx, call.store.vault, call.user_id, number, connection, kind=kind, settings=call.settings)


def _credentials(account: MailAccount, connection: Connection | None) -> ServiceAuth | None:
    if connection is None:
        return None
    return ServiceAuth(
        service_auth_id=account.id, server=connection.host, port=connection.port, auth_type=_PLAIN, username=connection.username
    )


def _shown(call: Call, account: MailAccount, kept: dict[Kind, Connection]) -> EMailAccount:
    return EMailAccount(
        incoming_credentials=_credentials(account, kept.get("imap")),
        outgoing_credentials=_credentials(account, kept.get("smtp")),
        email_account_id=account.id,
        email_address=account.address.email,
        associate_id=call.user_id,
        account_status=_OK,
        inbox_folder="Inbox",
        sent_folder=servers.SENT_FOLDER,
    )


METHODS: Final[Methods] = (
    get_current_account,
    get_current_account_id,
    get_email_account,
    get_email_account_from_email_address,
    save_email_account,
    delete_email_account,
    test_authenticate,
    authenticate_outgoing,
    authenticate_incoming,
    authenticate,
)
