"""docs/usos.md is complete: every method, parameter, field, reason and status word that the dialect declares stands there."""

from pathlib import Path
from typing import Any

import pytest

from postroom.dialects.endpoint import ObjectType
from postroom.dialects.usos.application import ENDPOINTS
from postroom.dialects.usos.errors import FORBIDDEN_REASONS

PAGE = (Path(__file__).parents[3] / "docs" / "usos.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_method_has_a_row_with_its_parameters_and_errors(name: str) -> None:
    endpoint = ENDPOINTS[name]
    shown = name.removeprefix("services/").removeprefix("mailclient/")
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{shown}` |"))
    inherited = endpoint.name.endswith("update_message")
    for argument in endpoint.arguments:
        assert f"`{argument}`" in row or (inherited and argument != "message_id")
    for error in endpoint.errors:
        for word in (*error.param_names, *error.reasons):
            assert word in row


def kinds() -> list[ObjectType[Any]]:
    """Return every kind of object that answers are made of: results of methods, and whatever is below them."""
    found: dict[ObjectType[Any], None] = {}
    waiting = [endpoint.result for endpoint in ENDPOINTS.values() if endpoint.result is not None]
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found[kind] = None
            waiting += [field.target for field in kind.fields.values() if field.target is not None]
    return list(found)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: f"{kind.method}:{kind.default}")
def test_every_field_is_listed(kind: ObjectType[Any]) -> None:
    for field in kind.fields:
        assert f"`{field}`" in PAGE


def test_every_reason_of_method_forbidden_is_listed() -> None:
    for reason in FORBIDDEN_REASONS:
        assert f"`{reason}`" in PAGE
