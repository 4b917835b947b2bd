"""What every path has in common (wire/schoology.md §1.2, §2.1, §3.1, §3.2, §5.2)."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1

from postroom.dialects.schoology.application import OPERATIONS
from postroom.errors import Unavailable
from postroom.settings import HttpSettings, SchoologySettings
from tests.dialects.schoology.conftest import Callers

ME = "/app-user-info"
XML = "text/xml; charset=UTF-8"


def bare(callers: Callers, verb: str, path: str, **options: Any) -> requests.Response:
    return callers.http.request(verb, f"{callers.base}{path}", timeout=30, allow_redirects=False, **options)


def example(operation: Any) -> str:
    """Return a path of an operation."""
    return re.sub(r"\{[^}]+\}", "1", operation.path.replace("{folder}", "inbox"))


@pytest.mark.parametrize("path", ["/", "/nonsense", "/users/", "/users/me/x", "//users/me", "/v1/users/me", "/oauth", "/openapi.json/x"])
def test_a_path_that_leads_nowhere(sqlite_callers: Callers, path: str) -> None:
    """§3.1: 404, empty."""
    response = sqlite_callers.signed("GET", path)
    assert (response.status_code, response.text) == (404, "")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_other_methods_are_refused_with_a_list(sqlite_callers: Callers, operation: Any) -> None:
    """§3.1: 405; the list in Allow is RFC 9110's. Nobody need sign for that."""
    response = bare(sqlite_callers, "PATCH", example(operation))
    assert (response.status_code, response.text) == (405, "")
    assert operation.verb in response.headers["Allow"].split(", ")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_options_on_any_endpoint(sqlite_callers: Callers, operation: Any) -> None:
    """§1.2: it works; the body is ours."""
    response = bare(sqlite_callers, "OPTIONS", example(operation))
    assert response.status_code == 200
    methods = response.json()["methods"]
    assert response.headers["Allow"] == ", ".join(methods)
    assert {operation.verb, "OPTIONS"} <= set(methods)
    assert ("HEAD" in methods) == ("GET" in methods)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_wants_a_signature(sqlite_callers: Callers, operation: Any) -> None:
    response = bare(sqlite_callers, operation.verb, example(operation))
    assert (response.status_code, response.text) == (401, "Can't verify request, missing oauth_consumer_key or oauth_token")


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/plain, */*"])
def test_json_is_the_rule(sqlite_callers: Callers, accept: str | None) -> None:
    """§3.2."""
    response = sqlite_callers.signed("GET", ME, headers={"Accept": accept})
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["api_uid"] == sqlite_callers.ben


def test_xml_by_accept(sqlite_callers: Callers) -> None:
    """§3.2."""
    response = sqlite_callers.signed("GET", ME, headers={"Accept": "text/xml"})
    assert (response.headers["Content-Type"], response.headers["X-Schoology"], response.headers["Vary"]) == (XML, "API", "Accept")
    assert f"<api_uid>{sqlite_callers.ben}</api_uid>" in response.text
    assert response.text.startswith('<?xml version="1.0" encoding="utf-8" ?>')


@pytest.mark.parametrize(
    ("accept", "body"), [("application/json", '""'), ("text/xml", '<?xml version="1.0" encoding="utf-8" ?>\n<result />')]
)
def test_a_refusal_in_both_formats(sqlite_callers: Callers, accept: str, body: str) -> None:
    """§3.1: 403 with an empty text; in XML our choice."""
    response = sqlite_callers.signed("GET", ME, sqlite_callers.machine, headers={"Accept": accept})
    assert (response.status_code, response.text) == (403, body)


def test_head_is_get_without_a_body(sqlite_callers: Callers) -> None:
    response = sqlite_callers.signed("HEAD", ME)
    assert (response.status_code, response.content) == (200, b"")
    assert sqlite_callers.signed("HEAD", "/users/me").status_code == 303


def test_a_body_on_get_is_ignored(sqlite_callers: Callers) -> None:
    """§5.2: api-dip sends JSON with GET; here one that is no JSON."""
    response = sqlite_callers.signed("GET", ME, data=b"{nonsense", headers={"Content-Type": "application/json"})
    assert response.status_code == 200


def test_unknown_query_parameters_are_ignored(sqlite_callers: Callers) -> None:
    """§5.2: schoolopy sends limit=20 with everything."""
    assert sqlite_callers.get(f"{ME}?limit=20&x=1&x=2")["api_uid"] == sqlite_callers.ben


@pytest.mark.parametrize("signature_type", ["AUTH_HEADER", "BODY"])
def test_a_form_is_refused_with_415(sqlite_callers: Callers, signature_type: str) -> None:
    """§2.1, §3.1: so the BODY signature type is not usable."""
    auth = OAuth1(sqlite_callers.key.key, sqlite_callers.key.secret, signature_type=signature_type)
    response = sqlite_callers.signed("POST", "/multiget", auth=auth, data={"request": "/v1/users/me"})
    assert (response.status_code, response.json()) == (415, "The body must be sent as application/json or text/xml")


def test_other_bodies_are_refused(sqlite_callers: Callers) -> None:
    """§7.1: malformed 400."""
    files = {"request": ("a.txt", b"abc", "text/plain")}
    assert sqlite_callers.signed("POST", "/multiget", files=files).status_code == 415
    for body, kind, status in (
        (b"/v1/users/me", "text/plain", 415),
        (b'{"request": [1,]}', "application/json", 400),
        (b'{"request": 7}', "application/json", 400),
        (b"<requests><request>", "text/xml", 400),
    ):
        assert sqlite_callers.signed("POST", "/multiget", data=body, headers={"Content-Type": kind}).status_code == status, body


def test_a_body_that_is_too_long(configured_callers: Callable[..., Callers]) -> None:
    callers = configured_callers(http=HttpSettings(max_body=1_024))
    kind = {"Content-Type": "application/json"}
    assert callers.signed("POST", "/multiget", data=b" " * 1_010 + b'{"request":[]}', headers=kind).status_code == 200
    response = callers.signed("POST", "/multiget", data=b" " * 1_011 + b'{"request":[]}', headers=kind)
    assert (response.status_code, response.json()) == (413, "The body is longer than 1024 bytes")


def test_a_store_that_is_away(sqlite_callers: Callers) -> None:
    sqlite_callers.store.close()
    response = sqlite_callers.signed("GET", ME)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
    assert isinstance(response.json(), str)


def test_a_client_that_calls_too_often(configured_callers: Callable[..., Callers]) -> None:
    """§3.1: 429; Retry-After is ours. Others go on, and whoever cannot sign uses nothing up."""
    callers = configured_callers(schoology=SchoologySettings(rate_limit=3))
    wrong = OAuth1(callers.key.key, "wrong")
    answers = [callers.signed("GET", ME, auth=wrong).status_code for _ in range(5)]
    assert answers == [401] * 5
    answers = [callers.signed("GET", ME) for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    assert len(refused) >= 2  # three and three, should a window have ended meanwhile
    assert all(1 <= int(answer.headers["Retry-After"]) <= 5 and not answer.content for answer in refused)
    assert callers.signed("GET", ME, callers.cleo_key).status_code == 200


def test_the_document_describes_every_operation(sqlite_callers: Callers) -> None:
    """Ours, and open to anybody."""
    response = bare(sqlite_callers, "GET", "/openapi.json")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    document = response.json()
    described = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    assert described == {(operation.verb, operation.plain_path) for operation in OPERATIONS}
    assert all(one["summary"] for verbs in document["paths"].values() for one in verbs.values())
    answers = document["paths"]["/users/{user_id}"]["get"]["responses"]
    assert {status: sorted(answers[status].get("content", {})) for status in ("200", "400", "401", "404")} == {
        "200": ["application/json", "text/xml"],
        "400": ["application/json", "text/xml"],
        "401": ["text/plain"],
        "404": [],
    }
    named = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert named == set(document["components"]["schemas"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_the_page_shows_every_operation(operation: Any) -> None:
    """docs/schoology.md."""
    page = (Path(__file__).parents[3] / "docs" / "schoology.md").read_text(encoding="utf-8")
    assert f"`{operation.verb} /v1{operation.plain_path}`" in page


def test_unavailable_is_told_apart_from_what_is_wrong(sqlite_callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails while the work is done: 503, and the nonce is not used up."""

    async def failing(*_args: Any, **_kwargs: Any) -> Any:
        raise Unavailable("disk full")

    monkeypatch.setattr(sqlite_callers.store.database, "write_briefly", failing)
    assert sqlite_callers.signed("GET", ME).status_code == 503
