"""The kinds of values that carriers are made of (wire/superoffice.md §3.2, §3.3, §4): their .NET names, and which is the unset value."""

from enum import Enum, IntEnum, IntFlag
from functools import cache
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, inspect

NEVER: Final = -62_135_596_800_000
"""The unset date, the first that .NET knows: 0001-01-01T00:00:00, whatever the time zone."""

Moment = Annotated[int, Meta(extra={"kind": "dateTime"})]
"""A date, in milliseconds since the epoch, or ``NEVER``."""

KindName = Literal["int", "boolean", "string", "dateTime", "base64Binary", "enum", "record", "list"]


class Carrier(Struct, kw_only=True, rename="pascal"):
    """An object of the CRM. Each has ``TableRight`` and ``FieldProperties`` on the wire: written as null and nothing, and never read."""


class Nothing(Struct, frozen=True):
    """No arguments."""


class Stream(Struct, frozen=True):
    """A file as an answer: its bytes, or their base64 for who asks for JSON or XML (§1.4)."""

    content: bytes


_PLAIN: Final[dict[type[inspect.Type], KindName]] = {
    inspect.BoolType: "boolean",
    inspect.IntType: "int",
    inspect.StrType: "string",
    inspect.BytesType: "base64Binary",
}


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of values."""

    name: KindName
    record: type[Struct] = Nothing
    """Of a ``record``."""
    chosen: type[IntEnum | IntFlag] = IntEnum
    """Of an ``enum``."""
    item: "Kind | None" = None
    """Of a ``list``."""

    @property
    def title(self) -> str:
        """The name of the type, as it stands in XML and in descriptions."""
        match self.name:
            case "record":
                return self.record.__name__
            case "enum":
                return self.chosen.__name__
            case "list" if self.item is not None:
                return f"ArrayOf{self.item.title[:1].upper()}{self.item.title[1:]}"
            case _:
                return self.name

    @property
    def unset(self) -> object:
        """The value of what was not chosen by ``$select``, as it stands in JSON: value types have one, all others null."""
        match self.name:
            case "int":
                return 0
            case "boolean":
                return False
            case "dateTime":
                return "0001-01-01T00:00:00"
            case "enum":
                return words(self.chosen(0))
            case _:
                return None


class Field(Struct, frozen=True):
    """One property of a carrier or a request."""

    attribute: str
    name: str
    """As it is written."""
    kind: Kind


def words(value: IntEnum | IntFlag) -> str:
    """Return the name of one of an enumeration; of flags all names, or that of none of them (§3.3)."""
    if isinstance(value, IntFlag) and value:
        return ", ".join(word(one) for one in value)
    return word(value)


def word(value: Enum) -> str:
    """Return the .NET name: ``NO_PRIORITY`` is NoPriority."""
    return value.name.title().replace("_", "")


def fields_of(record: type[Struct]) -> tuple[Field, ...]:
    """Return the properties of a record, in their order."""
    return _fields(record)


@cache
def _fields(record: type[Struct]) -> tuple[Field, ...]:
    described = inspect.type_info(record)
    assert isinstance(described, inspect.StructType)  # noqa: S101 - what type_info says of a Struct
    return tuple(Field(field.name, field.encode_name, _kind(field.type)) for field in described.fields)


@cache
def kind_of(annotation: Any) -> Kind:  # noqa: ANN401 - a type expression
    """Return the kind of the values of an annotation. Raises ``TypeError`` for what no carrier may hold."""
    return _kind(inspect.type_info(annotation))


def _kind(found: inspect.Type) -> Kind:
    match found:
        case inspect.Metadata(extra={"kind": "dateTime"}):
            return Kind(name="dateTime")
        case inspect.UnionType(types=types):
            (inner,) = [one for one in types if not isinstance(one, inspect.NoneType)]
            return _kind(inner)
        case inspect.StructType(cls=record):
            return Kind(name="record", record=record)
        case inspect.ListType(item_type=item):
            return Kind(name="list", item=_kind(item))
        case inspect.EnumType(cls=chosen) if issubclass(chosen, IntEnum | IntFlag):
            return Kind(name="enum", chosen=chosen)
        case inspect.BoolType() | inspect.IntType() | inspect.StrType() | inspect.BytesType():
            return Kind(name=_PLAIN[type(found)])
        case _:
            raise TypeError(f"no carrier can hold this: {found}")
