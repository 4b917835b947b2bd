"""What a GET answers (wire/superoffice.md §1.3): the version, the map of methods, the state of a tenant, and a method in words.

The original publishes no form of the last; ours names the verb, what it does, and the types of request and result.
"""

from collections.abc import Collection, Mapping
from html import escape
from typing import Any, Final

import msgspec

from postroom import __version__
from postroom.dialects.superoffice.errors import framework
from postroom.dialects.superoffice.operation import Method
from postroom.dialects.superoffice.routing import Found
from postroom.dialects.superoffice.wire_types import Kind, Nothing, Stream, fields_of, kind_of

HTML: Final = "text/html; charset=utf-8"

_NOT_SERVED: Final = "Not served here."


def describe(
    found: Found, base: str, methods: Mapping[str, Method[Any]], tenants: Collection[str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the description of what is at a path. Raises ``Refusal`` 404 for an unknown method or tenant."""
    match found.place:
        case "version":
            return {"v1": f"{base}/api/v1", "Version": "v1", "NetServer": f"Postroom {__version__}", "NetServerVersion": __version__}
        case "methods":
            return {f"{base}/api/v1/Agents/EMail/{name}": {"POST": _summary(methods.get(name))} for name in names.values()}
        case "state":
            return _state(found.name, base, tenants)
        case _:
            name = names.get(found.name.lower())
            if name is None:
                raise framework(404, "No HTTP resource was found that matches the request URI.")
            return _method(name, methods.get(name))


def written(shown: dict[str, Any], *, as_html: bool) -> bytes:
    """Return a description in JSON, or as a page."""
    content = msgspec.json.encode(shown)
    if not as_html:
        return content
    text = escape(msgspec.json.format(content, indent=2).decode())
    return f"<!DOCTYPE html><title>SuperOffice WebAPI</title><pre>{text}</pre>".encode()


def result_name(declared: Any) -> str:  # noqa: ANN401 - a type expression
    """Return the name of the type of a result, as the contract writes it."""
    if declared is None:
        return "204"
    if declared is Stream:
        return "binary"
    return type_name(kind_of(declared))


def type_name(kind: Kind) -> str:
    """Return the name of a type, as the contract writes it: bool, int[], EMailEntity."""
    if kind.item is not None:
        return f"{type_name(kind.item)}[]"
    return {"boolean": "bool", "base64Binary": "base64", "dateTime": "date-time"}.get(kind.title, kind.title)


def _summary(method: Method[Any] | None) -> str:
    if method is None:
        return _NOT_SERVED
    given = "&".join(f"{field.name}={{{field.name}}}" for field in fields_of(method.request)) if method.place == "query" else ""
    return f"?{given}   {method.summary}" if given else method.summary


def _state(tenant: str, base: str, tenants: Collection[str]) -> dict[str, Any]:
    if tenant.lower() not in tenants:
        raise framework(404, "There is no such tenant.")
    return {
        "ContextIdentifier": tenant,
        "Endpoint": base,
        "State": "Running",
        "IsRunning": True,
        "Api": f"{base}/{tenant}/api",
        "Version": __version__,
    }


def _method(name: str, method: Method[Any] | None) -> dict[str, Any]:
    if method is None:
        return {"Method": name, "Verb": "POST", "Description": _NOT_SERVED, "Served": False}
    return {
        "Method": name,
        "Verb": "POST",
        "Description": method.summary,
        "Served": True,
        "Request": None if method.request is Nothing else {field.name: type_name(field.kind) for field in fields_of(method.request)},
        "Result": result_name(method.result),
    }
