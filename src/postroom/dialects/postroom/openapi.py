"""The OpenAPI 3.1 document of the interface, made from its operations."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from postroom import __version__
from postroom.dialects.postroom.errors import STATUSES, ErrorBody, ErrorCode
from postroom.dialects.postroom.operation import Operation, Operations

_REFERENCE: Final = "#/components/schemas/{name}"
_ALWAYS: Final[tuple[ErrorCode, ...]] = ("unauthenticated", "administrative_required", "unavailable")
_PHRASES: Final = {200: "Done.", 201: "Done; it is new.", 204: "Done."}


def document(operations: Operations) -> dict[str, Any]:
    """Return the document of these operations."""
    records = _records(operations)
    _, schemas = msgspec.json.schema_components(records, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroom", "version": __version__, "summary": "What looks after an installation of Postroom."},
        "servers": [{"url": "/postroom/v1"}],
        "security": [{"client": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "client": {"type": "http", "scheme": "basic", "description": "Key and secret of an administrative client."},
            },
        },
    }


def _records(operations: Operations) -> list[type[Struct]]:
    """List the records that stand in bodies and answers, each once."""
    found: list[type[Struct]] = [ErrorBody]
    for operation in operations:
        named = [operation.body if operation.body is not bytes else None, *operation.answers.values()]
        found += [record for record in named if record is not None]
    return list(dict.fromkeys(found))


def _described(operation: Operation[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {str(status): _answer(status, record) for status, record in operation.answers.items()} | _refusals(operation),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body is bytes:
        described["requestBody"] = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    elif operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(operation.body)}
    return described


def _parameters(operation: Operation[Any, Any]) -> list[dict[str, Any]]:
    """Describe the fields of the record of parameters; those that the path names stand there, the others in the query."""
    _, schemas = msgspec.json.schema_components([operation.parameters])
    schema = schemas[operation.parameters.__name__]
    described = []
    for name, field in schema["properties"].items():
        text = field.pop("description", "")
        place = "path" if f"{{{name}}}" in operation.path else "query"
        described.append({"name": name, "in": place, "required": place == "path", "description": text, "schema": field})
    return described


def _answer(status: int, record: type[Struct] | None) -> dict[str, Any]:
    return {"description": _PHRASES[status]} | ({} if record is None else {"content": _json(record)})


def _refusals(operation: Operation[Any, Any]) -> dict[str, Any]:
    """Describe the errors of an operation by their status."""
    codes: dict[int, list[str]] = {}
    for code in (*operation.errors, *_ALWAYS):
        codes.setdefault(STATUSES[code], []).append(code)
    return {str(status): {"description": ", ".join(named), "content": _json(ErrorBody)} for status, named in sorted(codes.items())}


def _json(record: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=record.__name__)}}}
