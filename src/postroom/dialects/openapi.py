"""The OpenAPI 3.1 document of an interface, made from its operations."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from postroom import __version__
from postroom.dialects.operation import Operation, Operations

_REFERENCE: Final = "#/components/schemas/{name}"
_PHRASES: Final = {200: "Done.", 201: "Done; it is new.", 204: "Done.", 303: "It is elsewhere."}


class Interface(Struct, frozen=True, kw_only=True):
    """What a document says beside the operations."""

    summary: str
    base: str
    """Where the paths begin."""
    security: Mapping[str, Mapping[str, str]]
    """Security schemes by their names."""
    types: tuple[str, ...]
    """Media types of objects."""
    uploads: str
    """Media type of bodies that are no objects."""
    errors: Mapping[int, str]
    """Statuses that every operation may answer with, and what each is for."""
    error: Callable[[int], Mapping[str, type]]
    """The status of an error → what its body holds, by media type; nothing for an empty one."""


def document(interface: Interface, operations: Operations) -> dict[str, Any]:
    """Return the document of these operations."""
    _, schemas = msgspec.json.schema_components(_records(interface, operations), ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.plain_path, {})[operation.verb.lower()] = _described(interface, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroom", "version": __version__, "summary": interface.summary},
        "servers": [{"url": interface.base}],
        "security": [{name: []} for name in interface.security],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": interface.security},
    }


def _records(interface: Interface, operations: Operations) -> list[type[Struct]]:
    """List the records that stand in bodies and answers, each once."""
    found: list[Any] = []
    for operation in operations:
        refused = [kind for status in (*interface.errors, *operation.errors) for kind in interface.error(status).values()]
        found += [operation.body, *operation.answers.values(), *refused]
    return [record for record in dict.fromkeys(found) if _is_record(record)]


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _described(interface: Interface, operation: Operation[Any, Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {str(status): _answer(interface, status, record) for status, record in operation.answers.items()}
        | _refusals(interface, operation),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body is bytes:
        described["requestBody"] = {"required": True, "content": _content([(interface.uploads, str)])}
    elif operation.body is not None:
        described["requestBody"] = {"required": True, "content": _object(interface, operation.body)}
    return described


def _parameters(operation: Operation[Any, Any, Any]) -> list[dict[str, Any]]:
    """Describe the fields of the record of parameters; those that the path names stand there, the others in the query."""
    _, schemas = msgspec.json.schema_components([operation.parameters])
    schema = schemas[operation.parameters.__name__]
    described = []
    for name, field in schema["properties"].items():
        text = field.pop("description", "")
        place = "path" if name in operation.in_path else "query"
        described.append({"name": name, "in": place, "required": place == "path", "description": text, "schema": field})
    return described


def _answer(interface: Interface, status: int, record: type[Struct] | None) -> dict[str, Any]:
    return {"description": _PHRASES[status]} | ({} if record is None else {"content": _object(interface, record)})


def _refusals(interface: Interface, operation: Operation[Any, Any, Any]) -> dict[str, Any]:
    """Describe the errors of an operation by their status."""
    found = {**interface.errors, **operation.errors}
    return {str(status): _refusal(interface, status, what) for status, what in sorted(found.items())}


def _refusal(interface: Interface, status: int, what: str) -> dict[str, Any]:
    held = interface.error(status)
    return {"description": what} | ({"content": _content(held.items())} if held else {})


def _object(interface: Interface, record: type) -> dict[str, Any]:
    return _content((media_type, record) for media_type in interface.types)


def _content(held: Iterable[tuple[str, type]]) -> dict[str, Any]:
    return {media_type: {"schema": _schema(kind)} for media_type, kind in held}


def _schema(kind: type) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)} if _is_record(kind) else msgspec.json.schema(kind)
