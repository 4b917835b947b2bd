"""Kinds of arguments of the USOS API, and how a request's parameters become a record of them (wire/usos.md §1.4, §3.3, §7)."""

import re
from collections.abc import Callable, Mapping, Sized
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import astuple

from postroom.dialects.endpoint import Argument, ObjectType
from postroom.dialects.parameters import Pairs
from postroom.dialects.usos import errors, selectors
from postroom.directory.values import LARGEST_ID
from postroom.storage.blobs import BlobWriter

G = TypeVar("G", bound=Struct)
C = TypeVar("C", bound=Sized)

NOWHERE: Final = -1
"""The number of no object: what a malformed or impossible ID stands for, so that it is not found like any other unknown one."""

_ID: Final = re.compile(r"[1-9][0-9]{0,9}")
_DIGITS: Final = re.compile(r"[0-9]{1,6}")


class Upload(Struct, frozen=True, kw_only=True, eq=False):
    """A received file, not yet committed to the blob store."""

    filename: str | None
    content_type: str | None
    blob: BlobWriter


def text(description: str, limit: int, *, default: str | None = None, required: bool = False) -> Argument:
    """Declare a text of at most ``limit`` characters."""
    return Argument(parse=_limited(limit), type="string", description=description, limit=limit, default=default, required=required)


def matching(description: str, pattern: str, limit: int) -> Argument:
    """Declare an optional text of a given form."""

    def parse(value: str) -> str:
        if not re.fullmatch(pattern, _limited(limit)(value)):
            raise ValueError(f"it must match ^{pattern}$")
        return value

    return Argument(parse=parse, type="string", description=description, limit=limit)


def identifier(description: str) -> Argument:
    """Declare the required ID of one object; the value is its number."""
    return Argument(parse=number, type="ID", description=description, required=True)


def identifier_or_null(description: str, *, default: str | None = None) -> Argument:
    """Declare an optional ID where the empty string means null; the value is 0 for null, ``None`` when absent without a default."""
    return Argument(parse=lambda value: number(value) if value else 0, type="ID or null", description=description, default=default)


def identifiers(description: str, *, required: bool = False, most: int | None = None, default: str | None = None) -> Argument:
    """Declare a list of IDs, at most so many; the value maps each, as it was written, to its number."""
    parse = _at_most(_numbers, most)
    return Argument(parse=parse, type="list of IDs", description=description, required=required, many=True, default=default)


def texts(description: str, *, required: bool = False, most: int | None = None, default: str | None = None) -> Argument:
    """Declare a list of strings, at most so many."""
    parse = _at_most(_listed, most)
    return Argument(parse=parse, type="list", description=description, required=required, many=True, default=default)


def whole_number(description: str, least: int, most: int, *, default: str) -> Argument:
    """Declare a whole number between two others, these included."""

    def parse(value: str) -> int:
        if not _DIGITS.fullmatch(value) or not least <= int(value) <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return int(value)

    return Argument(parse=parse, type="int", description=description, default=default)


def json(description: str) -> Argument:
    """Declare a required text in JSON, which the handler decodes: what is in it depends on the method."""
    return Argument(parse=str, type="JSON", description=description, required=True)


def boolean(description: str, *, default: str | None = None) -> Argument:
    """Declare a truth value: true or false, in any case (Python clients send True)."""
    return Argument(parse=_boolean, type="bool", description=description, default=default)


def days(description: str, *, default: str | None = None) -> Argument:
    """Declare a number of days."""
    return Argument(parse=_days, type="int", description=description, default=default)


def choice(description: str, values: tuple[str, ...], *, default: str | None = None) -> Argument:
    """Declare one of several words."""
    return Argument(parse=_one_of(values), type=" | ".join(values), description=description, default=default)


def choices(description: str, values: tuple[str, ...]) -> Argument:
    """Declare an optional list out of several words; the value is a set."""
    one = _one_of(values)
    return Argument(
        parse=lambda value: frozenset(map(one, _listed(value))), type=f"list of {' | '.join(values)}", description=description, many=True
    )


