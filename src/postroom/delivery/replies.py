"""Reading what an SMTP server says: tolerant in form, bounded in size.

A reply is one or more lines ``250-text`` … ``250 text`` (RFC 5321 section 4.2), perhaps with an enhanced status code in
front of the text (RFC 2034). Bare LF as line end, missing text, codes that change between lines and bytes that are no
UTF-8 are all taken; a line without a code, a line without an end, and a reply without an end are not.
"""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

MAX_LINE: Final = 4_096
"""Bytes of one line; RFC 5321 section 4.5.3.1.5 allows 512, real servers send more."""

MAX_LINES: Final = 128
"""Lines of one reply; EHLO answers have some twenty."""

MAX_TEXT: Final = 1_000
"""Characters of a reply that are kept."""

_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class GarbageError(Exception):
    """What came is no SMTP reply, or too long for one."""


class Reply(Struct, frozen=True):
    """One reply of the server."""

    code: int
    text: str
    """Its lines, joined by one space, without codes and control characters, at most ``MAX_TEXT`` characters."""
    enhanced: str | None = None
    """Enhanced status code such as ``5.1.1``."""
    lines: tuple[str, ...] = ()
    """The texts of the lines as they came (for EHLO)."""

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


class ReplyReader:
    """Makes replies out of bytes as they come, however chopped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._code = 0
        self._lines: list[str] = []

    @property
    def pending(self) -> bool:
        """Whether there are bytes, or lines of an unfinished reply, that were not handed out."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> tuple[list[Reply], GarbageError | None]:
        """Add bytes; return the replies that they complete, and what is wrong with the rest: what was said before holds all the same."""
        self._buffer += data
        replies: list[Reply] = []
        start = 0
        try:
            while (end := self._buffer.find(b"\n", start)) >= 0:
                reply = self._line(bytes(self._buffer[start:end]).rstrip(b"\r"))
                start = end + 1
                if reply is not None:
                    replies.append(reply)
        except GarbageError as error:
            return replies, error
        del self._buffer[:start]
        return replies, GarbageError("a line without an end") if len(self._buffer) > MAX_LINE else None

    def _line(self, line: bytes) -> Reply | None:
        if not self._lines and line[3:4] != b"-":
            return _single(line)
        code, separator, text = _parsed(line)
        self._code = self._code or code  # the first line decides; servers that change the code between lines contradict themselves
        self._lines.append(text)
        if separator:
            if len(self._lines) >= MAX_LINES:
                raise GarbageError("a reply without an end")
            return None
        reply = _reply(self._code, self._lines)
        self._code, self._lines = 0, []
        return reply


@lru_cache(maxsize=256)
def _single(line: bytes) -> Reply:
    """Read a reply of one line. Most of what a server says it says again with each mail, so it is read once."""
    code, _, text = _parsed(line)
    return _reply(code, [text])


def _parsed(line: bytes) -> tuple[int, bool, str]:
    """Return code, whether another line follows, and text. Raises ``GarbageError``."""
    match = _LINE.fullmatch(line)
    if match is None or len(line) > MAX_LINE:
        raise GarbageError(f"not a reply: {_clean(line[:80])}")
    code, separator, text = match.groups()
    return int(code), separator == b"-", _clean(text or b"")


def _reply(code: int, lines: list[str]) -> Reply:
    first = _ENHANCED.match(lines[0])
    enhanced = first.group(1) if first and first.group(1)[0] == str(code)[0] else None
    texts = [line[len(enhanced) :].strip() if enhanced and line.startswith(enhanced) else line.strip() for line in lines]
    return Reply(code, " ".join(text for text in texts if text)[:MAX_TEXT], enhanced, tuple(lines))


def _clean(data: bytes) -> str:
    return "".join(character if character.isprintable() else " " for character in data.decode("utf-8", "replace"))
