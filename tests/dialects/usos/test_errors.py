"""The error vocabulary (contract §3.4 to §3.6): every class of ours is mapped, with the right keys."""

import msgspec
import pytest

from postroom import errors as core
from postroom.dialects import oauth1
from postroom.dialects.usos import errors
from tests.dialects.conftest import every_error
from tests.dialects.usos.conftest import Installation

METHOD = "services/mailclient/x"

EXAMPLES: dict[type[Exception], tuple[Exception, int, dict[str, object]]] = {
    core.NotFound: (
        core.NotFound("message", 1),
        400,
        {"error": "object_not_found", "param_name": "message_id", "method_name": METHOD, "message": "Referenced message does not exist."},
    ),
    core.Invalid: (core.Invalid("subject", "bad"), 400, {"error": "param_invalid", "param_name": "subject"}),
    core.WrongState: (core.WrongState("draft_required"), 400, {"error": "object_invalid", "reason": "draft_required"}),
    core.Forbidden: (core.Forbidden("inst_address_unassigned"), 400, {"error": "object_forbidden", "reason": "inst_address_unassigned"}),
    core.TooLarge: (core.TooLarge("subject", 200), 400, {"error": "param_invalid", "param_name": "subject"}),
    core.Unavailable: (core.Unavailable("disk full"), 503, {}),
    oauth1.Malformed: (oauth1.Malformed("m"), 400, {"message": "m"}),
    oauth1.Incomplete: (oauth1.Incomplete(["oauth_nonce"]), 400, {"message": "Missing OAuth parameters: oauth_nonce."}),
    oauth1.Stale: (oauth1.Stale(1, 9, 5), 400, {"message": "Expired timestamp, yours 1, ours 9 (threshold 5)."}),
    oauth1.Replayed: (oauth1.Replayed("n1"), 400, {"message": "Nonce already used: n1."}),
    oauth1.Refused: (oauth1.Refused("Invalid signature."), 401, {"message": "Invalid signature."}),
}


def test_every_error_of_the_core_and_of_signatures_has_an_example_here() -> None:
    assert every_error() == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_each_is_translated(kind: type[Exception]) -> None:
    error, status, keys = EXAMPLES[kind]
    assert isinstance(error, core.PostroomError | oauth1.OAuthError)
    answer = errors.translate(error, METHOD)
    body = msgspec.json.decode(answer.encoded())
    assert answer.status == status
    assert body == {"message": body["message"], **keys}
    assert body["message"]


@pytest.mark.parametrize(
    ("kind", "parameter"),
    [
        ("message", "message_id"),
        ("attachment", "attachment_id"),
        ("inst_address", "from_inst_address_id"),
        ("primary_group", "primary_group_ids"),
        ("custom_group", "custom_group_ids"),
        ("user", "user_ids"),
    ],
)
def test_what_is_not_found_is_named_by_its_parameter(kind: str, parameter: str) -> None:
    """§1.4, the column of errors."""
    assert errors.translate(core.NotFound(kind, 1), METHOD).body.param_name == parameter


@pytest.mark.parametrize(
    ("kind", "arguments", "parameter"),
    [
        ("user", ["user_id"], "user_id"),
        ("user", ["user_ids", "custom_group_id"], "user_ids"),
        ("inst_address", ["inst_address_id", "name"], "inst_address_id"),
        ("inst_address", ["inst_address_ids", "user_id"], "inst_address_ids"),
        ("custom_group", ["custom_group_id", "custom_group_ids"], "custom_group_ids"),
        ("own_group", ["custom_group_id", "custom_group_ids"], "custom_group_id"),
    ],
)
def test_of_several_parameters_the_one_that_the_method_has_is_named(kind: str, arguments: list[str], parameter: str) -> None:
    assert errors.translate(core.NotFound(kind, 1), METHOD, arguments).body.param_name == parameter


@pytest.mark.parametrize("error", [core.TooLarge("body", 5), core.Unavailable("secret path /var/lib/x")])
def test_nothing_inward_is_told(error: core.PostroomError) -> None:
    answer = errors.translate(error, METHOD)
    assert b"/var/lib" not in answer.encoded()
    assert answer.status in {413, 503}


@pytest.mark.parametrize("path", ["mailclient/nothing", "mailclient", "", "nothing/at/all", "/mailclient/user", "mailclient/user/"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_unknown_methods_are_404_in_the_form_of_the_dialect(sqlite_usos: Installation, verb: str, path: str) -> None:
    response = sqlite_usos.http.request(verb, f"{sqlite_usos.base}services/{path}", timeout=20)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.json()["error"] == "method_not_found"


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_other_verbs_are_405(sqlite_usos: Installation, verb: str) -> None:
    response = sqlite_usos.http.request(verb, sqlite_usos.url("user"), timeout=20)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST, OPTIONS"


def test_browsers_of_other_origins_may_call(sqlite_usos: Installation) -> None:
    """§3.1: CORS is allowed, on errors too."""
    preflight = sqlite_usos.http.options(
        sqlite_usos.url("user"), headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}, timeout=20
    )
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert preflight.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Idempotency-Key"
    assert sqlite_usos.send("user").headers["Access-Control-Allow-Origin"] == "*"
    assert sqlite_usos.send("message").headers["Access-Control-Allow-Origin"] == "*"


def test_a_missing_parameter_has_texts_for_people(sqlite_usos: Installation) -> None:
    """§3.5, the first payload."""
    assert sqlite_usos.refused("message") == {
        "message": "Required parameter message_id is missing.",
        "error": "param_missing",
        "param_name": "message_id",
        "user_messages": {"fields": {"message_id": {"en": "This field is required.", "pl": "To pole jest wymagane."}}},
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("message_id=1&subject=%zz", {"error": "param_invalid", "param_name": "subject"}),
        ("message_id=%ff", {"error": "param_invalid", "param_name": "message_id"}),
        ("subject=a%00b", {"error": "param_invalid", "param_name": "subject"}),
        ("%ff=1", {}),
    ],
)
def test_what_cannot_be_decoded_is_refused_not_repaired(sqlite_usos: Installation, query: str, expected: dict[str, str]) -> None:
    """Broken escapes, other encodings than UTF-8 (§3.1), NUL characters."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = sqlite_usos.http.post(sqlite_usos.url("update_message"), data=query, headers=form, timeout=20)
    body = response.json()
    assert response.status_code == 400
    assert body == {"message": body["message"], **expected}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"fields": "nope"}, {"error": "field_not_found", "field_name": "nope", "method_name": "services/mailclient/message"}),
        (
            {"fields": "attachments[nope]"},
            {"error": "field_not_found", "field_name": "nope", "method_name": "services/mailclient/attachment"},
        ),
        ({"fields": "id[x]"}, {"error": "field_invalid", "field_name": "id", "method_name": "services/mailclient/message"}),
        ({"fields": "id|*"}, {"error": "param_invalid", "param_name": "fields"}),
        ({"fields": ""}, {"error": "param_invalid", "param_name": "fields"}),
    ],
)
def test_errors_of_selectors_have_their_keys(sqlite_usos: Installation, parameters: dict[str, str], expected: dict[str, str]) -> None:
    """§3.4."""
    body = sqlite_usos.refused("message", message_id="1", **parameters)
    assert {key: body[key] for key in expected} == expected
