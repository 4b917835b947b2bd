"""Many requests in one (wire/schoology.md §1.6)."""

from typing import Any

import pytest

from tests.dialects.schoology.conftest import Callers
from tests.support import counted

XML = {"Content-Type": "text/xml", "Accept": "text/xml"}


def asked(callers: Callers, *paths: str, call: str = "multiget", **options: Any) -> Any:
    response = callers.signed("POST", f"/{call}", json={"request": list(paths)}, **options)
    assert response.status_code == 200, response.text
    return response.json()["response"]


def test_each_path_has_its_answer(callers: Callers) -> None:
    """§1.6: location, response_code, headers, body; in the order of the requests."""
    me, other, nobody = asked(callers, "/v1/users/me", f"/v1/users/{callers.cleo}", "/v1/users/999")
    assert list(me) == ["location", "response_code", "headers", "body"]
    url = f"{callers.store.settings.public_url}/v1/users/{callers.ben}"
    assert me == {"location": "/v1/users/me", "response_code": 303, "headers": {"Location": url}, "body": None}
    assert (other["response_code"], other["body"]["name_display"]) == (200, "Cleo Cedar")
    assert (nobody["response_code"], nobody["body"]) == (404, None)


def test_the_caller_is_the_same_for_all(callers: Callers) -> None:
    """Rights are those of the signature: nothing more is seen than by single calls."""
    path = f"/v1/users/{callers.cleo}"
    assert asked(callers, path)[0]["body"]["primary_email"] is None
    assert asked(callers, path, client=callers.ada_key)[0]["body"]["primary_email"] == "cleo@school.example"
    assert asked(callers, "/v1/users?limit=1")[0]["response_code"] == 403
    assert asked(callers, "/v1/users?limit=1", client=callers.ada_key)[0]["body"]["total"] == 3
    assert asked(callers, "/v1/app-user-info", client=callers.machine)[0]["response_code"] == 403


def test_in_xml(sqlite_callers: Callers) -> None:
    """§1.6: <requests><request>; one may stand alone."""
    path = f"/v1/users/{sqlite_callers.ben}"
    for paths in ([path], [path, path]):
        body = "<requests>" + "".join(f"<request>{one}</request>" for one in paths) + "</requests>"
        response = sqlite_callers.signed("POST", "/multiget", data=body, headers=XML)
        assert response.status_code == 200, response.text
        assert response.text.count("<response><location>") == len(paths)
        assert "<name_display>Ben Birch</name_display>" in response.text


@pytest.mark.parametrize(
    "path",
    ["/v1/messages/inbox", "/v1/messages/inbox/1", "/v1/oauth/access_token", "/v1/oauth/request_token", "/v1/openapi.json", "x", "", "//"],
)
def test_other_calls_are_not_on_the_list(sqlite_callers: Callers, path: str) -> None:
    """§1.6: a fixed list; messages are not on it."""
    assert asked(sqlite_callers, path) == [{"location": path, "response_code": 404, "headers": {}, "body": None}]


def test_no_request_inside_of_another(sqlite_callers: Callers) -> None:
    """The calls for many are POST, which nothing inside is."""
    one = asked(sqlite_callers, "/v1/multiget")[0]
    assert (one["response_code"], one["headers"]) == (405, {"Allow": "POST, OPTIONS"})


def test_a_query_that_cannot_be_read(sqlite_callers: Callers) -> None:
    assert asked(sqlite_callers, "/v1/users/me?x=%zz")[0]["response_code"] == 400


def test_the_first_fifty_are_asked(sqlite_callers: Callers) -> None:
    """§1.6."""
    assert len(asked(sqlite_callers, *["/v1/users/999"] * 60)) == 50


def test_one_signature_and_one_nonce_for_all(callers: Callers) -> None:
    with counted(callers.store) as found:
        asked(callers, *[f"/v1/users/{callers.ben}"] * 3)
    assert len(found) == 2 + 3


def test_multioptions_for_any_endpoint(sqlite_callers: Callers) -> None:
    """§1.6: the same shape."""
    users, inbox, nothing = asked(sqlite_callers, "/v1/users/me?x=1", "/v1/messages/inbox/1", "/v1/x", call="multioptions")
    assert users == {
        "location": "/v1/users/me?x=1",
        "response_code": 200,
        "headers": {"Allow": "GET, HEAD, OPTIONS"},
        "body": {"methods": ["GET", "HEAD", "OPTIONS"]},
    }
    assert {"GET", "PUT", "DELETE", "POST"} <= set(inbox["body"]["methods"])
    assert nothing["response_code"] == 404


@pytest.mark.parametrize("body", [{}, {"request": []}])
def test_no_request_at_all(sqlite_callers: Callers, body: dict[str, Any]) -> None:
    assert sqlite_callers.signed("POST", "/multiget", json=body).json() == {"response": []}
