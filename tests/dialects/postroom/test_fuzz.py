"""Whatever a client sends, it gets an answer of the interface, never a 500."""

import string

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.dialects.postroom.errors import CODES
from tests.dialects.postroom.conftest import Api

RARE = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
VERBS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"])
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), max_size=30)  # a path with one leads to no dialect
TIMES = ["2090-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
VALUES = st.one_of(st.sampled_from(["", "0", "1", "9" * 30, "-1", "1e3", "a@x.example", "\x00", *TIMES]), TEXTS)
NAMES = st.one_of(st.sampled_from(["search", "after", "limit", "email"]), TEXTS)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
PATHS = st.text(string.ascii_letters + "@/%.?=&-_ \\", max_size=40)
HEADERS = st.text(string.printable.replace("\r", "").replace("\n", ""), max_size=30)


def check(response: requests.Response) -> None:
    assert response.status_code in {200, 201, 204, 400, 401, 403, 404, 405, 413, 415}, (response.status_code, response.text)
    if response.status_code >= 400:
        assert response.json()["error"] in CODES


@RARE
@given(VERBS, st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_any_query(sqlite_api: Api, verb: str, query: list[tuple[str, str]]) -> None:
    check(sqlite_api.call(verb, "/suppressions", params=query))


@RARE
@given(VALUES, st.one_of(JSON, st.dictionaries(st.sampled_from(["reason", "detail", "expires_at", "x"]), JSON, max_size=3)))
def test_any_entry(sqlite_api: Api, email: str, body: object) -> None:
    check(sqlite_api.one("PUT", email or "a@x.example", json=body))


@RARE
@given(st.sampled_from(["PUT", "POST"]), st.binary(max_size=200), st.sampled_from(["text/csv", "application/json", "x", ""]))
def test_any_body(sqlite_api: Api, verb: str, body: bytes, content_type: str) -> None:
    path = "/suppressions/import" if verb == "POST" else "/suppressions/a@x.example"
    check(sqlite_api.call(verb, path, data=body, headers={"Content-Type": content_type}))


@RARE
@given(VERBS, PATHS, HEADERS)
def test_any_path_and_any_credentials(sqlite_api: Api, verb: str, path: str, credentials: str) -> None:
    check(sqlite_api.call(verb, f"/suppressions/{path}"))
    authorization = f"Basic {credentials}".strip().replace("\x0b", "").replace("\x0c", "")
    check(sqlite_api.call(verb, f"/{path}", auth=None, headers={"Authorization": authorization}))
