"""Accounts, and logins at mail servers (wire/superoffice.md §1.4, §4.3 EMailAccount).

An account is one of the addresses that the directory has for a person. Mail is carried by the servers of the installation, so there are
no credentials of an account; nobody makes, changes or deletes one here (our choices).
"""

from typing import Final

from msgspec import Struct, field

from postroom.dialects.superoffice import servers
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailAccount, EMailConnectionInfo, EMailConnectionInfoExtended
from postroom.dialects.superoffice.errors import malformed
from postroom.dialects.superoffice.operation import Methods, method
from postroom.dialects.superoffice.wire_types import Nothing
from postroom.directory import mail_accounts
from postroom.directory.mail_accounts import MailAccount
from postroom.directory.mail_servers import Kind
from postroom.errors import Invalid

_OK: Final = 4
"""AccountStatus: in order."""
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
    return next((_shown(call, account) for account in await _accounts(call) if account.is_default), None)


@method("GetCurrentAccountId", Nothing, int)
async def get_current_account_id(call: Call, request: Nothing) -> int:  # noqa: ARG001 - as every handler
    """Return the number of that account; 0 for who has no address."""
    return next((account.id for account in await _accounts(call) if account.is_default), 0)


@method("GetEMailAccount", OneAccount, EMailAccount, place="query")
async def get_email_account(call: Call, request: OneAccount) -> EMailAccount | None:
    """Return an account of the caller's; null for one that is not there."""
    return next((_shown(call, account) for account in await _accounts(call) if account.id == request.account_id), None)


@method("GetEMailAccountFromEMailAddress", FromAddress, EMailAccount)
async def get_email_account_from_email_address(call: Call, request: FromAddress) -> EMailAccount | None:
    """Return the account of the caller's that has this address; null if none has."""
    wanted = request.from_address.strip().lower()
    return next((_shown(call, account) for account in await _accounts(call) if account.address.email.lower() == wanted), None)


@method("TestAuthenticate", Nothing, bool)
async def test_authenticate(call: Call, request: Nothing) -> bool:  # noqa: ARG001 - as every handler
    """Tell whether the caller can send: has an account, for which the servers of the installation need no login."""
    return bool(await _accounts(call))


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


async def _accounts(call: Call) -> list[MailAccount]:
    found = await call.read(mail_accounts.of_person, call.user_id)
    return found or await call.write(mail_accounts.number_all, call.user_id)


def _shown(call: Call, account: MailAccount) -> EMailAccount:
    return EMailAccount(
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
    test_authenticate,
    authenticate_outgoing,
    authenticate_incoming,
    authenticate,
)
