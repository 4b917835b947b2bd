"""The fields of a delivery status notification (RFC 3464 section 2): blocks of them, one block a recipient."""

import re
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final, get_args

from postroom import mailbox
from postroom.delivery.bounces.records import Action, Reported
from postroom.directory import emails
from postroom.directory.values import one_line

MAX_RECIPIENTS: Final = 1_000
"""Recipients that one report may speak of; whoever else it names is passed over."""

MAX_TEXT: Final = 1_000
"""Characters of a mail server's words that are kept."""

_LONGEST_ADDRESS: Final = 2 * mailbox.MAX_EMAIL
_ACTIONS: Final[dict[str, Action]] = {action: action for action in get_args(Action)}
_BY_CLASS: Final[dict[str, Action]] = {"5": "failed", "4": "delayed", "2": "delivered"}
"""What a status means where the action, which the standard demands, is missing."""

_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_REPLY: Final = re.compile(r"(?:^|[:>;])\s*([45]\d\d)(?:[\s-]|$)")
_TYPE: Final = re.compile(r"\A\s*+[A-Za-z0-9-]{1,40}\s*+;\s*")
"""``smtp;``, ``rfc822;`` and the like in front of a value."""
_BLANK_LINES: Final = re.compile(rb"\r?\n[ \t]*\r?\n")


def recipients(part: Message) -> Iterator[Reported]:
    """Yield what a ``message/delivery-status`` part says of each recipient; blocks that say nothing usable are passed over."""
    for block in _blocks(part):
        if any(name in block for name in ("Action", "Final-Recipient", "Original-Recipient")):
            found = _recipient(block)
            if found is not None:
                yield found


def reported(action: Action, addresses: Sequence[str], status: str | None, diagnostic: str) -> Reported:
    """Make the record of one recipient; ``diagnostic`` is foreign text."""
    text = one_line(diagnostic, MAX_TEXT)
    code = _REPLY.search(text)
    return Reported(
        action=action,
        addresses=frozenset(filter(None, map(address, addresses))),
        status=_better(status, _status(text)),
        code=int(code.group(1)) if code else None,
        text=text,
    )


def address(value: str) -> str | None:
    """Return the mailbox in ``rfc822; <ann@uni.example>``, in lower case; ``None`` if there is none."""
    bare = _TYPE.sub("", value[:_LONGEST_ADDRESS], count=1).strip().removeprefix("<").removesuffix(">")
    normal = emails.normalise(bare)
    return normal.lower() if normal is not None else None


def value(block: Message, name: str) -> str:
    """Return a field on one line, the first of its name; empty if there is none."""
    return next(values(block, name), "")


def values(block: Message, name: str) -> Iterator[str]:
    """Yield each field of that name on one line, read as UTF-8 (RFC 6533)."""
    for key, raw in block.raw_items():
        if key.lower() == name.lower():
            yield one_line(str(raw).encode("utf-8", "surrogateescape").decode("utf-8", "replace"), MAX_TEXT)


def holds_reply(line: str) -> bool:
    """Tell whether a line of text holds a negative reply, or an enhanced status code, of a mail server."""
    return _REPLY.search(line[:MAX_TEXT]) is not None or _status(line[:MAX_TEXT]) is not None


def _blocks(part: Message) -> Iterator[Message]:
    """Yield the blocks of fields. The parser cuts ``message/delivery-status`` into them; of the other kind it makes a mail with a text."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return
    for block in payload:
        if not isinstance(block, Message):
            continue
        yield block
        rest = block.get_payload(decode=True)
        if isinstance(rest, bytes):
            yield from (BytesHeaderParser().parsebytes(text.lstrip()) for text in _BLANK_LINES.split(rest) if text.strip())


def _recipient(block: Message) -> Reported | None:
    status = _status(value(block, "Status"))
    action = _ACTIONS.get(value(block, "Action").partition(" ")[0].lower()) or _BY_CLASS.get(status[0] if status else "")
    if action is None:
        return None
    diagnostic = _TYPE.sub("", value(block, "Diagnostic-Code"), count=1)
    named = [value(block, name) for name in ("Original-Recipient", "Final-Recipient")]
    return reported(action, named, status, diagnostic or value(block, "Status"))


def _status(text: str) -> str | None:
    match = _STATUS.search(text)
    return match.group() if match else None


def _better(stated: str | None, said: str | None) -> str | None:
    """Choose the status that says more: many systems write ``5.0.0`` and leave the true one in the words of the server."""
    if stated is None or (stated.endswith(".0.0") and said is not None and said[0] == stated[0]):
        return said
    return stated
