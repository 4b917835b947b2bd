"""What a person has settled: signatures, automatic replies, images, switches; and alerts (wire/onlyoffice.md §1b)."""

import json
from typing import Any, Final

from msgspec import Struct

from postroom.dialects.item_numbers import number_of
from postroom.dialects.onlyoffice import dates
from postroom.dialects.onlyoffice.binder import Moment
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import EXCEPTION, ApiError, argument
from postroom.dialects.onlyoffice.operation import Nothing, Operation, Operations, operation
from postroom.directory import mail_accounts, mail_settings
from postroom.errors import NotFound
from postroom.messages import alerts, items
from postroom.messages.items import Key
from postroom.messages.texts import check_line, check_text
from postroom.storage.database import Tx

_MAX_HTML: Final = 524_288
_MAX_SUBJECT: Final = 998
_DELIVERY_FAILURE: Final = 1
_NO_ACCOUNT: Final = -1


class MailboxId(Struct, frozen=True, kw_only=True):
    """Which account."""

    mailbox_id: int


class SignatureContent(MailboxId, frozen=True, kw_only=True):
    """Which account, and its signature."""

    html: str = ""
    is_active: bool = False


class Signature(Struct, frozen=True, kw_only=True, rename="camel"):
    """The signature of an account. Programs put it under what is written; nothing else does."""

    mailbox_id: int
    html: str
    is_active: bool


