"""Whatever a client sends, it gets an answer of the dialect, never a 500."""

import string
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.dialects.usos.application import ENDPOINTS
from tests.dialects.usos.conftest import Installation

NAMES = sorted(
    {name for endpoint in ENDPOINTS.values() for name in endpoint.arguments} | {"format", "callback", "as_user_id", "oauth_token"}
)
METHODS = sorted(name.removeprefix("services/") for name in ENDPOINTS)
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "1",
            "2",
            "3",
            "1|2|x",
            "2147483647",
            "2147483648",
            "-1",
            "9" * 40,
            "id|subject",
            "id|user[id|photo_urls[50x50]]",
            "email|user|status",
            "emails|users|primary_groups|custom_groups",
            "id[",
            "*",
            "true",
            "False",
            "plain",
            "html",
            "pl",
            "pl-PL",
            "draft|sent",
            "primary_only",
            "json",
            "jsonp",
            "xmlmap2",
            "cb",
            "a@x.example|b@y.example",
            "S",
            "|",
            "x\r\ny",
            "\u202e",
            "\ufffe",
            "🙂" * 60,
            "0",
            "90",
            "a/b.txt",
        ]
    ),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
)
PARAMETERS = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(string.printable, max_size=5)), VALUES), max_size=6)
RARE = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def furnished(sqlite_usos: Installation) -> Iterator[Installation]:
    """With messages 1 and 2 and attachment 1, so that some numbers mean something."""
    sqlite_usos.attach(sqlite_usos.ready())
    sqlite_usos.draft()
    return sqlite_usos


def check(response: requests.Response) -> None:
    assert response.status_code in {200, 400, 401, 403, 404, 405, 413}, (response.status_code, response.text)
    if response.status_code != 200:
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        assert response.json()["message"]


@RARE
@given(st.sampled_from(METHODS), st.sampled_from(["GET", "POST"]), PARAMETERS)
def test_signed_calls_with_any_parameters(furnished: Installation, method: str, verb: str, parameters: list[tuple[str, str]]) -> None:
    place: dict[str, Any] = {"params": parameters} if verb == "GET" else {"data": parameters}
    check(furnished.http.request(verb, furnished.url(method), auth=furnished.auth(), timeout=30, **place))


@settings(RARE, max_examples=60)
@given(
    st.sampled_from(METHODS),
    PARAMETERS,
    st.binary(max_size=300),
    st.sampled_from(["data", "fields", "message_id", "żółw"]),
    st.text(max_size=20),
)
def test_signed_uploads_to_any_method(
    furnished: Installation, method: str, parameters: list[tuple[str, str]], data: bytes, name: str, filename: str
) -> None:
    named = filename.encode("utf-8", "replace").decode()
    response = furnished.http.post(
        furnished.url(method), data=parameters, files=[(name, (named, data))], params={"message_id": "1"}, auth=furnished.auth(), timeout=30
    )
    check(response)


@settings(RARE, max_examples=60)
@given(
    st.sampled_from(METHODS),
    st.binary(max_size=200),
    st.sampled_from(
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=B", "multipart/form-data", "application/json", "x", ""]
    ),
    st.text(string.printable.replace("\r", "").replace("\n", ""), max_size=40),
)
def test_unsigned_nonsense(furnished: Installation, method: str, body: bytes, content_type: str, authorization: str) -> None:
    headers = {"Content-Type": content_type, "Authorization": f"OAuth {authorization}".strip().replace("\x0b", "").replace("\x0c", "")}
    check(furnished.http.post(furnished.url(method), data=body, headers=headers, timeout=30))


@settings(RARE, max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 3))
def test_signed_multipart_nonsense(furnished: Installation, body: bytes, boundaries: int) -> None:
    """The signature is right, in the query; the body is anything."""
    prepared = requests.Request(
        "POST", furnished.url("put_attachment"), params={"message_id": "1"}, auth=furnished.auth(signature_type="QUERY")
    )
    url = prepared.prepare().url or ""
    data = b"--B\r\n" * min(boundaries, 1) + body + b"\r\n--B--\r\n" * (boundaries // 2)
    check(furnished.http.post(url, data=data, headers={"Content-Type": "multipart/form-data; boundary=B"}, timeout=30))
    assert len(furnished.blobs()) <= 11


@settings(RARE, max_examples=60)
@given(st.text(string.ascii_letters + "/%.?=&-_ \\", max_size=40))
def test_any_path(sqlite_usos: Installation, path: str) -> None:
    response = sqlite_usos.http.get(f"{sqlite_usos.base}services/{path}", timeout=30)
    assert response.status_code < 500
