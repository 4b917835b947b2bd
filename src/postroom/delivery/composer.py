"""From a message to mail: rendered once to a skeleton, in which each recipient fills a few bytes.

What goes into which header:

- ``From`` is the institutional address when one was chosen; else the author, if mail of the author's domain may leave
  through our relay (``mail.own_domains``); else the no-reply address under the author's name, with ``Reply-To`` to the author.
- ``Message-ID`` is the same each time a recipient is tried, so that whoever gets a mail twice can tell. Its middle
  part is signed, so that nobody can guess the one of somebody else.
- ``List-Id`` (RFC 2919) stands in mailings only. It names the sender, not the single message, so that people can file
  what comes from one office: ``"Office" <address-7.mailings.example.org>``, or ``author-12`` for a person.
- ``Auto-Submitted: auto-generated`` (RFC 3834) stands in what the server says by itself (summary reports), which carries no
  signature.

Every mail is ASCII with CRLF line ends and lines below 999 bytes, so every relay takes it as it is.
"""

import html
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from typing import Final

from msgspec import Struct

from postroom.delivery import headers, text
from postroom.delivery.contexts import Context, Link
from postroom.delivery.records import Due
from postroom.errors import Invalid
from postroom.messages.records import Language
from postroom.settings import Settings
from postroom.storage.secrets import Vault

_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_DOCUMENT: Final = re.compile(r"<(?:html|body)[\s>]", re.IGNORECASE)

_ATTACHMENTS: Final[dict[Language, str]] = {"pl": "Załączniki:", "en": "Attachments:"}
_UNTIL: Final[dict[Language, str]] = {"pl": "Do pobrania do {} (UTC).", "en": "Available until {} (UTC)."}
_SENT_BY: Final[dict[Language, str]] = {"pl": "Wiadomość wysłana przez: {}", "en": "Message sent by: {}"}


class Slot(Enum):
    """A place in a skeleton that differs for each recipient."""

    MESSAGE_ID = "Message-ID"
    TO = "To"


class Skeleton(Struct, frozen=True):
    """A rendered message with open places."""

    pieces: tuple[bytes | Slot, ...]
    message_id: int
    domain: str
    vault: Vault

    def fill(self, recipient: Due) -> bytes:
        """Return the mail for one recipient. Raises ``Invalid`` when the address or name cannot stand in a header."""
        if recipient.email is None:
            raise Invalid("email", "no address")
        values = {
            Slot.MESSAGE_ID: headers.structured("Message-ID", message_id(self.vault, self.domain, self.message_id, recipient.id)),
            Slot.TO: headers.mailbox("To", recipient.name, recipient.email),
        }
        return b"".join(values[piece] if isinstance(piece, Slot) else piece for piece in self.pieces)


def message_id(vault: Vault, domain: str, message: int, recipient: int) -> str:
    """Return the Message-ID of the mail to one recipient, the same in every retry."""
    opaque = vault.sign("message-id", f"{message}.{recipient}")[:16]
    return f"<{message}.{recipient}.{opaque}@{domain}>"


def skeleton(context: Context, settings: Settings, vault: Vault, *, mailing: bool) -> Skeleton:
    """Render a message; ``mailing`` says that it goes to many. Raises ``Invalid`` for what no mail can be made of."""
    head = [
        headers.structured("Date", format_datetime(datetime.fromtimestamp(context.date / 1000, UTC))),
        *_sender(context, settings),
    ]
    described = [
        headers.unstructured("Subject", context.subject),
        headers.unstructured("Organization", settings.mail.organisation),
        headers.structured("Content-Language", context.language),
        *([_list_id(context, settings)] if mailing else []),
        *([headers.structured("Auto-Submitted", "auto-generated")] if context.author_id is None else []),
        headers.structured("MIME-Version", "1.0"),
    ]
    pieces = (b"".join(head), Slot.TO, Slot.MESSAGE_ID, b"".join(described) + _content(context, settings, vault))
    return Skeleton(pieces, context.message_id, settings.mail.domain, vault)


def _sender(context: Context, settings: Settings) -> list[bytes]:
    if context.address_id is not None:
        return [headers.mailbox("From", context.address_name, context.address_email)]
    if context.author_id is None:
        return [headers.mailbox("From", settings.mail.organisation, settings.no_reply)]
    if context.author_email is None:
        return [headers.mailbox("From", context.author_name, settings.no_reply)]
    domain = context.author_email.rpartition("@")[2].lower()
    own = [name.lower() for name in settings.mail.own_domains]
    if not own or domain in own:
        return [headers.mailbox("From", context.author_name, context.author_email)]
    return [
        headers.mailbox("From", context.author_name, settings.no_reply),
        headers.mailbox("Reply-To", context.author_name, context.author_email),
    ]


