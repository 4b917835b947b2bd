"""Whatever stands in headers, path and query, a client gets an answer of the dialect, never a 500."""

import string
import time

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.directory.records import Client
from tests.dialects.schoology.conftest import Callers

RARE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRINTABLE = "".join(character for character in string.printable if character not in "\r\n\x0b\x0c")
HEADERS = st.text(PRINTABLE, max_size=60).map(str.strip)
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=("Cc",)), max_size=30).map(str.strip)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), max_size=30)
NAMES = ["realm", "oauth_consumer_key", "oauth_token", "oauth_nonce", "oauth_timestamp", "oauth_signature_method", "oauth_version"]
VALUES = st.one_of(
    st.sampled_from(["", "1.0", "PLAINTEXT", "HMAC-SHA1", str(int(time.time())), "9" * 40, "%", "%zz", "%00", "%ff", '"', "a,b", "=", "&"]),
    LATIN,
)
STATUSES = {200, 303, 400, 401, 403, 404, 405, 413, 415}


def check(response: requests.Response) -> None:
    assert response.status_code in STATUSES, (response.status_code, response.text)


def ask(callers: Callers, path: str, verb: str = "GET", body: bytes = b"", **headers: str) -> requests.Response:
    encoded = {name.replace("_", "-"): value.encode("latin-1") for name, value in headers.items()}
    return callers.http.request(verb, f"{callers.base}{path}", data=body, headers=encoded, timeout=30, allow_redirects=False)


def header(client: Client, **changes: str) -> str:
    given = {
        "oauth_consumer_key": client.key,
        "oauth_nonce": str(time.perf_counter_ns()),
        "oauth_timestamp": str(int(time.time())),
        "oauth_signature_method": "PLAINTEXT",
        "oauth_signature": f"{client.secret}&",
        **changes,
    }
    return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in given.items())


@RARE
@given(HEADERS)
def test_any_authorization(sqlite_callers: Callers, text: str) -> None:
    for scheme in ("OAuth ", ""):
        response = ask(sqlite_callers, "/users/me", Authorization=f"{scheme}{text}".strip())
        assert (response.status_code, response.headers["Content-Type"]) == (401, "text/plain; charset=utf-8")


@RARE
@given(st.dictionaries(st.sampled_from([*NAMES, "oauth_signature"]), VALUES))
def test_any_oauth_parameters(sqlite_callers: Callers, changes: dict[str, str]) -> None:
    response = ask(sqlite_callers, "/app-user-info", Authorization=header(sqlite_callers.key, **changes))
    assert response.status_code in {200, 401}, response.text
    assert sqlite_callers.key.secret not in response.text


@RARE
@given(LATIN, LATIN, LATIN, LATIN)
def test_any_other_headers(sqlite_callers: Callers, accept: str, run_as: str, kind: str, key: str) -> None:
    for client in (sqlite_callers.key, sqlite_callers.admin):
        given = {"Accept": accept, "X_Schoology_Run_As": run_as, "Content_Type": kind, "Idempotency_Key": key}
        check(ask(sqlite_callers, "/multiget", "POST", b"{}", Authorization=header(client), **given))


@RARE
@given(st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"]), TEXTS, TEXTS)
def test_any_path_and_query(sqlite_callers: Callers, verb: str, path: str, query: str) -> None:
    for place in (f"/{path}", f"/users/{path}", f"/users/ext/{path}"):
        check(sqlite_callers.signed(verb, f"{place}?{query}"))


@RARE
@given(st.lists(st.one_of(TEXTS, TEXTS.map("/v1/users/{}".format), TEXTS.map("/v1/users/ext/{}".format)), max_size=5))
def test_any_requests_in_one(sqlite_callers: Callers, paths: list[str]) -> None:
    for call in ("/multiget", "/multioptions"):
        response = sqlite_callers.signed("POST", call, json={"request": paths})
        assert response.status_code == 200, response.text
        assert [one["location"] for one in response.json()["response"]] == paths
        assert {one["response_code"] for one in response.json()["response"]} <= STATUSES
