"""Parameters of a request as (name, value) pairs, decoded strictly: nothing is guessed and nothing is repaired.

A pair that occurs twice with the same value counts once: published clients send every parameter of a GET twice but sign
each once (wire/usos.md §2.3, §5.4). Different values of one name are all kept, in their order.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, unquote

Pairs = list[tuple[str, str]]
"""Names and values in the order in which they came."""

MAX_PAIRS: Final = 10_000
"""Parameters in one query or body: as many as the longest list has entries, should a client repeat its name for each."""

_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


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
    try:
        return _decode(raw)
    except BadParameter as error:
        raise BadParameter(_culprit(raw), error.reason) from None


def unescape(text: str) -> str:
    """Undo the percent-escapes of one value, in which ``+`` stands for itself. Raises ``BadParameter`` as ``decode`` does."""
    if "%" in text and _BROKEN.search(text):
        raise BadParameter(None, "a percent sign must be followed by two hexadecimal digits")
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadParameter(None, "it is not encoded as UTF-8") from None
    if "\0" in value:
        raise BadParameter(None, "it contains a NUL character")
    return value


def distinct(*sources: Iterable[tuple[str, str]]) -> Pairs:
    """Put the pairs of all sources into one list, without repetitions of the same pair."""
    return list(dict.fromkeys(pair for source in sources for pair in source))


def _decode(raw: bytes) -> Pairs:
    try:
        text = raw.decode("utf-8")
        if "%" in text and _BROKEN.search(text):
            raise BadParameter(None, "a percent sign must be followed by two hexadecimal digits")
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict")
    except UnicodeDecodeError:
        raise BadParameter(None, "it is not encoded as UTF-8") from None
    if "%00" in text or "\0" in text:
        raise BadParameter(None, "it contains a NUL character")
    return pairs


def _culprit(raw: bytes) -> str | None:
    """Name the first parameter that cannot be decoded."""
    for part in raw.split(b"&"):
        try:
            _decode(part)
        except BadParameter:
            try:
                return _decode(part.partition(b"=")[0])[0][0]
            except (BadParameter, IndexError):
                return None
    return None
