"""Pages of lists: where they begin, how long they are, and the links between them (wire/schoology.md §1.3, §7.1)."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from msgspec import UNSET, Struct

from postroom.dialects.schoology.records import Links
from postroom.directory.values import LARGEST_ID

LIMIT: Final = 20
"""Items of a page that nobody gave a length for."""
MAX_LIMIT: Final = 200

_FLAGS: Final = frozenset({"true", "1"})


class Page(Struct, frozen=True, kw_only=True):
    """Part of a list."""

    start: int
    """Items before it."""
    limit: int


def page_of(start: str, limit: str, default: int = LIMIT) -> Page:
    """Read what a client says of a page: what is no number, or too small, falls back to the default; what is too large, to the largest."""
    return Page(start=_number(start) or 0, limit=min(_number(limit) or default, MAX_LIMIT))


def links(url: str, page: Page, kept: Mapping[str, str], *, more: bool) -> Links:
    """Return the links of a page of the list at ``url``; ``kept`` are other parameters, which the next page keeps where they were given."""
    others = {name: value for name, value in kept.items() if value}

    def at(start: int) -> str:
        return f"{url}?{urlencode({'start': start, 'limit': page.limit, **others})}"

    return Links(here=at(page.start), next=at(page.start + page.limit) if more else UNSET)


def flag(value: str) -> bool:
    """Tell whether a flag is set: ``TRUE`` in the documentation, ``true`` or ``1`` of clients."""
    return value.lower() in _FLAGS


def _number(text: str) -> int | None:
    """Return a number that is not negative, at most ``LARGEST_ID``; ``None`` for anything else."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()):
        return None
    return min(int(digits.lstrip("0")[:11] or "0"), LARGEST_ID)
