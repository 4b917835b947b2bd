"""Mails that come as they stand on the wire (RFC 5322, MIME), read into mails of the interface (wire/superoffice.md §1.4).

Nothing of them is believed but what can be shown: broken encodings are read as well as they can be, and whoever sends the result has it
checked like any other mail.
"""

from collections.abc import Iterator
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import Parser
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from postroom.dialects.superoffice.carriers import (
    EMailAddress,
    EMailAttachment,
    EMailCustomHeader,
    EMailEntity,
    EMailEnvelope,
    EMailPriority,
)
from postroom.dialects.superoffice.wire_types import NEVER
from postroom.errors import Invalid, TooLarge
from postroom.messages import options
from postroom.messages.records import MAX_MAIL_FILES, CustomHeader

MAX_MESSAGE: Final = MAX_MAIL_FILES * 3 // 2
"""Characters: files in base64 take a third more than their bytes."""
MAX_PARTS: Final = 200
MAX_DEPTH: Final = 30
_MAX_HEADERS: Final = 1_000
_MAX_HEADER: Final = 100_000
"""Characters of one field."""

_PRIORITIES: Final = {"1": EMailPriority.HIGHEST, "2": EMailPriority.HIGH, "4": EMailPriority.LOW, "5": EMailPriority.LOWEST}
_IMPORTANCE: Final = {"high": EMailPriority.HIGH, "low": EMailPriority.LOW}


def read(source: str, name: str) -> EMailEntity:
    """Return a mail with its files. Takes long for a long one: call it in a thread.

    Raises ``Invalid`` and ``TooLarge`` called ``name`` for what is no mail, or is longer, deeper or more than the limits above.
    """
    if len(source) > MAX_MESSAGE:
        raise TooLarge(name, MAX_MESSAGE)
    try:
        message = Parser(EmailMessage, policy=policy.default).parsestr(source)
        parts = list(_leaves(message, name, 0))
    except (RecursionError, HeaderParseError, ValueError) as error:
        raise Invalid(name, f"no mail: {type(error).__name__}") from None
    headers = [(key, str(value)) for key, value in message.raw_items()]
    if not headers or len(headers) > _MAX_HEADERS or any(len(value) > _MAX_HEADER for _, value in headers):
        raise Invalid(name, "a mail has header fields, not too many of them, and none that is too long")
    return _entity(headers, parts)


def _leaves(part: EmailMessage, name: str, depth: int) -> Iterator[EmailMessage]:
    """Yield the parts that hold something; a mail within the mail is one of them."""
    if depth > MAX_DEPTH:
        raise TooLarge(name, MAX_DEPTH)
    if not part.is_multipart() or part.get_content_maintype() == "message":
        yield part
        return
    for count, inner in enumerate(part.iter_parts()):
        if count >= MAX_PARTS:
            raise TooLarge(name, MAX_PARTS)
        yield from _leaves(inner, name, depth + 1)  # type: ignore[arg-type]  # the policy makes each of them one


def _entity(headers: list[tuple[str, str]], parts: list[EmailMessage]) -> EMailEntity:
    first = {key.lower(): value for key, value in reversed(headers)}
    entity = EMailEntity(
        to=_addresses(headers, "to"),
        cc=_addresses(headers, "cc"),
        bcc=_addresses(headers, "bcc"),
        subject=_decoded(first.get("subject", "")),
        from_=next(iter(_addresses(headers, "from")), None),
        sent=_moment(first.get("date", "")),
        priority=_priority(first),
        message_id=_line(first.get("message-id", "")).strip("<>") or None,
        in_reply_to=EMailEnvelope(message_id=_line(first["in-reply-to"]).strip("<>")) if first.get("in-reply-to") else None,
        custom_header_list=_custom(headers),
    )
    for part in parts:
        kind = part.get_content_type()
        if not part.get_filename() and kind == "text/plain" and entity.plain_body is None:
            entity.plain_body = _text(part)
        elif not part.get_filename() and kind == "text/html" and entity.html_body is None:
            entity.html_body = _text(part)
        else:
            entity.attachments.append(_attachment(part))
    entity.size = sum(file.size for file in entity.attachments) + len(entity.plain_body or "") + len(entity.html_body or "")
    return entity


def _text(part: EmailMessage) -> str:
    content = _content(part)
    try:
        text = content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:  # a charset that nobody knows
        text = content.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _attachment(part: EmailMessage) -> EMailAttachment:
    content = _content(part)
    return EMailAttachment(
        filename=_line(part.get_filename() or ""),
        size=len(content),
        type=part.get_content_type(),
        encoding="base64",
        id=_line(str(part.get("Content-ID", ""))).strip("<>") or None,
        disposition="inline" if part.get_content_disposition() == "inline" else "attachment",
        stream=content,
    )


def _content(part: EmailMessage) -> bytes:
    if part.get_content_maintype() == "message":
        return b"\r\n".join(inner.as_bytes(policy=policy.SMTP) for inner in part.iter_parts())
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _addresses(headers: list[tuple[str, str]], name: str) -> list[EMailAddress]:
    given = [_line(value) for key, value in headers if key.lower() == name]
    return [EMailAddress(name=_decoded(shown) or address, address=address) for shown, address in getaddresses(given) if address]


def _custom(headers: list[tuple[str, str]]) -> list[EMailCustomHeader]:
    """Return the fields that a mail of ours may bear too."""
    found: dict[str, EMailCustomHeader] = {}
    for key, value in headers:
        header = CustomHeader(key, _decoded(value))
        try:
            options.check_header(header)
        except (Invalid, TooLarge):
            continue
        found.setdefault(key.lower(), EMailCustomHeader(name=key)).values.append(header.value)
    return list(found.values())


def _priority(first: dict[str, str]) -> EMailPriority:
    number = _PRIORITIES.get(first.get("x-priority", "").strip()[:1])
    return number or _IMPORTANCE.get(first.get("importance", "").strip().lower(), EMailPriority.NORMAL)


def _moment(written: str) -> int:
    try:
        return int(parsedate_to_datetime(_line(written)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return NEVER


def _decoded(value: str) -> str:
    """Return an unstructured value as it is read (RFC 2047)."""
    line = _line(value)
    try:
        return _line(str(make_header(decode_header(line))))
    except (HeaderParseError, LookupError, ValueError):
        return line


def _line(value: str) -> str:
    """Return a folded value on one line, without what no database keeps."""
    return " ".join(value.replace("\0", " ").split()).encode("utf-8", "replace").decode()
