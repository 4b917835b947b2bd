"""Header fields as bytes: folded, encoded, and never more than one field.

Anything that is no plain ASCII goes into encoded words (RFC 2047) of UTF-8 in base64, cut between characters. So does
what only looks dangerous: a value that imitates an encoded word, has odd spaces, or words too long for a line. A CR,
LF or NUL in a value is never repaired but refused: somebody tried to write a header of their own.
"""

import base64
import re
from typing import Final

from postroom.delivery.smtp import checked_address
from postroom.errors import Invalid

WIDTH: Final = 76
"""Characters of a line, the line end not counted; RFC 5322 section 2.1.1 recommends at most 78."""

_FORBIDDEN: Final = re.compile("[\r\n\x00]")
_PLAIN: Final = re.compile(r"[!-~]+(?: [!-~]+)*")
_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LONGEST_WORD: Final = 60
_ENCODED_BYTES: Final = 42
"""Bytes of UTF-8 in one encoded word: 56 characters of base64 and 12 around them, below the 75 of RFC 2047 section 2."""


def unstructured(name: str, value: str) -> bytes:
    """Return the field ``name: value`` for free text such as a subject. Raises ``Invalid``."""
    words = plain_words(value) if _is_plain(checked(name, value)) else encoded_words(value)
    return folded(name, words)


def structured(name: str, value: str) -> bytes:
    """Return a field whose value is a token of ours, in plain ASCII, put on one line. Raises ``Invalid``."""
    if not checked(name, value).isascii() or not value.isprintable():
        raise Invalid(name, "plain ASCII is needed")
    return f"{name}: {value}\r\n".encode("ascii")


def mailbox(name: str, display: str, address: str) -> bytes:
    """Return a field with one address and the name of whose it is (may be empty). Raises ``Invalid``."""
    return folded(name, [*phrase(name, display), f"<{checked_address(address)}>"] if display.strip() else [checked_address(address)])


def phrase(name: str, display: str) -> list[str]:
    """Return a display name as words that may stand before an address or a list id. Raises ``Invalid``."""
    text = " ".join(checked(name, display).split())
    if _PHRASE.fullmatch(text) and _is_plain(text):
        return plain_words(text)
    if _is_plain(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{escaped}"'] if len(escaped) <= _LONGEST_WORD else encoded_words(text)
    return encoded_words(text)


def folded(name: str, words: list[str]) -> bytes:
    """Return a field of words that are checked and in plain ASCII, broken between them into lines of ``WIDTH`` where that is possible."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > WIDTH and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


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
    words: list[str] = []
    chunk = b""
    for character in "".join(character if ord(character) >= 32 else " " for character in value):  # noqa: PLR2004 - the control characters of ASCII
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > _ENCODED_BYTES:
            words.append(_encoded(chunk))
            chunk = b""
        chunk += octets
    return [*words, _encoded(chunk)] if chunk else words


def _is_plain(value: str) -> bool:
    return not value or (
        _PLAIN.fullmatch(value) is not None and "=?" not in value and all(len(word) <= _LONGEST_WORD for word in value.split(" "))
    )


def _encoded(chunk: bytes) -> str:
    return f"=?utf-8?B?{base64.b64encode(chunk).decode('ascii')}?="
