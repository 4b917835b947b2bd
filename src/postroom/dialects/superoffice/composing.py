"""Mails that are made of others, and handed back to be changed and sent; and one that is sent as it came (wire/superoffice.md §1.4)."""

import html
from typing import Final

from msgspec import Struct, field

from postroom.dialects.superoffice import inline_header, mail_letters, mime_messages, sending, servers
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailAddress, EMailConnectionInfoExtended, EMailEntity, EMailFlags
from postroom.dialects.superoffice.errors import malformed
from postroom.dialects.superoffice.operation import Methods, method
from postroom.dialects.superoffice.wire_types import NEVER
from postroom.dialects.threads import aside
from postroom.directory import mail_accounts
from postroom.errors import Invalid, TooLarge
from postroom.messages.letter_records import MAX_RECIPIENTS
from postroom.storage.database import Tx

_FORWARD: Final = "Fwd: "
_FORWARDED: Final = ("fwd:", "fw:", "pd:", "vs:")


class Forwarding(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail."""

    email: EMailEntity | None = None


class Mime(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail as it stands on the wire."""

    mime_message: str = ""


class Relaying(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail as it stands on the wire, and its envelope."""

    connection_info_extended: EMailConnectionInfoExtended | None = None
    rfc822: str = ""
    sender: str = field(name="From", default="")
    recipients: list[str] = field(default_factory=list)


@method("CreateForwardEmail", Forwarding, EMailEntity)
async def create_forward_email(call: Call, request: Forwarding) -> EMailEntity:
    """Return a mail that passes another one on: its text below its head, and its files. It is to be addressed; nothing is kept."""
    if request.email is None:
        raise malformed("The parameters dictionary contains a null entry for parameter 'Email'.")
    return await call.write(_forwarded, call, request.email)  # it may number addresses


@method("CreateEMailFromMimeMessage", Mime, EMailEntity)
async def create_email_from_mime_message(call: Call, request: Mime) -> EMailEntity:  # noqa: ARG001 - as every handler
    """Return a mail in MIME as one of the interface, its files with their bytes. Nothing is kept."""
    return await aside(len(request.mime_message), mime_messages.read, request.mime_message, "MimeMessage")


@method("RelayMessage", Relaying, None)
async def relay_message(call: Call, request: Relaying) -> None:
    """Send a mail in MIME to those of the envelope alone. It is made anew of what it says, from an address of the caller's.

    Who of the envelope is not named in its headers is a hidden recipient. Errors are those of SendEMails.
    """
    if not request.recipients:
        raise Invalid("Recipients", "required")
    if len(request.recipients) > MAX_RECIPIENTS:
        raise TooLarge("Recipients", MAX_RECIPIENTS)
    server = servers.checked(call.settings, "ConnectionInfoExtended", request.connection_info_extended, "smtp")
    email = await aside(len(request.rfc822), mime_messages.read, request.rfc822, "Rfc822")
    _address(email, request)
    await sending.sent(call, [email], ["Rfc822"], server)


def _address(email: EMailEntity, request: Relaying) -> None:
    """Let a mail go from and to whom the envelope says, and nobody else."""
    wanted = {address.strip().strip("<>").lower(): address.strip().strip("<>") for address in request.recipients}
    for addresses in (email.to, email.cc, email.bcc):
        addresses[:] = [one for one in addresses if wanted.pop((one.address or "").lower(), None) is not None]
    email.bcc += [EMailAddress(address=address) for address in wanted.values()]
    if request.sender.strip():
        email.from_ = EMailAddress(address=request.sender.strip().strip("<>"))


def _forwarded(tx: Tx, call: Call, email: EMailEntity) -> EMailEntity:
    subject = email.subject or ""
    head = inline_header.of(email, call.dates, call.language)
    body = email.html_body or html.escape(email.plain_body or "").replace("\n", "<br>")
    mail_letters.number_files(tx, call.user_id, email)
    return EMailEntity(
        subject=subject if subject.lower().startswith(_FORWARDED) else f"{_FORWARD}{subject}",
        html_body=f"<p>&nbsp;</p>{head}{body}",
        from_=mail_letters.default_sender(mail_accounts.number_all(tx, call.user_id), email.account_id),
        sent=NEVER,
        priority=email.priority,
        flags=EMailFlags.DRAFT,
        attachments=email.attachments,
    )


METHODS: Final[Methods] = (create_forward_email, create_email_from_mime_message, relay_message)
