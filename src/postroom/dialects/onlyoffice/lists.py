"""Lists in answers, and the parameters that any list takes from the query (wire/onlyoffice.md §3.6, §3.7).

What cannot be read, or names a field that the items do not have, changes nothing. ``fields`` and ``updatedSince`` are accepted and ignored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from postroom.dialects.onlyoffice.names import Node

MOST: Final = 1_000
"""Items of one answer."""

_NUMBER: Final = re.compile(r"\s*\+?([0-9]{1,18})\s*")

_OPERATIONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, wanted: wanted.lower() in text.lower(),
    "equals": lambda text, wanted: text.lower() == wanted.lower(),
    "startswith": lambda text, wanted: text.lower().startswith(wanted.lower()),
    "endswith": lambda text, wanted: text.lower().endswith(wanted.lower()),
    "present": lambda text, wanted: wanted in text,
}


class Listing(Struct, frozen=True, kw_only=True):
    """A list that a handler found; what is left to do with it is told by the query."""

    items: Sequence[Any]
    total: int | None = None
    """How many there are beyond this page; ``None``: nobody counted."""
    paged: bool = False
    """The call has parameters of its own for pages: ``startIndex`` has no effect (§3.7)."""


class Shown(Struct, frozen=True, kw_only=True):
    """What of a list stands in the answer."""

    items: Sequence[Any]
    start: int = 0
    next: int | None = None
    """Index of the first item that does not; the original skips one (our choice)."""
    total: int | None = None


def shown(listing: Listing, query: Node) -> Shown:
    """Filter, sort and cut a list as the query wants it."""
    items = _sorted(_filtered(listing.items, query), query)
    most = min(_number(query, "count", MOST), MOST)
    start = 0 if listing.paged else _number(query, "startindex", 0)
    kept = items[start : start + most] if most else items[start : start + MOST]
    more = start + len(kept) < len(items)
    total = len(items) if listing.total is None and more else listing.total
    return Shown(items=kept, start=start, next=start + len(kept) if more and kept else None, total=total)


def _filtered(items: Sequence[Any], query: Node) -> Sequence[Any]:
    """Keep the items of which one of the fields fits one of the values."""
    wanted, fields = _values(query, "filtervalue"), _values(query, "filterby")
    fits = _OPERATIONS.get(_first(query, "filterop").lower() or "equals")
    if not wanted or not fields or fits is None or not _known(items, fields):
        return items
    return [item for item in items if any(fits(_text(_field(item, field)), value) for field in fields for value in wanted)]


def _sorted(items: Sequence[Any], query: Node) -> Sequence[Any]:
    fields = _values(query, "sortby")
    if not fields or not _known(items, fields):
        return items
    return sorted(
        items, key=lambda item: [_key(_field(item, field)) for field in fields], reverse=_first(query, "sortorder") == "descending"
    )


def _known(items: Sequence[Any], fields: Sequence[str]) -> bool:
    return bool(items) and isinstance(items[0], Struct) and all(field.lower() in _fields(items[0]) for field in fields)


def _fields(item: Struct) -> dict[str, str]:
    return {field.encode_name.lower(): field.name for field in structs.fields(item)}


def _field(item: Any, name: str) -> object:  # noqa: ANN401 - a record of some kind
    return msgspec.to_builtins(getattr(item, _fields(item)[name.lower()]))


def _key(value: object) -> tuple[int, Any]:
    """Order values of one field: nothing first, then numbers, then texts; whatever else there is by its text."""
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, int | float) else (2, str(value))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _values(query: Node, name: str) -> list[str]:
    """Return the values of ``x[]``, or of ``x``, where a single one may hold several, separated by commas."""
    node = query.at(name)
    if node.at("").values:
        return node.at("").values
    return [part for part in node.values[0].split(",") if part] if len(node.values) == 1 else node.values


def _first(query: Node, name: str) -> str:
    return next(iter(_values(query, name)), "")


def _number(query: Node, name: str, default: int) -> int:
    found = _NUMBER.fullmatch(_first(query, name))
    return int(found[1]) if found else default
