"""Bodies: wrapping plain text, and bringing any text into a form that every relay takes."""

import binascii
import re
from typing import Final

from msgspec import Struct

from postroom.messages.html_text import normalised

WIDTH: Final = 76
"""Columns of wrapped text; RFC 3676 section 4.2 recommends at most 78."""

_LONGEST_LINE: Final = 998
"""Bytes of a line without its end (RFC 5322 section 2.1.1)."""

_LONGEST_KEPT: Final = 1_000
"""Characters of a line of a template that is wrapped as a whole when its values are known."""

_SIGNATURE: Final = "-- "
_FROM: Final = re.compile(rb"^From ", re.MULTILINE)
_FRAGILE: Final = re.compile(rb"^From |[ \t]$", re.MULTILINE)
"""What servers on the way alter: lines that look like the beginning of a mail, and spaces at the end of a line."""


class Body(Struct, frozen=True):
    """A body part as it goes into a mail: CRLF line ends, closed by one, lines of at most 998 bytes, ASCII."""

    encoding: str
    """Content-Transfer-Encoding: ``7bit`` or ``quoted-printable``."""
    data: bytes


def wrapped(text: str, width: int = WIDTH, *, keep: str = "") -> str:
    """Break long lines between words.

    Words longer than a line (URLs), quoted lines (``>``) and a signature stay as they are, and so do lines that hold ``keep``,
    unless they are as long as a page: those will be broken once more for each recipient, so each is to be short.
    """
    lines: list[str] = []
    in_signature = False
    for line in normalised(text).split("\n"):
        in_signature = in_signature or line == _SIGNATURE
        if len(line) <= width or in_signature or line.startswith(">") or (keep and keep in line and len(line) <= _LONGEST_KEPT):
            lines.append(line)
        else:
            lines += _wrapped_line(line, width)
    return "\n".join(lines)


def encoded(text: str) -> Body:
    """Return ``text`` (LF line ends) as it goes over the wire: as it is when nothing on the way would change it, else quoted-printable."""
    data = text.encode("utf-8", "replace")
    data = data if data.endswith(b"\n") else data + b"\n"
    if text.isascii() and not _FRAGILE.search(data) and all(len(line) <= _LONGEST_LINE for line in data.split(b"\n")):
        return Body("7bit", data.replace(b"\n", b"\r\n"))
    return Body("quoted-printable", quoted(text))


def quoted(text: str) -> bytes:
    """Return whole lines of ``text`` (LF line ends, closed by one if it is not) in quoted-printable with CRLF line ends."""
    return _quoted(text if text.endswith("\n") else text + "\n")


def quoted_open(text: str) -> bytes:
    """Return ``text`` in quoted-printable, closed by a soft line break: what comes behind it continues its last line."""
    return _quoted(text + "\n")[:-2] + b"=\r\n"


def _quoted(text: str) -> bytes:
    octets = binascii.b2a_qp(text.encode("utf-8", "replace"), quotetabs=False, istext=True)
    if b"From " in octets:
        # Mailbox files begin each mail with "From ", so some servers put a ">" before such a line: it is disguised, and a soft
        # line break behind it keeps the line within 76 characters.
        octets = _FROM.sub(b"=46rom =\n", octets)
    return octets.replace(b"\n", b"\r\n")


def human_size(size: int) -> str:
    """Return a number of bytes for people: ``17 B``, ``1.2 KB``, ``3.4 GB`` (1 KB = 1024 B)."""
    value, units = float(size), ["B", "KB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units) > 1:  # noqa: PLR2004 - what would be shown with four digits
        value /= 1024
        units.pop(0)
    return f"{size} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def _wrapped_line(line: str, width: int) -> list[str]:
    """Break one line at spaces. The first line keeps its indentation; nothing but the spaces at the breaks is lost."""
    lines: list[str] = []
    start = 0
    words = len(line) - len(line.lstrip(" \t"))  # where the words of the coming line begin
    while len(line) - start > width:
        cut = line.rfind(" ", words, start + width + 1)
        if cut < 0:
            cut = line.find(" ", max(words, start + width + 1))
        if cut < 0:
            break
        lines.append(line[start:cut].rstrip(" "))
        start = cut
        while line.startswith(" ", start):
            start += 1
        words = start
    rest = line[start:].rstrip(" ")
    return [*lines, rest] if rest or not lines else lines
