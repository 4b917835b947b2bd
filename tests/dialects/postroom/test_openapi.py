"""The document says what the interface does: every operation, and every reference leads somewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from postroom.dialects.postroom.application import OPERATIONS
from tests.dialects.postroom.conftest import Api


@pytest.fixture
def document(sqlite_api: Api) -> Any:
    response = sqlite_api.call("GET", "/openapi.json", auth=None)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    return response.json()


def test_every_operation_is_described(document: Any) -> None:
    described = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    assert described == {(operation.verb, operation.path) for operation in OPERATIONS}
    assert document["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Any) -> None:
    named = {match.removeprefix("#/components/schemas/") for match in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))}
    assert named == set(document["components"]["schemas"])


def test_every_operation_has_its_parameters_body_and_errors(document: Any) -> None:
    put = document["paths"]["/suppressions/{email}"]["put"]
    assert [(one["name"], one["in"], one["required"]) for one in put["parameters"]] == [("email", "path", True)]
    assert put["requestBody"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/NewEntry"}}}
    assert set(put["responses"]) == {"200", "201", "400", "401", "403", "413", "415", "503"}
    listed = document["paths"]["/suppressions"]["get"]
    assert {one["name"]: one["schema"].get("maximum") for one in listed["parameters"]} == {"search": None, "after": None, "limit": 1000}
    entry = document["components"]["schemas"]["Entry"]["properties"]
    assert entry["created_at"] == {"type": "string", "format": "date-time"}
    assert all(one["summary"] for verbs in document["paths"].values() for one in verbs.values())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_the_page_shows_every_operation(operation: Any) -> None:
    """docs/http-api.md."""
    page = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text(encoding="utf-8")
    assert f"{operation.verb} /postroom/v1{operation.path}" in page
