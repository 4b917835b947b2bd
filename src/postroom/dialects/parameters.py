"""Parameters of a request as (name, value) pairs, decoded strictly: nothing is guessed and nothing is repaired.

A pair that occurs twice with the same value counts once: published clients send every parameter of a GET twice but sign
each once (wire/usos.md §2.3, §5.4). Different values of one name are all kept, in their order.
"""

import re
from collections.abc import Iterable
from typing import Final

Pairs = list[tuple[str, str]]
"""Names and values in the order in which they came."""

MAX_PAIRS: Final = 10_000
"""Parameters in one query or body: as many as the longest list has entries, should a client repeat its name for each."""

_BROKEN: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]*")
_ESCAPED: Final = [chr(byte) if _UNRESERVED.fullmatch(chr(byte)) else f"%{byte:02X}" for byte in range(256)]


class BadParameter(Exception):
    """A parameter cannot be decoded. ``name`` is ``None`` when not even its name can be read."""

    def __init__(self, name: str | None, reason: str) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason


def decode(raw: bytes) -> Pairs:
    """Decode a query string or an urlencoded body: UTF-8, ``+`` for a space, empty values kept.

    Raises ``BadParameter`` for bytes that are no UTF-8, a broken percent-escape, a NUL character (no database keeps it), and
    more than ``MAX_PAIRS`` parameters.
    """
    if raw.count(b"&") >= MAX_PAIRS:
        raise BadParameter(None, f"there are more than {MAX_PAIRS:,}")
    pairs: Pairs = []
    for part in raw.replace(b"+", b" ").split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        try:
            pairs.append((_unescaped(name), _unescaped(value)))
        except BadParameter as error:
            raise BadParameter(_readable(name), error.reason) from None
    return pairs


def unescape(text: str) -> str:
    """Undo the percent-escapes of one value, in which ``+`` stands for itself. Raises ``BadParameter`` as ``decode`` does."""
    return _unescaped(text.encode())


def escape(text: str) -> str:
    """Percent-encode everything but the unreserved characters of RFC 3986, as signatures want it (RFC 5849 §3.6)."""
    if _UNRESERVED.fullmatch(text):
        return text
    return "".join(map(_ESCAPED.__getitem__, text.encode()))


def length(pairs: Pairs) -> int:
    """Return the characters of all values together."""
    return sum(len(value) for _, value in pairs)


def distinct(*sources: Iterable[tuple[str, str]]) -> Pairs:
    """Put the pairs of all sources into one list, without repetitions of the same pair."""
    return list(dict.fromkeys(pair for source in sources for pair in source))


def _unescaped(raw: bytes) -> str:
    """Undo percent-escapes. Python's own ``unquote`` goes from escape to escape: for a Polish text it takes sixteen times as long."""
    if b"%" in raw:
        if _BROKEN.search(raw):
            raise BadParameter(None, "a percent sign must be followed by two hexadecimal digits")
        raw = raw.replace(b"\\", b"\\x5c").replace(b"%", b"\\x").decode("unicode_escape").encode("latin-1")
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        raise BadParameter(None, "it is not encoded as UTF-8") from None
    if "\0" in value:
        raise BadParameter(None, "it contains a NUL character")
    return value


def _readable(name: bytes) -> str | None:
    try:
        return _unescaped(name)
    except BadParameter:
        return None
