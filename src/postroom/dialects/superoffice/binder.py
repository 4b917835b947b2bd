"""Reads the record that a method declares out of the tree that came (wire/superoffice.md §3.2, §3.3, §7.1), by the rules of .NET.

Names fit in letters of any case, since published clients send camelCase. What is absent, null, or not known is left out, and so leaves the
default. Numbers and truth values may come as text; choices as a name, as names in a list with commas, or as a number.
"""

import binascii
import re
import time
from base64 import b64decode
from enum import IntEnum, IntFlag
from functools import reduce
from operator import or_
from typing import Any, Final, TypeVar

from msgspec import Struct

from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.errors import Refusal, malformed
from postroom.dialects.superoffice.wire_types import Kind, fields_of, word

R = TypeVar("R", bound=Struct)

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_BITS: Final = 32
_PIECE: Final = 262_144
"""Characters of base64 that are decoded at a time."""


def bind(tree: object, record: type[R], dates: Dates) -> R:
    """Read a record. Raises ``Refusal`` 400, which names the property, for what does not fit."""
    if not isinstance(tree, dict):
        raise malformed("The parameters dictionary contains a null entry for parameter 'request'.")
    return _record(tree, record, dates, "")


def _record(tree: dict[str, Any], record: type[R], dates: Dates, where: str) -> R:
    given = {name.lower(): value for name, value in tree.items()}
    values: dict[str, Any] = {}
    for field in fields_of(record):
        value = given.get(field.name.lower())
        if value is not None:
            read = _value(value, field.kind, dates, f"{where}.{field.name}" if where else field.name)
            if read is not None:
                values[field.attribute] = read
    return record(**values)


def _value(value: Any, kind: Kind, dates: Dates, where: str) -> Any:  # noqa: ANN401, PLR0911 - whatever JSON can hold → what a carrier holds
    """Read a value; ``None`` where the default is to stay."""
    match kind.name:
        case "record":
            return _object(value, kind, dates, where)
        case "list" if kind.item is not None:
            return _list(value, kind.item, dates, where)
        case "base64Binary":
            return _bytes(value, where)
        case "string":
            return _text(value, where)
        case _ if isinstance(value, str) and not value.strip():
            return None
        case "boolean":
            return _truth(value, where)
        case "dateTime":
            return _date(value, dates, where)
        case "enum":
            return _chosen(value, kind.chosen, where)
        case _:
            return _integer(value, where)


def _object(value: object, kind: Kind, dates: Dates, where: str) -> Struct | None:
    if isinstance(value, dict):
        return _record(value, kind.record, dates, where)
    if isinstance(value, str) and not value.strip():  # an empty element
        return None
    raise _unfit(where, "an object")


def _list(value: object, item: Kind, dates: Dates, where: str) -> list[Any]:
    found = []
    for number, one in enumerate(_items(value, item, where)):
        read = None if one is None else _value(one, item, dates, f"{where}[{number}]")
        if read is not None:
            found.append(read)
    return found


def _items(value: object, item: Kind, where: str) -> list[Any]:
    """Return the items of a list: one in JSON, numbered names of a form, elements inside an element, or a single value of a form."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if all(not name or _INDEX.fullmatch(name) for name in value):
            parts = [value[name] for name in sorted(value, key=lambda name: int(name or -1))]
        elif value.keys() <= {item.title}:
            parts = list(value.values())
        else:
            raise _unfit(where, "a list")
        return [one for part in parts for one in (part if isinstance(part, list) else [part])]
    if isinstance(value, str) and not value.strip():
        return []
    if isinstance(value, str) and item.name != "record":
        return [value]
    raise _unfit(where, "a list")


def _text(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unfit(where, "a text")
    text = str(value)
    if "\0" in text:  # no database keeps it
        raise _unfit(where, "a text without NUL characters")
    return text


def _truth(value: object, where: str) -> bool:
    text = str(value).strip().lower()
    if text not in {"true", "false", "1", "0"}:
        raise _unfit(where, "true or false")
    return text in {"true", "1"}


def _integer(value: object, where: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if isinstance(value, bool) or not _INTEGER.fullmatch(text) or not -(1 << _BITS - 1) <= int(text) < 1 << _BITS - 1:
        raise _unfit(where, f"a number of {_BITS} bits")
    return int(text)


def _date(value: object, dates: Dates, where: str) -> int:
    try:
        return dates.read(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise _unfit(where, "a date") from None


def _chosen(value: object, chosen: type[IntEnum | IntFlag], where: str) -> IntEnum | IntFlag:
    numbers = {word(one).lower(): int(one) for one in chosen.__members__.values()}
    parts = [part.strip().lower() for part in str(value).split(",")]
    given = [numbers.get(part, int(part) if _INTEGER.fullmatch(part) else -1) for part in parts]
    number = reduce(or_, given)
    flags = issubclass(chosen, IntFlag)
    if not (0 <= number <= sum(numbers.values()) if flags else len(given) == 1 and number in numbers.values()):
        raise _unfit(where, f"one of {', '.join(word(one) for one in chosen.__members__.values())}")
    return chosen(number)


def _bytes(value: object, where: str) -> bytes:
    """Read base64, or what JSON makes of an array of bytes: ``{"0": 1, "1": 2}``. Of an ArrayBuffer it makes ``{}``, which is refused."""
    if isinstance(value, str):
        try:
            return _from_base64(value)
        except (binascii.Error, ValueError):
            raise _unfit(where, "base64") from None
    if isinstance(value, dict) and value:
        value = [value.get(str(number)) for number in range(len(value))]
    if isinstance(value, list) and value:
        try:
            return bytes(value)
        except (TypeError, ValueError):
            raise _unfit(where, "a list of bytes") from None
    raise _unfit(where, "base64")


def _from_base64(text: str) -> bytes:
    """Decode piece by piece: a file of 25 MB in one would keep every other thread waiting for a tenth of a second."""
    found = bytearray()
    rest, ended = "", False
    for start in range(0, len(text), _PIECE):
        piece = rest + "".join(text[start : start + _PIECE].split())
        whole = len(piece) - len(piece) % 4
        if ended and piece:
            raise ValueError("more behind the end")
        ended = piece[:whole].endswith("=")
        found += b64decode(piece[:whole], validate=True)
        rest = piece[whole:]
        time.sleep(0)  # whoever waits goes first
    found += b64decode(rest, validate=True)
    return bytes(found)


def _unfit(where: str, expected: str) -> Refusal:
    return malformed(f"{where}: {expected} is expected.")