def language(description: str) -> Argument:
    """Declare the language of a mail: a language tag such as pl-PL counts by its first two letters (§7)."""
    one = _one_of(("pl", "en"))
    return Argument(parse=lambda value: one(_tag(value)), type="pl | en", description=description, default="pl")


def selector(kind: ObjectType[Any], *, default: str | None = None, only_primary: bool = False) -> Argument:
    """Declare the selector of result fields, required unless it has a default."""
    allowed = "any subset of the primary fields" if only_primary else "any subset of the fields"
    return Argument(
        parse=lambda value: selectors.parse(value, kind, only_primary=only_primary),
        type="selector",
        description=f"Result fields wanted: {allowed} that are listed in the returns section.",
        required=default is None,
        default=default,
    )


def file(description: str) -> Argument:
    """Declare an uploaded file; the value is an ``Upload``."""
    return Argument(parse=_no_file, type="file", description=description, required=True, file=True)


def read(given: type[G], arguments: Mapping[str, Argument], pairs: Pairs, method: str, upload: Upload | None = None) -> G:
    """Make the record of a method's arguments out of the distinct pairs of a request; unknown parameters are ignored.

    Raises ``UsosError``: param_missing, param_invalid, and what is wrong with a selector.
    """
    came: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in arguments:
            came.setdefault(name, []).append(value)
    values: dict[str, object] = {}
    for name, argument in arguments.items():
        if argument.file:
            values[name] = upload if upload is not None else _absent(name, argument)
        else:
            values[name] = _value(name, argument, came.get(name), method)
    return given(**values)


def check_reserved(given: Struct, method: str) -> None:
    """Refuse fields that only administrative consumers may choose. Raises ``UsosError``."""
    for value in astuple(given):
        reserved = value.reserved(method) if isinstance(value, selectors.Selection) else None
        if reserved is not None:
            raise errors.field_forbidden(*reserved, "trusted_required")


def number(value: str) -> int:
    """Read an ID; ``NOWHERE`` for one that no object can have (they are digit strings below 2^31, without leading zeros)."""
    return int(value) if _ID.fullmatch(value) and int(value) <= LARGEST_ID else NOWHERE


def _value(name: str, argument: Argument, came: list[str] | None, method: str) -> object:
    if came is None:
        return _absent(name, argument)
    if len(came) > 1 and not argument.many:
        raise errors.param_invalid(name, "it was given more than once, with different values")
    try:
        return argument.parse("|".join(came))
    except ValueError as error:
        raise errors.param_invalid(name, str(error)) from None
    except selectors.UnknownField as error:
        raise errors.field_not_found(error.field, error.method or method) from None
    except selectors.InvalidField as error:
        raise errors.field_invalid(error.field, error.method or method, error.why) from None


def _absent(name: str, argument: Argument) -> object:
    if argument.required:
        raise errors.param_missing(name)
    return None if argument.default is None else argument.parse(argument.default)


def _limited(limit: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if len(value) > limit:
            raise ValueError(f"longer than {limit} characters")
        return value

    return parse


def _at_most(parse: Callable[[str], C], most: int | None) -> Callable[[str], C]:
    def bounded(value: str) -> C:
        found = parse(value)
        if most is not None and len(found) > most:
            raise ValueError(f"more than {most} elements")
        return found

    return bounded


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in values:
            raise ValueError(f"it must be one of: {', '.join(values)}")
        return value

    return parse


def _listed(value: str) -> list[str]:
    """Split a pipe-separated list; empty elements are dropped, so the empty string is the empty list (§7)."""
    return [part for part in value.split("|") if part]


def _numbers(value: str) -> dict[str, int]:
    return {part: number(part) for part in _listed(value)}


def _boolean(value: str) -> bool:
    match value.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ValueError("it must be true or false")


def _days(value: str) -> int:
    if not _DIGITS.fullmatch(value):
        raise ValueError("it must be a number of days")
    return int(value)


def _tag(value: str) -> str:
    return value[:2].lower() if re.fullmatch(r"[A-Za-z]{2}([-_][A-Za-z0-9_-]*)?", value) else value


def _no_file(_: str) -> Literal[False]:
    raise ValueError("it must be uploaded as a file")
