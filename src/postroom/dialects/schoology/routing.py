"""From a path to the operations there, and from text to their parameters.

What a query names beyond the parameters of the operation is ignored, and of a repeated name the last counts: clients send
``limit`` with every request, whether it means something there or not (wire/schoology.md §5.2).
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from postroom.dialects.operation import Operation, Verbs, by_path
from postroom.dialects.schoology import errors


class Found(Struct, frozen=True):
    """What is at a path."""

    verbs: Verbs
    values: dict[str, str]
    """Parameters of the path."""

    @property
    def allowed(self) -> list[str]:
        """The methods that the path has, for the header ``Allow``."""
        return [*self.verbs, *(["HEAD"] if "GET" in self.verbs else []), "OPTIONS"]

    def operation(self, verb: str) -> Operation[Any, Any, Any]:
        """Return the operation of a method; HEAD is GET. Raises ``SchoologyError`` (405)."""
        found = self.verbs.get("GET" if verb == "HEAD" else verb)
        if found is None:
            raise errors.wrong_verb(self.allowed)
        return found


class Table:
    """Every path. Where several fit, one with fewer parameters goes first, then one whose parameters are digits."""

    def __init__(self, operations: Iterable[Operation[Any, Any, Any]]) -> None:
        paths = by_path(operations)
        ordered = sorted(paths, key=lambda path: (path.count("{"), path.count("{") - path.count(":int}")))
        self._routes = [(_pattern(path), paths[path]) for path in ordered]

    def find(self, path: str) -> Found:
        """Return what is at a path. Raises ``SchoologyError`` (404)."""
        for pattern, verbs in self._routes:
            if fits := pattern.fullmatch(path):
                return Found(verbs, fits.groupdict())
        raise errors.not_found()


def parameters(operation: Operation[Any, Any, Any], in_path: dict[str, str], query: Iterable[tuple[str, str]]) -> Any:  # noqa: ANN401 - the record that the operation declares
    """Read the parameters of an operation. Raises ``SchoologyError``: 404 for what cannot stand in the path, 400 in the query."""
    known = operation.parameters.__struct_encode_fields__
    values = {name: value for name, value in query if name in known} | in_path
    try:
        return msgspec.convert(values, operation.parameters, strict=False)
    except msgspec.ValidationError as error:
        what, name = misfit(error)
        if name in in_path:
            raise errors.not_found() from None
        raise errors.invalid(f"{name}: {what}") from None


def misfit(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return what is wrong, and with which value: ``Expected `int` <= 9 - at `$.limit` `` is about ``limit``."""
    what, _, where = str(error).partition(" - at `$.")
    return f"{what[:1].lower()}{what[1:]}", where.rstrip("`") or "body"


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", re.sub(r"\{(\w+):int\}", r"(?P<\1>[0-9]+)", path)))
