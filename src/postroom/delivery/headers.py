"""Header fields as bytes: folded, encoded, and never more than one field.

Anything that is no plain ASCII goes into encoded words (RFC 2047) of UTF-8 in base64, cut between characters. So does
what only looks dangerous: a value that imitates an encoded word, has odd spaces, or words too long for a line. A CR,
LF or NUL in a value is never repaired but refused: somebody tried to write a header of their own.
"""

import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Final

from postroom.delivery.envelope import checked_address
from postroom.errors import Invalid
from postroom.mailbox import MAX_EMAIL

WIDTH: Final = 76
"""Characters of a line, the line end not counted; RFC 5322 section 2.1.1 recommends at most 78."""

_FORBIDDEN: Final = re.compile("[\r\n\x00]")
_PLAIN: Final = re.compile(r"[!-~]+(?: [!-~]+)*")
_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_SPACES: Final = dict.fromkeys(range(32), " ")
_LONGEST_WORD: Final = 60
_LONGEST_CUSTOM_WORD: Final = 900
_ONE_LINE: Final = WIDTH - len(":  <>")
"""Characters of field name, display name and address that fit into one line together."""
_ENCODED_BYTES: Final = 42
"""Bytes of UTF-8 in one encoded word: 56 characters of base64 and 12 around them, below the 75 of RFC 2047 section 2."""


def unstructured(name: str, value: str) -> bytes:
    """Return the field ``name: value`` for free text such as a subject. Raises ``Invalid``."""
    words = plain_words(value) if _is_plain(checked(name, value)) else encoded_words(value)
    return folded(name, words)


def custom(name: str, value: str) -> bytes:
    """Return a field of somebody else's; its words stay whole, since they may be addresses or URLs. Raises ``Invalid``."""
    words = plain_words(checked(name, value))
    whole = _PLAIN.fullmatch(value) is not None and "=?" not in value and all(len(word) <= _LONGEST_CUSTOM_WORD for word in words)
    return folded(name, words if whole else encoded_words(value))


def structured(name: str, value: str) -> bytes:
    """Return a field whose value is a token of ours, in plain ASCII, put on one line. Raises ``Invalid``."""
    if not checked(name, value).isascii() or not value.isprintable():
        raise Invalid(name, "plain ASCII is needed")
    return f"{name}: {value}\r\n".encode("ascii")


def mailbox(name: str, display: str, address: str) -> bytes:
    """Return a field with one address and the name of whose it is (may be empty). Raises ``Invalid``."""
    short = len(name) + len(display) + len(address) <= _ONE_LINE
    if short and _PHRASE.fullmatch(display) and "=?" not in display:  # most names in ASCII
        return f"{name}: {display} <{_checked_address(address)}>\r\n".encode("ascii")
    if short and display.isprintable() and not display.isascii() and display == " ".join(display.split()):  # most others
        octets = display.encode("utf-8")
        if len(octets) <= _ENCODED_BYTES:
            return folded(name, [_encoded(octets), f"<{_checked_address(address)}>"])
    return folded(name, _mailbox_words(name, display, address))


def mailboxes(name: str, people: Sequence[tuple[str, str]]) -> bytes:
    """Return a field that lists people as pairs of name (may be empty) and address; nobody makes an empty group. Raises ``Invalid``."""
    if not people:
        return folded(name, ["undisclosed-recipients:;"])
    words: list[str] = []
    for display, address in people:
        words += _mailbox_words(name, display, address)
        words[-1] += ","
    words[-1] = words[-1][:-1]
    return folded(name, words)


def phrase(name: str, display: str) -> list[str]:
    """Return a display name as words that may stand before an address or a list id. Raises ``Invalid``."""
    text = " ".join(checked(name, display).split())
    if _PHRASE.fullmatch(text) and _is_plain(text):
        return plain_words(text)
    if _is_plain(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{escaped}"'] if len(escaped) <= _LONGEST_WORD else encoded_words(text)
    return encoded_words(text)


def folded(name: str, words: Iterable[str]) -> bytes:
    """Return a field of words that are checked and in plain ASCII, broken between them into lines of ``WIDTH`` where that is possible."""
    lines: list[str] = []
    line = f"{name}:"
    bare = len(line)
    for word in words:
        if len(line) + 1 + len(word) > WIDTH and len(line) > bare:
            lines.append(line)
            line, bare = "", 0
        line += f" {word}"
    return ("\r\n".join([*lines, line]) + "\r\n").encode("ascii")


def checked(name: str, value: str) -> str:
    """Return a value that may reach a header. Raises ``Invalid`` for CR, LF and NUL."""
    if _FORBIDDEN.search(value):
        raise Invalid(name, "a line break in a header")
    return value


def plain_words(value: str) -> list[str]:
    """Split plain text at its single spaces."""
    return value.split(" ") if value else []


def encoded_words(value: str) -> list[str]:
    """Return ``value`` as encoded words; lone surrogates become question marks, control characters spaces."""
    octets = value.translate(_SPACES).encode("utf-8", "replace")
    words: list[str] = []
    start = 0
    while start < len(octets):
        end = start + _ENCODED_BYTES
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # noqa: PLR2004 - never inside a character of UTF-8
            end -= 1
        words.append(_encoded(octets[start:end]))
        start = end
    return words


def _mailbox_words(name: str, display: str, address: str) -> list[str]:
    if not display.strip():
        checked(name, display)
        return [_checked_address(address)]
    return [*phrase(name, display), f"<{_checked_address(address)}>"]


def _checked_address(address: str) -> str:
    if len(address) > MAX_EMAIL:
        raise Invalid("email", f"longer than {MAX_EMAIL} characters")
    return checked_address(address)


def _is_plain(value: str) -> bool:
    return not value or (
        _PLAIN.fullmatch(value) is not None and "=?" not in value and all(len(word) <= _LONGEST_WORD for word in value.split(" "))
    )


def _encoded(octets: bytes) -> str:
    return f"=?utf-8?B?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="
