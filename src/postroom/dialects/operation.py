"""An operation of an interface, declared once: routing, checking and the OpenAPI document come from here.

A handler is a function ``async (call, parameters, body)``; its docstring is the summary (first line) and description (the rest).
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct

C = TypeVar("C")
P = TypeVar("P", bound=Struct)
B = TypeVar("B")

Verb = Literal["GET", "PUT", "POST", "DELETE"]

_NAME: Final = re.compile(r"\{([a-z_]+)(:int)?\}")


class Answer(Struct, frozen=True):
    """What a handler answers: a status, and an object, or a text, or nothing."""

    status: int
    content: Struct | str | None = None
    headers: Mapping[str, str] = {}


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Operation(Struct, Generic[C, P, B], frozen=True, kw_only=True, eq=False):
    """One verb at one path; ``C`` is the dialect's record of a call."""

    verb: Verb
    path: str
    """Below the mount; names in braces are parameters, and those that end in ``:int`` fit digits only."""
    name: str
    """``operationId`` of the document."""
    summary: str
    description: str
    parameters: type[P]
    """Those of the path and of the query; read from text."""
    body: type[B] | None
    """A record that an object is read into; ``bytes``: no object; ``None``: the body is not read."""
    answers: Mapping[int, type[Struct] | None]
    errors: Mapping[int, str]
    """Statuses of its own errors, and what each is for."""
    handler: Callable[[C, P, B], Awaitable[Answer]]

    @property
    def in_path(self) -> frozenset[str]:
        """Names of the parameters that stand in the path."""
        return frozenset(name for name, _ in _NAME.findall(self.path))

    @property
    def plain_path(self) -> str:
        """The path with nothing but names in its braces."""
        return _NAME.sub(r"{\1}", self.path)


Operations = tuple[Operation[Any, Any, Any], ...]
Verbs = Mapping[str, Operation[Any, Any, Any]]
"""The operations of one path."""


def operation(
    verb: Verb,
    path: str,
    *,
    parameters: type[P],
    answers: Mapping[int, type[Struct] | None],
    body: type[B] | None = None,
    errors: Mapping[int, str] | None = None,
) -> Callable[[Callable[[C, P, B], Awaitable[Answer]]], Operation[C, P, B]]:
    """Turn a handler into an ``Operation``."""

    def declare(handler: Callable[[C, P, B], Awaitable[Answer]]) -> Operation[C, P, B]:
        summary, _, description = (inspect.getdoc(handler) or "").partition("\n")
        return Operation(
            verb=verb,
            path=path,
            name=handler.__name__,
            summary=summary,
            description=description.strip(),
            parameters=parameters,
            body=body,
            answers=answers,
            errors=errors or {},
            handler=handler,
        )

    return declare


def by_path(operations: Iterable[Operation[Any, Any, Any]]) -> dict[str, Verbs]:
    """Group operations by their paths, in the order in which they come."""
    paths: dict[str, dict[str, Operation[Any, Any, Any]]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.verb] = one
    return dict(paths)
