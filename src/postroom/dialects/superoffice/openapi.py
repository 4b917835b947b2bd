"""The OpenAPI 3.1 document of the interface, made from the methods and their carriers (wire/superoffice.md §1.3).

Unlike the published one it says what may be null, that dates carry no offset unless one is asked for, and which methods are not served.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from postroom import __version__
from postroom.dialects.superoffice.operation import NAMES, Method, Methods
from postroom.dialects.superoffice.wire_types import Carrier, Kind, Nothing, Stream, fields_of, kind_of, word

_MEDIA_TYPES: Final = ("application/json", "application/xml", "application/x-www-form-urlencoded")
_SECURITY: Final = {
    "Password": {"type": "http", "scheme": "basic"},
    "Ticket": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "SOTicket, a space, and the ticket."},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
_SIMPLE: Final[dict[str, dict[str, Any]]] = {
    "int": {"type": "integer", "format": "int32"},
    "boolean": {"type": "boolean"},
    "string": {"type": ["string", "null"]},
    "dateTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"},
    "base64Binary": {"type": ["string", "null"], "contentEncoding": "base64"},
}
_ERRORS: Final = {
    "400": "It cannot be read, or a value breaks a rule.",
    "401": "Nobody known is calling.",
    "403": "Not for this person.",
    "404": "There is no such thing.",
    "409": "It cannot be done now.",
    "413": "The request is too long.",
    "415": "The media type is not read here.",
    "421": "There is no such tenant.",
    "429": "Too many requests, or tries of a password.",
    "501": "Not served here.",
    "502": "A mail server refused.",
    "503": "Not now: the store is away.",
}
_ERROR: Final = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("Message", "MessageDetail", "ErrorType", "ErrorMessage", "ErrorSource")},
        "Error": {"const": True},
    },
}


def document(methods: Methods) -> bytes:
    """Return the document of these methods, and of those that are not served, in JSON."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    served = {one.name: one for one in methods}
    paths = {f"/api/v1/Agents/EMail/{name}": {"post": _described(name, served.get(name), schemas)} for name in NAMES}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Postroom", "version": __version__, "summary": "The e-mail agent of the SuperOffice WebAPI."},
            "servers": [{"url": "/"}],
            "security": [{name: []} for name in _SECURITY],
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        }
    )


def _described(name: str, method: Method[Any] | None, schemas: dict[str, Any]) -> dict[str, Any]:
    refusals = {status: _answer(what, {"$ref": "#/components/schemas/Error"}) for status, what in _ERRORS.items()}
    if method is None:
        return {"operationId": name, "summary": "Not served here.", "responses": refusals}
    parameters = [{"name": "$select", "in": "query", "schema": {"type": "string"}}] if not name.startswith("CreateDefault") else []
    described: dict[str, Any] = {"operationId": name, "summary": method.summary, "parameters": parameters}
    if method.place == "query":
        parameters += [{"name": one.name, "in": "query", "schema": _schema(one.kind, schemas)} for one in fields_of(method.request)]
    elif method.request is not Nothing:
        schema = _reference(method.request, schemas)
        described["requestBody"] = {"required": True, "content": {media_type: {"schema": schema} for media_type in _MEDIA_TYPES}}
    return described | {"responses": _success(method.result, schemas) | refusals}


def _success(result: Any, schemas: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a type expression
    if result is None:
        return {"204": {"description": "Done."}}
    if result is Stream:
        answer = _answer("The file.", _SIMPLE["base64Binary"])
        answer["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
        return {"200": answer}
    schema = _schema(kind_of(result), schemas)
    return {"200": _answer("Done; null: nothing was found.", schema)}


def _answer(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _schema(kind: Kind, schemas: dict[str, Any]) -> dict[str, Any]:
    match kind.name:
        case "record":
            return {"anyOf": [_reference(kind.record, schemas), {"type": "null"}]}
        case "list" if kind.item is not None:
            return {"type": ["array", "null"], "items": _schema(kind.item, schemas)}
        case "enum":
            return {"type": "string", "description": ", ".join(word(one) for one in kind.chosen.__members__.values())}
        case _:
            return _SIMPLE[kind.name]


def _reference(record: type[Struct], schemas: dict[str, Any]) -> dict[str, Any]:
    name = record.__name__
    if name not in schemas:
        schemas[name] = {}  # one that holds itself must find it
        properties = {field.name: _schema(field.kind, schemas) for field in fields_of(record)}
        if issubclass(record, Carrier):
            properties |= {"TableRight": {"type": ["object", "null"]}, "FieldProperties": {"type": ["object", "null"]}}
        schemas[name] = {"type": "object", "properties": properties}
    return {"$ref": f"#/components/schemas/{name}"}
