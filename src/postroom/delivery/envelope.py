"""What goes round a mail: who sends it, who gets it, and what the server is told of it before it sees the mail.

An envelope address with a control character, a space or an angle bracket never reaches the wire: a recipient cannot carry
a command.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from postroom.errors import Invalid

_ADDRESS: Final = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")  # printable ASCII without space, < and >
_INTERNATIONAL: Final = re.compile(r"[!-;=?-~\u00a1-\U0010fffd]+@[!-;=?-~\u00a1-\U0010fffd]+")
_XTEXT: Final = re.compile(r"[^!-*,-<>-~]")  # what RFC 3461 section 4 writes as +XX
MAX_SIZE_DIGITS: Final = 20


class Envelope(Struct, frozen=True):
    """The envelope of one transaction."""

    sender: str
    """The reverse path; empty for the null one."""
    recipients: tuple[str, ...]
    size: int
    """Octets of the mail."""
    eight_bit: bool = False
    """Whether the mail holds other octets than ASCII."""
    receipt: bool = False
    """Whether the sender wants to be told of the delivery (RFC 3461)."""


def checked_address(address: str) -> str:
    """Return an ASCII address that may stand in an envelope. Raises ``Invalid`` for one that could be anything else."""
    if not _ADDRESS.fullmatch(address):
        raise Invalid("email", "no address that can be put on an envelope")
    return address


def commands(envelope: Envelope, extensions: Mapping[str, str]) -> list[bytes]:
    """Return MAIL, one RCPT for each recipient, and DATA, as this server understands them; each closed by CRLF.

    Raises ``Invalid`` for what this server cannot be told: an address that fits no envelope, one beyond ASCII without SMTPUTF8
    (RFC 6531), content beyond ASCII without 8BITMIME (RFC 6152), more octets than it takes (RFC 1870).
    """
    if not envelope.recipients:
        raise Invalid("recipients", "at least one is needed")
    international = not (envelope.sender.isascii() and all(address.isascii() for address in envelope.recipients))
    check = _checked_international if international else checked_address
    sender = check(envelope.sender) if envelope.sender else ""
    receipt = envelope.receipt and "DSN" in extensions
    lines = [f"MAIL FROM:<{sender}>{_parameters(envelope, extensions, international=international, receipt=receipt)}\r\n"]
    for address in envelope.recipients:
        wanted = f" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT={_original(address)}" if receipt else ""
        lines.append(f"RCPT TO:<{check(address)}>{wanted}\r\n")
    return [line.encode() for line in lines] + [b"DATA\r\n"]


def _parameters(envelope: Envelope, extensions: Mapping[str, str], *, international: bool, receipt: bool) -> str:
    words = ""
    if "SIZE" in extensions:
        _check_size(envelope.size, extensions["SIZE"])
        words = f" SIZE={envelope.size}"
    if envelope.eight_bit:
        if "8BITMIME" not in extensions:
            raise Invalid("content", "8-bit, and the relay does not offer 8BITMIME")
        words += " BODY=8BITMIME"
    if international:
        if "SMTPUTF8" not in extensions:
            raise Invalid("email", "an address beyond ASCII, and the relay does not offer SMTPUTF8")
        words += " SMTPUTF8"
    return f"{words} RET=HDRS" if receipt else words


def _check_size(size: int, limit: str) -> None:
    if limit.isascii() and limit.isdigit() and len(limit) <= MAX_SIZE_DIGITS and 0 < int(limit) < size:  # 0: no limit that is known
        raise Invalid("content", f"{size} bytes, and the relay takes {int(limit)} at most")


def _checked_international(address: str) -> str:
    if not _INTERNATIONAL.fullmatch(address) or not address.isprintable():
        raise Invalid("email", "no address that can be put on an envelope")
    return address


def _original(address: str) -> str:
    kind = "rfc822" if address.isascii() else "utf-8"
    if kind == "utf-8":  # utf-8-addr-unitext of RFC 6533 section 3 may stand where SMTPUTF8 is spoken, and only there
        return f"utf-8;{_XTEXT.sub(lambda found: found[0] if ord(found[0]) > 127 else f'+{ord(found[0]):02X}', address)}"  # noqa: PLR2004 - end of ASCII
    return f"rfc822;{_XTEXT.sub(lambda found: f'+{ord(found[0]):02X}', address)}"