def _list_id(context: Context, settings: Settings) -> bytes:
    name = context.address_name or context.author_name or settings.mail.organisation
    if context.address_id is not None:
        label = f"address-{context.address_id}"
    else:
        label = "server" if context.author_id is None else f"author-{context.author_id}"
    return headers.folded(
        "List-Id", [*headers.phrase("List-Id", name), f"<{label}.mailings.{headers.checked('List-Id', settings.mail.domain)}>"]
    )


def _content(context: Context, settings: Settings, vault: Vault) -> bytes:
    if context.content_format == "plain":
        return _part("plain", _plain(context, context.content, settings))
    boundary = (
        f"=_{context.message_id}_{vault.sign('boundary', str(context.message_id))}"  # an author cannot guess it, so no content holds it
    )
    delimiter = f"--{boundary}\r\n".encode("ascii")
    return b"".join(
        (
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii"),
            delimiter,
            _part("plain", _plain(context, text.from_html(context.content), settings)),
            b"\r\n",
            delimiter,
            _part("html", _html(context, settings)),
            f"\r\n--{boundary}--\r\n".encode("ascii"),
        )
    )


def _part(kind: str, content: str) -> bytes:
    body = text.encoded(content)
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {body.encoding}\r\n\r\n".encode("ascii") + body.data


def _plain(context: Context, content: str, settings: Settings) -> str:
    blocks = [text.wrapped(content).rstrip("\n")]
    if context.links:
        blocks.append("\n".join([_ATTACHMENTS[context.language], *(_plain_link(link) for link in context.links), *_until(context)]))
    signature = _signature(context, settings)
    if signature:
        blocks.append("\n".join(["-- ", *signature]))
    return "\n\n".join(blocks) + "\n"


def _plain_link(link: Link) -> str:
    about = f": {link.description}" if link.description else ""
    return text.wrapped(f"* {link.filename} ({text.human_size(link.size)}){about}") + f"\n  {link.url}"


def _html(context: Context, settings: Settings) -> str:
    """Return the author's HTML, made a document if it is none, with the links and the signature at the end of its body."""
    content = text.normalised(context.content)
    added = _html_added(context, settings)
    if not _DOCUMENT.search(content):
        title = html.escape(context.subject)
        start = f'<!DOCTYPE html>\n<html lang="{context.language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n'
        return f"{start}{content}\n{added}</body>\n</html>\n"
    ends = list(_BODY_END.finditer(content))
    if not ends:
        return f"{content}\n{added}"
    return f"{content[: ends[-1].start()]}\n{added}{content[ends[-1].start() :]}"


def _html_added(context: Context, settings: Settings) -> str:
    blocks: list[str] = []
    if context.links:
        items = "".join(f"<li>{_html_link(link)}</li>\n" for link in context.links)
        until = "".join(f"<p>{html.escape(line)}</p>\n" for line in _until(context))
        blocks.append(f"<hr>\n<p>{_ATTACHMENTS[context.language]}</p>\n<ul>\n{items}</ul>\n{until}")
    signature = _signature(context, settings)
    if signature:
        blocks.append(f"<hr>\n<p>{'<br>'.join(html.escape(line) for line in signature)}</p>\n")
    return "".join(blocks)


def _html_link(link: Link) -> str:
    about = f": {html.escape(link.description)}" if link.description else ""
    return f'<a href="{html.escape(link.url)}">{html.escape(link.filename)}</a> ({text.human_size(link.size)}){about}'


def _until(context: Context) -> list[str]:
    ends = [link.expires_at for link in context.links if link.expires_at is not None]
    return [_UNTIL[context.language].format(f"{datetime.fromtimestamp(min(ends) / 1000, UTC):%Y-%m-%d %H:%M}")] if ends else []


def _signature(context: Context, settings: Settings) -> list[str]:
    """Return the lines of the signature; the server's own words carry none."""
    if context.author_id is None:
        return []
    name = context.address_name or context.author_name
    return [_SENT_BY[context.language].format(name), settings.mail.organisation] if name else [settings.mail.organisation]
