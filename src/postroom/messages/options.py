"""What may stand in ``MailOptions``: checked when a dialect takes them, and once more when the mail is made.

A header field that we write ourselves cannot be given as a custom one. Line breaks and other control characters are never
repaired, always refused: somebody tried to write a header of their own.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from postroom.directory import emails
from postroom.directory.records import Mailbox
from postroom.directory.values import storable
from postroom.errors import Invalid
from postroom.messages import calendars
from postroom.messages.records import MAX_CONTENT, MAX_FILENAME, CustomHeader, MailOptions
from postroom.messages.texts import check_line, check_text

MAX_TEXT: Final = 8_388_608
"""Characters of the text part of a shared message, which may be a letter (``letter_records.MAX_BODY``)."""
MAX_HEADERS: Final = 50
MAX_HEADER: Final = 4_000
"""Characters of the value of a custom header."""
MAX_REFERENCES: Final = 100
MAX_MAILBOX_NAME: Final = 200
MAX_REPLY_TO: Final = 20
MAX_IDENTIFIER: Final = 500

_IDENTIFIER: Final = re.compile(r"<?([!-;=?-~]+)>?")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,74}[A-Za-z0-9]")
_OWN_FIELDS: Final = frozenset(
    [
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "received",
        "return-path",
        "delivered-to",
        "envelope-to",
        "apparently-to",
        "errors-to",
        "x-original-to",
        "x-envelope-from",
        "x-envelope-to",
        "authentication-results",
        "received-spf",
        "domainkey-signature",
        "list-id",
        "auto-submitted",
        "precedence",
        "importance",
        "priority",
        "x-priority",
        "x-msmail-priority",
        "x-auto-response-suppress",
        "return-receipt-to",
        "disposition-notification-to",
        "disposition-notification-options",
        "original-recipient",
        "organization",
    ]
)
_OWN_PREFIXES: Final = ("content-", "mime-", "dkim-", "arc-", "resent-", "downgraded-")


def encoded(options: MailOptions) -> str:
    """Return options as they are kept in ``messages.mail``."""
    return msgspec.json.encode(options).decode()


def decoded(kept: str) -> MailOptions:
    """Return what ``encoded`` was given. Raises ``Invalid("mail", …)`` for anything else."""
    try:
        return msgspec.json.decode(kept, type=MailOptions)
    except msgspec.DecodeError as error:
        raise Invalid("mail", str(error)) from None


def check(options: MailOptions, *, shared: bool) -> None:
    """Check options for a message that is ``shared`` or not; a template's ``text`` is checked as a template beside it.

    Addresses are to be in their normal form (``emails.normalise``). Raises ``Invalid`` and ``TooLarge``, named after the field.
    """
    if options.sender is not None:
        _check_mailbox("sender", options.sender, nameless=bool(options.sender.email))
    _check_count("reply_to", len(options.reply_to), MAX_REPLY_TO)
    for mailbox in options.reply_to:
        _check_mailbox("reply_to", mailbox, nameless=True)
        if not mailbox.email:
            raise Invalid("reply_to", "an address is needed")
    _check_identifiers(options, shared=shared)
    if options.text is not None:
        check_text("text", options.text, MAX_TEXT if shared else MAX_CONTENT)
    check_headers(options.headers)
    if options.calendar is not None:
        calendars.method(options.calendar.ics)
        check_line("calendar", options.calendar.filename, MAX_FILENAME)


def check_headers(headers: Sequence[CustomHeader]) -> None:
    """Check custom header fields. Raises as ``check_header``, and ``Invalid("headers", …)`` for more than ``MAX_HEADERS``."""
    _check_count("headers", len(headers), MAX_HEADERS)
    for header in headers:
        check_header(header)


def check_header(header: CustomHeader) -> None:
    """Check one custom header field. Raises ``Invalid("headers", …)``, ``TooLarge("headers", 4000)``."""
    if not _FIELD.fullmatch(header.name):
        raise Invalid("headers", "a field name is made of letters, digits and hyphens, at most 76")
    name = header.name.lower()
    if name in _OWN_FIELDS or name.startswith(_OWN_PREFIXES):
        raise Invalid("headers", f"{header.name} cannot be given: it is set by the server")
    check_line("headers", header.value, MAX_HEADER)


def identifier(parameter: str, value: str) -> str:
    """Return a Message-ID in angle brackets. Raises ``Invalid`` for what is none (RFC 5322 section 3.6.4; many programs omit the ``@``)."""
    found = _IDENTIFIER.fullmatch(value)
    if found is None or value.startswith("<") != value.endswith(">") or len(value) > MAX_IDENTIFIER:
        raise Invalid(parameter, "no Message-ID")
    return f"<{found[1]}>"


def check_own_identifier(value: str) -> str:
    """Return the Message-ID that a mail is to have, in angle brackets. Raises ``Invalid("message_id", …)``."""
    found = identifier("message_id", value)
    if not re.fullmatch(r"<[^@]+@[^@]+>", found):
        raise Invalid("message_id", "no Message-ID of the form left@right")
    return found


def _check_identifiers(options: MailOptions, *, shared: bool) -> None:
    if options.in_reply_to:
        identifier("in_reply_to", options.in_reply_to)
    _check_count("references", len(options.references), MAX_REFERENCES)
    for reference in options.references:
        identifier("references", reference)
    if options.message_id:
        if not shared:
            raise Invalid("message_id", "only a shared message has one for all recipients")
        check_own_identifier(options.message_id)


def _check_mailbox(parameter: str, mailbox: Mailbox, *, nameless: bool) -> None:
    check_line(parameter, mailbox.name, MAX_MAILBOX_NAME)
    if not mailbox.name.strip() and not nameless:
        raise Invalid(parameter, "a name or an address is needed")
    if mailbox.email and emails.normalise(mailbox.email) != mailbox.email:
        raise Invalid(parameter, "no address" if storable(mailbox.email) else "control characters and line breaks are not allowed")


def _check_count(parameter: str, count: int, limit: int) -> None:
    if count > limit:
        raise Invalid(parameter, f"more than {limit}")
