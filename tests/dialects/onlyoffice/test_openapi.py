"""The document of the interface, which is our own: what is declared is what is served."""

import json
from pathlib import Path
from typing import Any

import pytest

from postroom.dialects.onlyoffice import openapi
from postroom.dialects.onlyoffice.application import OPERATIONS
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.probes import PROBES


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(openapi.document((*OPERATIONS, *PROBES)))


def test_it_is_served_to_anybody(sqlite_api: Api) -> None:
    answer = sqlite_api.call("GET", "/openapi.json", token=None)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["openapi"] == "3.1.0"


def test_every_operation_is_in_it_once(document: Any) -> None:
    named = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert sorted(named) == sorted(one.name for one in (*OPERATIONS, *PROBES))
    assert len(set(named)) == len(named)


def test_every_reference_leads_somewhere(document: Any) -> None:
    schemas = document["components"]["schemas"]

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [found for inner in value.values() for found in references(inner)]
        return [found for inner in value for found in references(inner)] if isinstance(value, list) else []

    found = references(document)
    assert found
    assert {one.rpartition("/")[2] for one in found} <= schemas.keys()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_the_page_shows_every_operation(operation: Any) -> None:
    """docs/onlyoffice.md."""
    page = (Path(__file__).parents[3] / "docs" / "onlyoffice.md").read_text(encoding="utf-8")
    assert f"`{operation.verb} {operation.plain_path.removeprefix('/')}`" in page


def test_every_operation_says_what_it_does() -> None:
    for one in OPERATIONS:
        assert one.summary, one.path


def test_parameters_are_where_they_are_read(document: Any) -> None:
    remove = document["paths"]["/probe/{id}"]["delete"]
    assert remove["parameters"] == [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^(?:[0-9]+)$"}}]
    echo = document["paths"]["/probe/echo"]
    assert {one["name"] for one in echo["get"]["parameters"]} == {"id", "from", "to", "important", "fromDate", "attachments"}
    assert "requestBody" not in echo["get"]
    assert set(echo["put"]["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/xml",
    }
    assert document["paths"]["/authentication"]["post"]["security"] == []
