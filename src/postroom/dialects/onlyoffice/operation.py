"""An operation of the interface, declared once: routing, binding, the envelope and the OpenAPI document come from here.

A handler is a function ``async (call, given)``; its docstring is the summary (first line) and description (the rest). What it returns
stands in ``response``: a record, a number, a text, a list or a ``Listing``, or ``None`` for a call that answers nothing.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct, structs

from postroom.dialects.onlyoffice.call import Call

G = TypeVar("G", bound=Struct)

Verb = Literal["GET", "POST", "PUT", "DELETE"]

PARAMETER: Final = re.compile(r"\{(\w+)(?::([^{}]+))?\}")
"""A parameter in a path, and the pattern that it has to fit."""


class Nothing(Struct, frozen=True):
    """No parameters."""


class Operation(Struct, Generic[G], frozen=True, kw_only=True, eq=False):
    """One verb at one path."""

    verb: Verb
    path: str
    """Below the mount, such as ``/mail/messages/{id:[0-9]+}``; ``{name}`` alone fits anything but a slash."""
    name: str
    """``operationId`` of the document."""
    summary: str
    description: str
    given: type[G]
    """What is read from path, query and body (``binder``)."""
    result: Any
    """Type of what stands in ``response``; ``None``: nothing."""
    public: bool
    """Anybody may call, known or not."""
    takes_file: bool
    """The body is a file, which the handler receives itself (``uploads``): parameters are in path and query only."""
    handler: Callable[[Call, G], Awaitable[object]]

    @property
    def plain_path(self) -> str:
        """The path with nothing but names in its braces."""
        return PARAMETER.sub(r"{\1}", self.path)


Operations = tuple[Operation[Any], ...]


def operation(
    verb: Verb, path: str, given: type[G], *, result: object, public: bool = False, takes_file: bool = False
) -> Callable[[Callable[[Call, G], Awaitable[object]]], Operation[G]]:
    """Turn a handler into an ``Operation``. Raises ``TypeError`` for a field that neither the path nor a default gives a value."""
    in_path = {name.lower() for name, _ in PARAMETER.findall(path)}
    known = {field.encode_name.lower(): field.required for field in structs.fields(given)}
    if not in_path <= known.keys() or any(required for name, required in known.items() if name not in in_path):
        raise TypeError(f"{verb} {path} and {given.__name__} do not fit together")

    def declare(handler: Callable[[Call, G], Awaitable[object]]) -> Operation[G]:
        summary, _, description = (inspect.getdoc(handler) or "").partition("\n")
        return Operation(
            verb=verb,
            path=path,
            name=handler.__name__,
            summary=summary,
            description=description.strip(),
            given=given,
            result=result,
            public=public,
            takes_file=takes_file,
            handler=handler,
        )

    return declare
