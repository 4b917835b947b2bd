"""An operation of the interface, declared once: routing, checking and the OpenAPI document come from here."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from postroom.dialects.postroom.errors import ErrorCode
from postroom.storage.store import Store

P = TypeVar("P", bound=Struct)
B = TypeVar("B")

Verb = Literal["GET", "PUT", "POST", "DELETE"]


class Call(Struct, frozen=True):
    """What a handler knows of the call beside its parameters and body."""

    store: Store
    now: int
    """Milliseconds since the epoch."""


class Answer(Struct, frozen=True):
    """What a handler answers: a status and an object, or nothing."""

    status: int
    content: Struct | None = None


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Operation(Struct, Generic[P, B], frozen=True, kw_only=True, eq=False):
    """One verb at one path."""

    verb: Verb
    path: str
    """Below the mount; names in braces are parameters, and the last may hold slashes."""
    name: str
    """``operationId`` of the document."""
    summary: str
    description: str
    parameters: type[P]
    """Those of the path and of the query; read from text."""
    body: type[B] | None
    """A record that JSON is read into; ``bytes`` for CSV; ``None``: the body is not read."""
    answers: Mapping[int, type[Struct] | None]
    errors: tuple[ErrorCode, ...]
    handler: Callable[[Call, P, B], Awaitable[Answer]]


def operation(
    verb: Verb,
    path: str,
    *,
    parameters: type[P],
    answers: Mapping[int, type[Struct] | None],
    body: type[B] | None = None,
    errors: tuple[ErrorCode, ...] = (),
) -> Callable[[Callable[[Call, P, B], Awaitable[Answer]]], Operation[P, B]]:
    """Turn a handler into an ``Operation``; its docstring is the summary (first line) and description (the rest)."""

    def declare(handler: Callable[[Call, P, B], Awaitable[Answer]]) -> Operation[P, B]:
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
            errors=errors,
            handler=handler,
        )

    return declare


Operations = tuple[Operation[Any, Any], ...]
