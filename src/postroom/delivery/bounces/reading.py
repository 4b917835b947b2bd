"""Reading what came back: bytes in, one ``Report`` out, whatever the bytes are.

Reports of RFC 3464 (and RFC 6533) are read field by field; bounces of other shapes are left to ``flufl.bounce``, which knows
those of many mail systems. A mail that an automatic answerer sent (RFC 3834) is no bounce, even if it talks like one.

Nothing here raises, and the work is bounded whatever is sent: only the first ``MAX_BYTES``, ``MAX_LINES`` and
``MAX_CONTAINERS`` are parsed. A report comes before the mail that it returns, so what is cut off is the end of that mail.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from itertools import islice
from typing import Final

from flufl.bounce import all_failures

from postroom.delivery.bounces import fields
from postroom.delivery.bounces.fields import MAX_RECIPIENTS
from postroom.delivery.bounces.records import Action, Report, Reported

MAX_BYTES: Final = 1_048_576
MAX_LINES: Final = 20_000
"""The parser keeps an object for each block between blank lines; a report about a thousand recipients has some 15,000 lines."""
MAX_CONTAINERS: Final = 30
"""How often ``multipart/`` and ``message/`` may stand in what is parsed: no nesting is deeper, and a line costs a look at each level."""
MAX_LOOSE: Final = 16_384
"""Bytes of a bounce of another shape that are looked at: its detectors are patterns whose cost grows with the square of a line."""

_LONGEST_LINE: Final = 1_000
_LINE_END: Final = re.compile(rb"\r\n?|\n")
_CONTAINER: Final = re.compile(rb"multipart/|message/", re.IGNORECASE)
_LISTS_STATUS: Final = ("message/delivery-status", "message/global-delivery-status")
_DAEMON: Final = re.compile(r"mailer[-_. ]?daemon|postmaster|mail[-_. ]?delivery|mdaemon|mailadm", re.IGNORECASE)
_ANSWERERS: Final = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Vacation")
_COMPLAINTS: Final = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})
"""Kinds of feedback by which a person says that the mail is not wanted; others (``not-spam``, ``auth-failure``) are no complaints."""

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # else a traceback for mail that breaks a detector


def read(content: bytes) -> Report:
    """Understand one mail that came to a return path. Never raises."""
    try:
        return _read(content)
    except Exception:  # noqa: BLE001 - parser and detectors meet foreign bytes; what breaks them is malformed, and no reason to be sent it again
        return Report(kind="malformed")


def _read(content: bytes) -> Report:
    message = message_from_bytes(_bounded(content))
    parts = list(_parts(message))
    for part in parts:
        if part.get_content_type() in _LISTS_STATUS:
            return _about_recipients(fields.recipients(part))
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part)
    if _is_automatic(message):
        return Report(kind="auto_reply")
    if loose := _loose(content):
        return Report(kind="bounce", recipients=loose)
    claims = message.get_content_type() == "multipart/report" or not message.keys()
    return Report(kind="malformed" if claims else "unrecognised")


def _bounded(content: bytes) -> bytes:
    """Cut what would cost too much to parse."""
    kept = content[:MAX_BYTES]
    for mark, most in ((_LINE_END, MAX_LINES), (_CONTAINER, MAX_CONTAINERS)):
        beyond = next(islice(mark.finditer(kept), most, None), None)
        kept = kept if beyond is None else kept[: beyond.start()]
    return kept


def _parts(message: Message) -> Iterator[Message]:
    """Yield the parts of a mail, without those of mails inside of it: a returned mail may have been a bounce itself."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in _inner(message):
            yield from _parts(part)
    else:
        yield message


def _inner(message: Message) -> Iterable[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _about_recipients(recipients: Iterable[Reported]) -> Report:
    found = tuple(islice(recipients, MAX_RECIPIENTS))
    return Report(kind="bounce", recipients=found) if found else Report(kind="malformed")


def _complaint(part: Message) -> Report:
    """Read a report of RFC 5965; the parser has made a mail of its fields."""
    block = next(iter(_inner(part)), None)
    kind = fields.value(block, "Feedback-Type").lower() if block is not None else ""
    if block is None or not kind:
        return Report(kind="malformed")
    if kind not in _COMPLAINTS:
        return Report(kind="unrecognised")
    named = (fields.address(value) for value in fields.values(block, "Original-Rcpt-To"))
    return Report(
        kind="complaint",
        recipients=tuple(
            Reported(action="delivered", addresses=frozenset({address}), status=None, code=None, text=f"complaint: {kind}")
            for address in islice(filter(None, named), MAX_RECIPIENTS)
        ),
    )


def _is_automatic(message: Message) -> bool:
    """Tell whether an answerer wrote this; mail systems mark their own bounces alike, so those are told by their sender."""
    if "X-Failed-Recipients" in message or _DAEMON.search(parseaddr(fields.value(message, "From"))[1].partition("@")[0]):
        return False
    submitted = fields.value(message, "Auto-Submitted").lower().startswith("auto-replied")
    precedence = fields.value(message, "Precedence").lower() in {"auto_reply", "auto-reply"}
    return submitted or precedence or any(name in message for name in _ANSWERERS)


def _loose(content: bytes) -> tuple[Reported, ...]:
    """Ask the detectors for bounces of other shapes. They find addresses; the words are looked for here."""
    lines = (line[:_LONGEST_LINE] for line in content[:MAX_LOOSE].splitlines())
    message = message_from_bytes(b"\n".join(lines))
    if "From" not in message:
        message["From"] = "MAILER-DAEMON"  # there are detectors that take it for granted
    _drop_returned(message)
    delayed, failed = all_failures(message)
    said = _said(message)
    found: tuple[tuple[Action, frozenset[bytes]], ...] = (("failed", failed), ("delayed", delayed))
    return tuple(
        fields.reported(action, [address.decode("ascii", "replace")], None, said)
        for action, addresses in found
        for address in sorted(addresses)[:MAX_RECIPIENTS]
    )


def _drop_returned(message: Message) -> None:
    """Take mails inside of a mail out of it: the detectors would look into them, and a person may have passed on a bounce."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        message.set_payload([part for part in _inner(message) if part.get_content_type() != "message/rfc822"])
        for part in _inner(message):
            _drop_returned(part)


def _said(message: Message) -> str:
    """Return the line of the text that holds a reply of a mail server, else the subject."""
    text = next((part for part in _parts(message) if part.get_content_type() == "text/plain"), None)
    payload = text.get_payload(decode=True) if text is not None else b""
    lines = payload.decode("utf-8", "replace").splitlines() if isinstance(payload, bytes) else []
    return next((line.strip() for line in lines if fields.holds_reply(line)), fields.value(message, "Subject"))