class AutoreplyContent(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which account, and how it is to answer by itself."""

    mailbox_id: int
    turn_on: bool = False
    only_contacts: bool = False
    turn_on_to_date: bool = False
    from_date: Moment = 0
    to_date: Moment = 0
    subject: str = ""
    html: str = ""


class Autoreply(Struct, frozen=True, kw_only=True, rename="camel"):
    """How an account is to answer by itself."""

    mailbox_id: int
    turn_on: bool
    only_contacts: bool
    turn_on_to_date: bool
    from_date: str
    to_date: str
    subject: str
    html: str


class Alert(Struct, frozen=True, kw_only=True):
    """What the person is to be told, until they take it away."""

    id: int
    type: int
    id_mailbox: int
    data: str
    """JSON."""


class AlertId(Struct, frozen=True, kw_only=True):
    """Which alert."""

    id: int


class Address(Struct, frozen=True, kw_only=True):
    """An address."""

    address: str = ""


class Settings(Struct, frozen=True, kw_only=True, rename="camel"):
    """The switches of a mailbox."""

    enable_conversations: bool
    always_display_images: bool
    cache_unread_messages: bool
    enable_go_next_after_move: bool
    replace_message_body: bool


class Switch(Struct, frozen=True, kw_only=True):
    """What a switch is to be."""

    enabled: bool = False


@operation("GET", "/mail/signature/{mailbox_id:[0-9]+}", MailboxId, result=Signature)
async def get_signature(call: Call, given: MailboxId) -> Signature:
    """Return the signature of an account."""
    try:
        account = await call.read(mail_accounts.get, call.user_id, given.mailbox_id)
    except NotFound:
        raise argument("Mailbox not found") from None
    return Signature(mailbox_id=account.id, html=account.signature, is_active=account.signature_on)


@operation("POST", "/mail/signature/update/{mailbox_id:[0-9]+}", SignatureContent, result=Signature)
async def update_signature(call: Call, given: SignatureContent) -> Signature:
    """Settle the signature of an account."""
    check_text("html", given.html, _MAX_HTML)
    try:
        await call.write(mail_accounts.sign, call.user_id, given.mailbox_id, given.html, on=given.is_active)
    except NotFound:
        raise argument("Mailbox not found") from None
    return Signature(mailbox_id=given.mailbox_id, html=given.html, is_active=given.is_active)


@operation("POST", "/mail/autoreply/update/{mailboxId:[0-9]+}", AutoreplyContent, result=Autoreply)
async def update_autoreply(call: Call, given: AutoreplyContent) -> Autoreply:
    """Settle how an account answers by itself."""
    _check_autoreply(given)
    settled = mail_accounts.Autoreply(
        on=given.turn_on,
        only_contacts=given.only_contacts,
        until_end=given.turn_on_to_date,
        begin=given.from_date,
        end=given.to_date,
        subject=given.subject,
        html=given.html,
    )
    try:
        await call.write(mail_accounts.reply, call.user_id, given.mailbox_id, settled)
    except NotFound:
        raise ApiError(400, "Mailbox is not owned by user.", EXCEPTION) from None
    return autoreply(given.mailbox_id, settled, call)


def autoreply(account_id: int, settled: mail_accounts.Autoreply, call: Call) -> Autoreply:
    """Return how an account answers, as it stands in answers."""
    return Autoreply(
        mailbox_id=account_id,
        turn_on=settled.on,
        only_contacts=settled.only_contacts,
        turn_on_to_date=settled.until_end,
        from_date=dates.plain(settled.begin, call.zone),
        to_date=dates.plain(settled.end, call.zone),
        subject=settled.subject,
        html=settled.html,
    )


def _check_autoreply(given: AutoreplyContent) -> None:
    if not given.from_date:
        raise argument("Invalid parameter", "fromDate")
    if given.turn_on_to_date and not given.to_date:
        raise argument("Invalid parameter", "toDate")
    if given.turn_on_to_date and given.to_date < given.from_date:
        raise argument("Wrong date interval, toDate < fromDate", "fromDate")
    if not given.html:
        raise argument("Invalid parameter", "html")
    check_line("subject", given.subject, _MAX_SUBJECT)
    check_text("html", given.html, _MAX_HTML)


@operation("GET", "/mail/alert", Nothing, result=list[Alert])
async def get_alerts(call: Call, given: Nothing) -> list[Alert]:
    """List the alerts of the caller."""
    del given
    return await call.read(_alerts, call.user_id)


def _alerts(tx: Tx, user_id: int) -> list[Alert]:
    raised = alerts.of_person(tx, user_id)
    told = items.lines_of(tx, user_id, [alert.told_in for alert in raised])
    return [_alert(alert, told.get(alert.told_in)) for alert in raised]


def _alert(alert: alerts.Alert, told: Key | None) -> Alert:
    data = {
        "failure_id": 0 if told is None else number_of(told),
        "from": alert.sender,
        "message_id": number_of(Key(own=True, id=alert.message_id)),
        "subject": alert.subject,
    }
    return Alert(id=alert.id, type=_DELIVERY_FAILURE, id_mailbox=_NO_ACCOUNT, data=json.dumps(data, ensure_ascii=False))


@operation("DELETE", "/mail/alert/{id:-?[0-9]+}", AlertId, result=int)
async def delete_alert(call: Call, given: AlertId) -> int:
    """Take an alert away."""
    if given.id <= 0:
        raise argument("Invalid alert id. Id must be positive integer.", "id")
    try:
        await call.write(alerts.remove, call.user_id, given.id)
    except NotFound:
        raise ApiError(400, "Delete failed", EXCEPTION) from None
    return given.id


@operation("GET", "/mail/display_images/addresses", Nothing, result=list[str])
async def get_image_addresses(call: Call, given: Nothing) -> list[str]:
    """List the addresses whose images are fetched from elsewhere."""
    del given
    return await call.read(mail_settings.addresses_of_images, call.user_id)


@operation("POST", "/mail/display_images/address", Address, result=str)
async def add_image_address(call: Call, given: Address) -> str:
    """Let images of an address be fetched from elsewhere."""
    if not given.address.strip():
        raise argument("Invalid address. Address can't be empty.", "address")
    await call.write(mail_settings.show_images_of, call.user_id, given.address)
    return given.address


@operation("DELETE", "/mail/display_images/address", Address, result=str)
async def remove_image_address(call: Call, given: Address) -> str:
    """Let images of an address not be fetched any more."""
    if not given.address.strip():
        raise argument("Invalid address. Address can't be empty.", "address")
    await call.write(mail_settings.hide_images_of, call.user_id, given.address)
    return given.address


@operation("GET", "/mail/settings", Nothing, result=Settings)
async def get_mail_settings(call: Call, given: Nothing) -> Settings:
    """Return the switches of the caller. Nothing is cached, whatever is wanted."""
    del given
    switches = await call.read(mail_settings.of_person, call.user_id)
    return Settings(
        enable_conversations=switches.conversations,
        always_display_images=switches.all_images,
        cache_unread_messages=False,
        enable_go_next_after_move=switches.next_after_move,
        replace_message_body=switches.replace_body,
    )


_SWITCHES: Final = {
    "conversationsEnabled": "conversations",
    "alwaysDisplayImages": "all_images",
    "cacheMessagesEnabled": "",
    "goNextAfterMoveEnabled": "next_after_move",
    "replaceMessageBody": "replace_body",
}
"""Names of the calls, and of our switches."""


def _switch(name: str, ours: str) -> tuple[Operation[Any], Operation[Any]]:
    """Declare the two calls of a switch."""

    async def get(call: Call, given: Nothing) -> bool:
        del given
        return bool(ours) and bool(getattr(await call.read(mail_settings.of_person, call.user_id), ours))

    async def put(call: Call, given: Switch) -> None:
        if ours:
            await call.write(mail_settings.change, call.user_id, {ours: given.enabled})

    get.__name__, get.__doc__ = f"get_{name}", f"Return the switch ``{name}``."
    put.__name__, put.__doc__ = f"set_{name}", f"Set the switch ``{name}``."
    path = f"/mail/settings/{name}"
    return operation("GET", path, Nothing, result=bool)(get), operation("PUT", path, Switch, result=None)(put)


OPERATIONS: Final[Operations] = (
    get_signature,
    update_signature,
    update_autoreply,
    get_alerts,
    delete_alert,
    get_image_addresses,
    add_image_address,
    remove_image_address,
    get_mail_settings,
    *(one for name, ours in _SWITCHES.items() for one in _switch(name, ours)),
)
