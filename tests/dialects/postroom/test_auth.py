"""Only administrative clients get in, and nothing is looked at before."""

from base64 import b64encode

import pytest

from postroom.directory import clients
from tests.dialects.postroom.conftest import Api

CALLS = [
    ("GET", "/suppressions?limit=nonsense"),
    ("POST", "/suppressions/import"),
    ("GET", "/suppressions/a@x.example"),
    ("PUT", "/suppressions/a@x.example"),
    ("DELETE", "/suppressions/a@x.example"),
]


def basic(text: bytes) -> str:
    return "Basic " + b64encode(text).decode()


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_nobody_gets_in_without_credentials(sqlite_api: Api, verb: str, path: str) -> None:
    """RFC 7235 section 3.1: 401 comes with a challenge."""
    response = sqlite_api.call(verb, path, auth=None, data=b"x")
    sqlite_api.refused(response, 401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Postroom", charset="UTF-8"'


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_ordinary_clients_do_not_get_in(sqlite_api: Api, verb: str, path: str) -> None:
    response = sqlite_api.call(verb, path, client=sqlite_api.ordinary, data=b"x")
    sqlite_api.refused(response, 403, "administrative_required")
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !",
        "Basic YWJj",
        "Bearer x",
        basic(b":"),
        basic(b"\xff:\xff"),
        basic(b"a\0b:c"),
        basic(b"no-such-key:x"),
    ],
)
def test_credentials_that_are_none(sqlite_api: Api, authorization: str) -> None:
    response = sqlite_api.call("GET", "/suppressions", auth=None, headers={"Authorization": authorization})
    sqlite_api.refused(response, 401, "unauthenticated")


def test_a_wrong_secret_looks_like_an_unknown_key(sqlite_api: Api) -> None:
    key, secret = sqlite_api.client.key, sqlite_api.client.secret
    pairs = [(key, secret[:-1]), (key, ""), (secret, key), ("nobody", secret)]
    answers = [sqlite_api.call("GET", "/suppressions", auth=pair).json() for pair in pairs]
    assert all(answer == answers[0] for answer in answers)


def test_a_disabled_client_does_not_get_in(sqlite_api: Api) -> None:
    assert sqlite_api.call("GET", "/suppressions").status_code == 200
    sqlite_api.store.database.write_now(clients.disable_client, sqlite_api.client.key)
    sqlite_api.refused(sqlite_api.call("GET", "/suppressions"), 401, "unauthenticated")


def test_the_name_of_the_scheme_has_no_case(sqlite_api: Api) -> None:
    """RFC 7235 section 2.1."""
    pair = basic(f"{sqlite_api.client.key}:{sqlite_api.client.secret}".encode())
    assert sqlite_api.call("GET", "/suppressions", auth=None, headers={"Authorization": pair.replace("Basic", "bAsIc")}).status_code == 200
