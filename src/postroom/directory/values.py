"""What the directory asks of foreign values before it keeps them or looks for them.

Names reach mail headers, so nothing that anybody takes for a line break passes; NUL, which PostgreSQL refuses, and lone
surrogates, which are no UTF-8, pass nowhere.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from postroom.errors import Invalid, TooLarge

MAX_KEY: Final = 100
"""Characters of a person's uid and of a group's code."""
MAX_NAME: Final = 200
MAX_ROLE: Final = 50
"""Characters of any name or title."""
MAX_URL: Final = 2_000

LARGEST_ID: Final = 2**31 - 1
_CHUNK: Final = 500
_NOT_IN_LINES: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BLANKS: Final = re.compile(rf"(?:\s|{_NOT_IN_LINES.pattern})+")

T = TypeVar("T")


def storable(value: str) -> bool:
    """Tell whether ``value`` can stand in one line of the store; what cannot need not be looked for."""
    return _NOT_IN_LINES.search(value) is None


def check_line(parameter: str, value: str, limit: int, *, required: bool = False) -> str:
    """Return ``value`` without surrounding blanks, if it is one line of at most ``limit`` characters (code points).

    Raises ``TooLarge``, or ``Invalid`` for control characters, line separators, lone surrogates, and for nothing at all
    where something is ``required``.
    """
    if not storable(value):
        raise Invalid(parameter, "control characters and line breaks are not allowed")
    trimmed = value.strip()
    if required and not trimmed:
        raise Invalid(parameter, "a value is required")
    if len(trimmed) > limit:
        raise TooLarge(parameter, limit)
    return trimmed


def one_line(text: str, limit: int) -> str:
    """Bring foreign text, such as the words of a mail server, onto one line that the store can keep, of at most ``limit`` characters."""
    line = _BLANKS.sub(" ", text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def known(ids: Iterable[int]) -> Iterator[int]:
    """Drop repeated numbers, and those that no row can have: PostgreSQL would refuse the whole query for them."""
    return (number for number in dict.fromkeys(ids) if 0 < number <= LARGEST_ID)


def chunks(values: Iterable[T], size: int = _CHUNK) -> Iterator[list[T]]:
    """Cut ``values`` into lists short enough for one IN list or one insert."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk
