"""The header fields of a mail, but for those that differ between its recipients.

- ``From`` is whom the options name; else the institutional address when one was chosen; else the author. An address that is not
  institutional stands there only if its domain may leave through our relay (``mail.own_domains``); otherwise it is the no-reply
  address under the same name, with ``Reply-To`` to the true one.
- ``Message-ID`` is the same each time a recipient is tried, so that whoever gets a mail twice can tell. Its middle
  part is signed, so that nobody can guess the one of somebody else.
- ``List-Id`` (RFC 2919) stands in mailings only. It names the sender, not the single message, so that people can file
  what comes from one office: ``"Office" <address-7.mailings.example.org>``, ``author-12`` for a person, ``client-3`` for a program.
- ``Auto-Submitted`` (RFC 3834) stands in what has no author: summary reports, and what programs send in their own name; and in
  what its author says a program wrote; the latter asks for no receipts and no automatic answers.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from postroom.delivery import bodies, headers
from postroom.delivery.bodies import Letter
from postroom.delivery.contexts import Context, Named
from postroom.delivery.mime import Piece
from postroom.messages import options
from postroom.messages.records import Importance

_IMPORTANCE: Final[dict[Importance, tuple[str, str, str]]] = {
    "highest": ("1", "high", "urgent"),
    "high": ("2", "high", "urgent"),
    "normal": ("3", "normal", "normal"),
    "low": ("4", "low", "non-urgent"),
    "lowest": ("5", "low", "non-urgent"),
}
"""X-Priority, Importance and Priority (RFC 2156): each is the one that some program reads."""


def origin(of: Letter) -> list[bytes]:
    """Return when and from whom: Date, From, Reply-To."""
    date = format_datetime(datetime.fromtimestamp(of.context.date / 1000, UTC))
    shown, true = _sender(of)
    replies = [(mailbox.name, mailbox.email) for mailbox in of.options.reply_to] or ([true] if true != shown else [])
    return [
        headers.structured("Date", date),
        headers.mailbox("From", *shown),
        *([headers.mailboxes("Reply-To", replies)] if replies else []),
    ]


def description(of: Letter, *, mailing: bool) -> list[Piece]:
    """Return what the mail is about and how it wants to be treated, from Subject to MIME-Version."""
    return [
        bodies.subject(of),
        headers.unstructured("Organization", of.settings.mail.organisation),
        headers.structured("Content-Language", of.context.language),
        *([_list_id(of)] if mailing else []),
        *_thread(of),
        *_importance(of),
        *_automatic(of),
        *_receipts(of),
        *(headers.custom(header.name, header.value) for header in of.options.headers),
        headers.structured("MIME-Version", "1.0"),
    ]


def sender(of: Letter) -> str:
    """Return the address in From."""
    return _sender(of)[0][1]


def _sender(of: Letter) -> tuple[Named, Named]:
    """Return who stands in From, and whom it is from in truth."""
    context, settings, given = of.context, of.settings, of.options.sender
    if given is None and context.address_id is not None:
        own = (context.address_name, context.address_email)
        return own, own
    if given is not None:
        true = (given.name, given.email or settings.no_reply)
    elif context.author_id is None:
        true = (settings.mail.organisation, settings.no_reply)
    else:
        true = (context.author_name, context.author_email or settings.no_reply)
    may = {domain.lower() for domain in settings.mail.own_domains}
    if not may or true[1] == settings.no_reply or true[1].rpartition("@")[2].lower() in may:
        return true, true
    return (true[0], settings.no_reply), true


def _list_id(of: Letter) -> bytes:
    name = bodies.sender_name(of) or of.settings.mail.organisation
    domain = headers.checked("List-Id", of.settings.mail.domain)
    return headers.folded("List-Id", [*headers.phrase("List-Id", name), f"<{_list_label(of.context)}.mailings.{domain}>"])


def _list_label(context: Context) -> str:
    if context.address_id is not None:
        return f"address-{context.address_id}"
    if context.author_id is not None:
        return f"author-{context.author_id}"
    return "server" if context.client_id is None else f"client-{context.client_id}"


def _thread(of: Letter) -> list[bytes]:
    found: list[bytes] = []
    if of.options.in_reply_to:
        found.append(headers.folded("In-Reply-To", [options.identifier("in_reply_to", of.options.in_reply_to)]))
    if of.options.references:
        found.append(headers.folded("References", [options.identifier("references", one) for one in of.options.references]))
    return found


def _importance(of: Letter) -> list[bytes]:
    if of.options.importance is None:
        return []
    values = zip(("X-Priority", "Importance", "Priority"), _IMPORTANCE[of.options.importance], strict=True)
    return [headers.structured(name, value) for name, value in values]


def _automatic(of: Letter) -> list[bytes]:
    if of.options.automatic:
        fields = [("Auto-Submitted", f"auto-{of.options.automatic}"), ("Precedence", "bulk"), ("X-Auto-Response-Suppress", "All")]
    else:
        generated = of.context.author_id is None or of.options.marked_generated
        fields = [("Auto-Submitted", "auto-generated")] if generated else []
    return [headers.structured(name, value) for name, value in fields]


def _receipts(of: Letter) -> list[bytes]:
    """Return where receipts go: to the true sender. What a program wrote asks for none (RFC 3834 section 3.1.8)."""
    if of.options.automatic:
        return []
    true = _sender(of)[1]
    wanted = [("Disposition-Notification-To", of.options.read_receipt), ("Return-Receipt-To", of.options.delivery_receipt)]
    return [headers.mailbox(name, *true) for name, yes in wanted if yes]
