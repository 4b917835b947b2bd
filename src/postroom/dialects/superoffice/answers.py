"""Answers, in JSON and in XML (wire/superoffice.md §3.1, §3.2, §3.4): PascalCase, choices as words, unset objects and texts null.

``$select`` names what is wanted; the rest keeps its key and holds null, or the default of a value type, since .NET takes no null there.
In XML a list is an element that holds its items, each named as its type, and what is null is not there (our choices).
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from postroom.dialects import xml
from postroom.dialects.parameters import Pairs
from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.errors import malformed
from postroom.dialects.superoffice.wire_types import NEVER, Carrier, Field, Kind, fields_of, kind_of, words

Selection = dict[str, "Selection"]
"""Names in small letters, and what is wanted below each; nothing: all of it."""

_MOST_NAMES: Final = 500
_MOST_LEVELS: Final = 8


def selection(pairs: Pairs) -> Selection:
    """Read ``$select`` from a query. Raises ``Refusal`` 400 for one that is far too long."""
    text = ",".join(value for name, value in pairs if name.lower() == "$select")
    paths = [[part.strip() for part in path.lower().split("/")] for path in text.split(",") if path.strip()]
    if len(paths) > _MOST_NAMES or any(len(path) > _MOST_LEVELS for path in paths):
        raise malformed(f"$select: at most {_MOST_NAMES} names, of at most {_MOST_LEVELS} parts, can be chosen.")
    chosen: Selection = {}
    for path in sorted(paths, key=len):
        below = chosen
        for part in path[:-1]:
            if below.get(part) == {}:  # chosen as a whole, so nothing below it need be
                break
            below = below.setdefault(part, {})
        else:
            below.setdefault(path[-1], {})
    return chosen


class Writer(Struct, frozen=True, kw_only=True):
    """Writes what a method returned."""

    dates: Dates
    chosen: Selection
    as_xml: bool

    def write(self, result: object, declared: Any) -> bytes:  # noqa: ANN401 - a type expression
        """Return the document of a result of the declared type."""
        kind = kind_of(declared)
        shown = None if result is None else self._shown(result, kind, self.chosen)
        if self.as_xml:
            return xml.document(kind.title, shown, _in_words)
        return msgspec.json.encode(shown)

    def _shown(self, value: Any, kind: Kind, chosen: Selection) -> Any:  # noqa: ANN401, PLR0911 - what a carrier holds → what JSON can hold
        if value is None:
            return None
        match kind.name:
            case "record":
                return self._record(value, kind, chosen)
            case "list" if kind.item is not None:
                items = [self._shown(one, kind.item, chosen) for one in value]
                return {kind.item.title: items} if self.as_xml and items else items
            case "dateTime":
                return self.dates.write(value)
            case "enum":
                return words(value)
            case "base64Binary":
                return b64encode(value).decode()
            case _:
                return value

    def _record(self, value: Struct, kind: Kind, chosen: Selection) -> dict[str, Any]:
        shown = {field.name: self._member(value, field, chosen) for field in fields_of(kind.record)}
        if issubclass(kind.record, Carrier):
            shown |= {"TableRight": None, "FieldProperties": {}}
        return {name: inner for name, inner in shown.items() if inner is not None} if self.as_xml else shown

    def _member(self, value: Struct, field: Field, chosen: Selection) -> Any:  # noqa: ANN401 - as _shown
        below = chosen.get(field.name.lower())
        if chosen and below is None:
            return self.dates.write(NEVER) if field.kind.name == "dateTime" else field.kind.unset
        return self._shown(getattr(value, field.attribute), field.kind, below or {})


def error(content: Mapping[str, str | bool], *, as_xml: bool) -> bytes:
    """Return the document of an error."""
    return xml.document("Error", dict(content), _in_words) if as_xml else msgspec.json.encode(content)


def _in_words(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
