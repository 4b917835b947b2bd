"""Accounts: the addresses that a person writes from (wire/onlyoffice.md §1b Accounts).

They belong to the directory, and mail is handed to the relay of the installation: there are no passwords and no servers of one account, and
nobody makes, changes or deletes one here. Calls that want to are told so (403).
"""

from typing import Any, Final

from msgspec import Struct, field

from postroom.dialects.onlyoffice import dates, mail_preferences
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import EXCEPTION, ApiError, argument, forbidden, missing
from postroom.dialects.onlyoffice.mail_preferences import Autoreply, Signature
from postroom.dialects.onlyoffice.operation import Nothing, Operation, Operations, Verb, operation
from postroom.directory import mail_accounts, owned_addresses
from postroom.directory.mail_accounts import MailAccount
from postroom.errors import NotFound

HELP: Final = (
    "<p>Accounts are the addresses that the directory of the organisation has for you. "
    "Whoever looks after this server can give you more.</p>"
)
_KEPT_ELSEWHERE: Final = "Accounts are kept in the directory of the organisation."


class Account(Struct, frozen=True, kw_only=True, rename="camel"):
    """An address that the caller writes from."""

    mailbox_id: int
    email: str
    enabled: bool = True
    name: str
    o_auth_connection: bool = False
    signature: Signature
    autoreply: Autoreply
    e_mail_in_folder: str | None = None
    quota_error: bool = False
    auth_error: bool = False
    is_group: bool = False
    is_alias: bool = False
    is_teamlab_mailbox: bool = False
    is_default: bool
    is_shared_domain_mailbox: bool = False
    date_created: str


class MailBox(Struct, frozen=True, kw_only=True):
    """An account, and how it reaches its servers: here nothing is known of them."""

    id: int
    email: str
    name: str
    account: str
    password: str = ""
    server: str = ""
    smtp_server: str = ""
    smtp_port: str = ""
    smtp_account: str = ""
    smtp_password: str = ""
    smtp_auth: bool = False
    port: str = ""
    incoming_encryption_type: int = 0
    outcoming_encryption_type: int = 0
    auth_type_in: int = 0
    auth_type_smtp: int = 0
    imap: bool = False
    begin_date: str
    is_oauth: bool = False
    restrict: bool = False
    email_in_folder: str | None = None
    is_teamlab: bool = False


class Email(Struct, frozen=True, kw_only=True):
    """Which account."""

    email: str = ""


class DefaultChoice(Email, frozen=True, kw_only=True, rename="camel"):
    """Which account, and whether it is to be the default one."""

    is_default: bool = field(default=False)


class StateChoice(Email, frozen=True, kw_only=True):
    """Which account, and whether it is to work."""

    state: bool = False


def _shown(account: MailAccount, since: int, call: Call) -> Account:
    return Account(
        mailbox_id=account.id,
        email=account.address.email,
        name=account.address.name,
        signature=Signature(mailbox_id=account.id, html=account.signature, is_active=account.signature_on),
        autoreply=mail_preferences.autoreply(account.id, account.autoreply, call),
        is_default=account.is_default,
        date_created=dates.plain(since, call.zone),
    )


@operation("GET", "/mail/accounts", Nothing, result=list[Account])
async def get_accounts(call: Call, given: Nothing) -> list[Account]:
    """List the accounts of the caller, the primary address first."""
    del given
    accounts = await call.write(mail_accounts.number_all, call.user_id)
    since = await call.read(owned_addresses.held_since, call.user_id)
    return [_shown(account, since.get(account.address.address_id, call.now), call) for account in accounts]


@operation("GET", "/mail/accounts/single", Email, result=MailBox)
async def get_account(call: Call, given: Email) -> MailBox:
    """Return one account. There are no servers to tell of."""
    if not given.email.strip():
        raise argument("Email empty", "email")
    account = await _named(call, given.email)
    email, name = account.address.email, account.address.name
    since = await call.read(owned_addresses.held_since, call.user_id)
    begun = dates.plain(since.get(account.address.address_id, call.now), call.zone)
    return MailBox(id=account.id, email=email, name=name, account=email, begin_date=begun)


@operation("PUT", "/mail/accounts/default", DefaultChoice, result=str)
async def set_default_account(call: Call, given: DefaultChoice) -> str:
    """Choose the account that programs write from unless told otherwise."""
    if not given.email.strip():
        raise missing("email")
    try:
        await call.write(mail_accounts.prefer, call.user_id, given.email, preferred=given.is_default)
    except NotFound:
        raise argument("Account not found") from None
    return given.email.strip().lower()


@operation("PUT", "/mail/accounts/state", StateChoice, result=int)
async def set_account_state(call: Call, given: StateChoice) -> int:
    """Turn an account on, as each one is; none can be turned off."""
    if not given.email.strip():
        raise missing("email")
    account = await _named(call, given.email)
    if not given.state:
        raise forbidden(_KEPT_ELSEWHERE)
    return account.id


@operation("PUT", "/mail/accounts/updateuseractivity", Nothing, result=None)
async def update_user_activity(call: Call, given: Nothing) -> None:
    """Tell that the caller is there, which changes nothing: mail does not wait for them."""
    del call, given


@operation("DELETE", "/mail/accounts", Email, result=None)
async def delete_account(call: Call, given: Email) -> None:
    """Refuse to delete an account."""
    if not given.email.strip():
        raise argument("Email empty", "email")
    await _named(call, given.email)
    raise forbidden(_KEPT_ELSEWHERE)


@operation("GET", "/mail/helpcenter", Nothing, result=str)
async def get_help(call: Call, given: Nothing) -> str:
    """Return a few words of help, in HTML."""
    del call, given
    return HELP


async def _named(call: Call, email: str) -> MailAccount:
    try:
        return await call.write(mail_accounts.named, call.user_id, email)
    except NotFound:
        raise ApiError(400, f"Account wasn't found by email: {email}", EXCEPTION) from None


def _refused(verb: Verb, path: str, name: str) -> Operation[Any]:
    """Declare a call that would make or change an account."""

    async def refuse(call: Call, given: Nothing) -> None:
        del call, given
        raise forbidden(_KEPT_ELSEWHERE)

    refuse.__name__, refuse.__doc__ = name, "Refuse: accounts are kept in the directory."
    return operation(verb, path, Nothing, result=None)(refuse)


OPERATIONS: Final[Operations] = (
    get_accounts,
    get_account,
    set_default_account,
    set_account_state,
    update_user_activity,
    delete_account,
    get_help,
    _refused("POST", "/mail/accounts", "create_account"),
    _refused("PUT", "/mail/accounts", "update_account"),
    _refused("POST", "/mail/accounts/simple", "create_account_simply"),
    _refused("POST", "/mail/accounts/oauth", "create_account_by_oauth"),
    _refused("PUT", "/mail/accounts/oauth", "update_account_by_oauth"),
    _refused("GET", "/mail/accounts/setups", "get_account_setups"),
    _refused("PUT", "/mail/accounts/emailinfolder", "set_account_folder"),
)
