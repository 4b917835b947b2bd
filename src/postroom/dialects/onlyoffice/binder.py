"""Reads the record that an operation declares out of the names that came (wire/onlyoffice.md §1a.4), by the rules of .NET.

A record is a ``Struct`` with a default for each field, which an absent or empty value leaves. Its fields may be texts, numbers, truth
values, enumerations, the types below, records, and lists of any of these. Every value was text once: ``"5"`` is a number,
``"true"`` a truth value, whoever sent it.

Where the original loses data we do better (§8.1 to 8.5): lists of objects are found in any case of letters, wrapped in ``value`` as the
documentation shows them, as one object, and as JSON in a text.
"""

import re
from collections.abc import Callable
from datetime import tzinfo
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct, inspect

from postroom.dialects.onlyoffice import dates
from postroom.dialects.onlyoffice.errors import ARGUMENT, FORMAT, OVERFLOW, ApiError
from postroom.dialects.onlyoffice.names import Names, Node

Long = Annotated[int, Meta(extra={"reads": "Int64"}, extra_json_schema={"format": "int64"})]
"""A number of 64 bits; a plain ``int`` has 32."""
Moment = Annotated[int, Meta(extra={"reads": "DateTime"}, extra_json_schema={"type": "string", "format": "date-time"})]
"""A date (§3.5), in milliseconds since the epoch."""
Wrapped = Annotated[bool, Meta(extra={"reads": "Wrapped"}, extra_json_schema={"readOnly": True})]
"""Whether an object came inside ``value``; never read from what came."""

R = TypeVar("R", bound=Struct)

_Convert = Callable[[str, tzinfo], Any]
"""A text → the value; ``None`` for an empty one that stands for the default."""
_Read = Callable[[Node, tzinfo], Any]
"""What stands at a name → the value; ``None`` where the default is to stay."""

_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]+)")
_BLANKS: Final = " \t\n\v\f\r"
_NONE: Final = "[]"
"""A list without numbers as JSON in a text, as the original's automatic replies write their lists."""


class _Field(Struct, frozen=True):
    attribute: str
    name: str
    """In small letters."""
    read: _Read | None
    """``None``: set by whoever reads the list."""


def bind(node: Node, record: type[R], zone: tzinfo) -> R:
    """Read a record. Raises ``ApiError`` 400 with the text of the converter (§1a.5 row 0c)."""
    return _record(node, False, record, zone)


def _record(node: Node, wrapped: bool, record: type[R], zone: tzinfo) -> R:  # noqa: FBT001 - as _unwrapped returns them
    values: dict[str, object] = {}
    for field in _fields(record):
        value = wrapped if field.read is None else field.read(node.at(field.name), zone)
        if value is not None:
            values[field.attribute] = value
    return record(**values)


@cache
def _fields(record: type[Struct]) -> tuple[_Field, ...]:
    described = inspect.type_info(record)
    assert isinstance(described, inspect.StructType)  # noqa: S101 - what type_info says of a Struct
    return tuple(_Field(field.name, field.encode_name.lower(), _reader(field.type)) for field in described.fields)


def _reader(kind: inspect.Type) -> _Read | None:
    """Return what reads values of one kind. Raises ``TypeError`` for a kind that no record may have."""
    match kind:
        case inspect.Metadata(extra={"reads": "Wrapped"}):
            return None
        case inspect.UnionType(types=types):
            (inner,) = [one for one in types if not isinstance(one, inspect.NoneType)]
            return _reader(inner)
        case inspect.StructType(cls=record):
            return lambda node, zone: next(iter(_records(node, record, zone)), None)
        case inspect.ListType(item_type=inspect.StructType(cls=record)):
            return lambda node, zone: _records(node, record, zone) or None
        case inspect.ListType(item_type=item):
            convert = _converter(item)
            none = None if isinstance(item, inspect.StrType) else _NONE
            return lambda node, zone: [v for text in _texts(node) if text != none and (v := convert(text, zone)) is not None] or None
        case _:
            convert = _converter(kind)
            return lambda node, zone: convert(node.values[0], zone) if node.values else None


def _texts(node: Node) -> list[str]:
    """Return the values of a list in any spelling: ``to``, ``to[]``, ``to[0]``."""
    return [*node.values, *(value for inner in node.indexed() for value in inner.values)]


def _records(node: Node, record: type[R], zone: tzinfo) -> list[R]:
    """Read the objects of a list in any spelling: ``x[0][y]``, ``x[y]``, or JSON in a text; what is no object is left out."""
    found = [node] if node.named() else []
    found += node.indexed()
    for text in node.values:
        found += _in_text(text)
    return [_record(*_unwrapped(one), record, zone) for one in found if one.below]


def _in_text(text: str) -> list[Node]:
    """Return the objects of a text in JSON; none if it is not JSON."""
    inner = Names()
    try:
        inner.add_json_list(text)
    except ApiError:
        return []
    return [inner.root] if inner.root.named() else inner.root.indexed()


def _unwrapped(node: Node) -> tuple[Node, bool]:
    """Return what is inside ``value`` where there is nothing else, and whether it was."""
    inner = node.below.get("value")
    return (inner, True) if inner is not None and inner.below and len(node.below) == 1 else (node, False)


def _converter(kind: inspect.Type) -> _Convert:
    """Return the converter of one kind. Raises ``TypeError`` for a kind that no record may have."""
    convert: _Convert
    match kind:
        case inspect.StrType():
            convert = lambda text, _zone: text  # noqa: E731 - one of seven in a row
        case inspect.IntType():
            convert = lambda text, _zone: _integer(text, 32)  # noqa: E731 - as above
        case inspect.Metadata(extra={"reads": "Int64"}):
            convert = lambda text, _zone: _integer(text, 64)  # noqa: E731 - as above
        case inspect.Metadata(extra={"reads": "DateTime"}):
            convert = _moment
        case inspect.Metadata(type=inner):
            convert = _converter(inner)
        case inspect.BoolType():
            convert = lambda text, _zone: _truth(text)  # noqa: E731 - as above
        case inspect.EnumType(cls=chosen):
            convert = lambda text, _zone: _chosen(text, chosen)  # noqa: E731 - as above
        case _:
            raise TypeError(f"nothing of this kind can be read: {kind}")
    return convert


def _integer(text: str, bits: int) -> int | None:
    if not text:
        return None
    found = _INTEGER.fullmatch(text.strip(_BLANKS))
    if found is None:
        raise ApiError(400, "Input string was not in a correct format.", FORMAT)
    value = int(found[1] + found[2][:20])  # the first twenty digits of a longer one are too many, too
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ApiError(400, f"Value was either too large or too small for an Int{bits}.", OVERFLOW)
    return value


def _truth(text: str) -> bool | None:
    if not text:
        return None
    match text.strip(_BLANKS).lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ApiError(400, "String was not recognized as a valid Boolean.", FORMAT)


def _chosen(text: str, chosen: type[Enum]) -> Enum | None:
    """Read one of an enumeration of numbers, by its number or its name."""
    if not text:
        return None
    wanted = text.strip(_BLANKS).lower()
    for one in chosen:
        if wanted in {str(one.value), one.name.lower()}:
            return one
    raise ApiError(400, f"Requested value '{text}' was not found.", ARGUMENT)


def _moment(text: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    try:
        return dates.read(text, zone)
    except (ValueError, OverflowError):
        raise ApiError(400, "String was not recognized as a valid DateTime.", FORMAT) from None
