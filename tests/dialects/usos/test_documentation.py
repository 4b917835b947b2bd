"""docs/usos.md is complete: every method, parameter, field, reason and status word that the dialect declares stands there."""

from pathlib import Path

import pytest

from postroom.dialects.endpoint import ObjectType
from postroom.dialects.usos.application import ENDPOINTS
from postroom.dialects.usos.errors import FORBIDDEN_REASONS
from postroom.dialects.usos.objects import CUSTOM_GROUP, INSTITUTIONAL_ADDRESS, PHOTO_URLS, PRIMARY_GROUP, TITLES, USER
from postroom.dialects.usos.users import MATCH
from postroom.dialects.usos.users import PAGE as FOUND
from postroom.dialects.usos.wire import ATTACHMENT, MESSAGE, RECIPIENT, RECIPIENTS_GROUP

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


@pytest.mark.parametrize(
    "kind",
    [
        MESSAGE,
        ATTACHMENT,
        RECIPIENT,
        RECIPIENTS_GROUP,
        USER,
        TITLES,
        PHOTO_URLS,
        INSTITUTIONAL_ADDRESS,
        PRIMARY_GROUP,
        CUSTOM_GROUP,
        FOUND,
        MATCH,
    ],
    ids=lambda kind: kind.method,
)
def test_every_field_is_listed(kind: ObjectType[object]) -> None:
    for field in kind.fields:
        assert f"`{field}`" in PAGE


def test_every_reason_of_method_forbidden_is_listed() -> None:
    for reason in FORBIDDEN_REASONS:
        assert f"`{reason}`" in PAGE
