"""The error vocabulary: every class of ours is mapped, every code is used, and paths that lead nowhere answer alike."""

import inspect

import msgspec
import pytest

from postroom import errors as core
from postroom.dialects.parameters import BadParameter
from postroom.dialects.postroom import errors
from postroom.directory.importing import ImportFailed, Problem
from tests.dialects.postroom.conftest import Api

EXAMPLES: dict[type[Exception], tuple[Exception, int, dict[str, object]]] = {
    core.NotFound: (core.NotFound("suppression", "a@x.example"), 404, {"error": "not_found"}),
    core.Invalid: (core.Invalid("email", "not an address"), 400, {"error": "invalid", "parameter": "email"}),
    core.WrongState: (core.WrongState("draft_required"), 409, {"error": "wrong_state"}),
    core.Forbidden: (core.Forbidden("inst_address_unassigned"), 403, {"error": "forbidden"}),
    core.TooLarge: (core.TooLarge("detail", 500), 400, {"error": "invalid", "parameter": "detail"}),
    core.Unavailable: (core.Unavailable("secret path /var/lib/x"), 503, {"error": "unavailable"}),
    ImportFailed: (
        ImportFailed([Problem("body", 2, "wrong")], 3),
        400,
        {"error": "import_failed", "problems": [{"line": 2, "reason": "wrong"}], "omitted": 3},
    ),
    BadParameter: (BadParameter("search", "broken"), 400, {"error": "invalid", "parameter": "search"}),
}


def test_every_error_of_the_core_has_an_example_here() -> None:
    raised = {
        kind
        for _, kind in inspect.getmembers(core, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == core.__name__ and kind is not core.PostroomError
    }
    assert raised | {ImportFailed, BadParameter} == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_each_is_translated_and_tells_nothing_inward(kind: type[Exception]) -> None:
    error, status, keys = EXAMPLES[kind]
    assert isinstance(error, core.PostroomError | BadParameter)
    answer = errors.translate(error)
    body = msgspec.json.decode(answer.encoded())
    assert answer.status == status
    assert body == {"message": body["message"], **keys}
    assert "/var/lib" not in body["message"]


def test_every_code_has_a_status() -> None:
    assert set(errors.STATUSES) == set(errors.CODES)


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/suppressionsx", "/openapi.json/", "/v1"])
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
def test_unknown_paths_are_404_in_the_form_of_the_interface(sqlite_api: Api, verb: str, path: str) -> None:
    sqlite_api.refused(sqlite_api.call(verb, path), 404, "not_found")


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("PATCH", "/suppressions", "GET"),
        ("GET", "/suppressions/import", "POST"),
        ("POST", "/suppressions/a@x.example", "GET, PUT, DELETE"),
        ("POST", "/openapi.json", "GET"),
    ],
)
def test_other_verbs_are_405(sqlite_api: Api, verb: str, path: str, allowed: str) -> None:
    response = sqlite_api.call(verb, path)
    sqlite_api.refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


def test_a_store_that_is_away_is_503(sqlite_api: Api) -> None:
    sqlite_api.store.database.close()
    response = sqlite_api.call("GET", "/suppressions")
    sqlite_api.refused(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "10"
