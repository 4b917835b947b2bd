"""The OpenAPI 3.1 document of the interface, made from its operations. The original has none of its own."""

import json
from typing import Any, Final

import msgspec

from postroom import __version__
from postroom.dialects.onlyoffice.envelope import Failure
from postroom.dialects.onlyoffice.operation import PARAMETER, Operation, Operations

_REFERENCE: Final = "#/components/schemas/{name}"
_MEDIA_TYPES: Final = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/xml")

_ERRORS: Final = {
    "400": "What came breaks a rule.",
    "403": "It cannot be done now, or not by this person.",
    "404": "There is no such thing, or it is not the caller's.",
    "413": "The body is too long.",
    "500": "As the original: a login that failed, and what its programs wait for.",
    "503": "Not now: too many requests, or the store is away.",
}

_SECURITY: Final = {
    "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "The token alone."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "asc_auth_key"},
    "query": {"type": "apiKey", "in": "query", "name": "asc_auth_key"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def document(operations: Operations) -> bytes:
    """Return the document of these operations, in JSON."""
    types = [Failure, *(one.given for one in operations), *(one.result for one in operations)]
    (error, *schemas), components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation, given, result in zip(operations, schemas, schemas[len(operations) :], strict=False):
        properties = components[given["$ref"].rpartition("/")[2]].get("properties", {})
        described = _described(operation, properties) | _answers(operation, result, error)
        paths.setdefault(operation.plain_path, {})[operation.verb.lower()] = described
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Postroom", "version": __version__, "summary": "The mail of ONLYOFFICE Workspace."},
            "servers": [{"url": "/api/2.0"}],
            "security": [{name: []} for name in _SECURITY],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": _SECURITY},
        },
        indent=1,
    ).encode()


def _described(operation: Operation[Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Describe what an operation takes: what is not in the path is in the query, or in the body of what has one."""
    patterns = {name.lower(): pattern for name, pattern in PARAMETER.findall(operation.path)}
    rest = {name: schema for name, schema in properties.items() if name.lower() not in patterns}
    named = [_parameter(name, "path", schema, patterns[name.lower()]) for name, schema in properties.items() if name.lower() in patterns]
    has_body = operation.verb in {"POST", "PUT"} and not operation.takes_file
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": named if has_body else [*named, *(_parameter(name, "query", schema) for name, schema in rest.items())],
    }
    if operation.description:
        described["description"] = operation.description
    if operation.public:
        described["security"] = []
    if operation.takes_file:
        described["requestBody"] = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
    elif has_body and rest:
        described["requestBody"] = {"content": {name: {"schema": {"type": "object", "properties": rest}} for name in _MEDIA_TYPES}}
    return described


def _parameter(name: str, place: str, schema: dict[str, Any], pattern: str = "") -> dict[str, Any]:
    """Describe a parameter; a pattern goes for what stands in the path, as text."""
    kind = {"type": "string", "pattern": f"^(?:{pattern})$"} if pattern else schema
    return {"name": name, "in": place, "required": place == "path", "schema": kind}


def _answers(operation: Operation[Any], result: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    number = {"type": "integer"}
    response = {"type": "object"} if operation.result is None else result
    properties = {**dict.fromkeys(("count", "startIndex", "nextIndex", "total", "status", "statusCode"), number), "response": response}
    success = {"type": "object", "properties": properties, "required": ["status", "statusCode", "response"]}
    refusals = {status: {"description": text, "content": {"application/json": {"schema": error}}} for status, text in _ERRORS.items()}
    return {
        "responses": {
            "201" if operation.verb == "POST" else "200": {"description": "Done.", "content": {"application/json": {"schema": success}}},
            "401": {"description": "Nobody known is calling.", "content": {"text/plain": {"schema": {"const": "Unauthorized"}}}},
            **refusals,
        }
    }
