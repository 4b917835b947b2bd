"""The frame over real HTTP (wire/onlyoffice.md §1a.4, §1a.5, §2, §3, §8): what comes in, and in what form."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from postroom import clock
from postroom.application import application
from tests.dialects.onlyoffice.conftest import Api

JSON = {"Content-Type": "application/json"}
WANTED = {
    "id": 7,
    "from": "jan@x.example",
    "to": ["a@x.example", '"Ż, b" <b@x.example>'],
    "important": True,
    "fromDate": 1_772_366_400_000,
    "attachments": [{"fileId": 5, "size": 9_999_999_999}],
}
PAIRS = [
    ("id", "7"),
    ("from", "jan@x.example"),
    ("to[]", "a@x.example"),
    ("to[]", '"Ż, b" <b@x.example>'),
    ("important", "true"),
    ("fromDate", "2026-03-01T13:00:00"),
    ("attachments[0][fileId]", "5"),
    ("attachments[0][size]", "9999999999"),
]
BODY = {
    "id": 7,
    "from": "jan@x.example",
    "to": ["a@x.example", '"Ż, b" <b@x.example>'],
    "important": True,
    "fromDate": "2026-03-01T13:00:00",
    "attachments": [{"fileId": 5, "size": 9_999_999_999}],
}
DOCUMENT = (
    '<request><id>7</id><from>jan@x.example</from><to>a@x.example</to><to>"Ż, b" &lt;b@x.example&gt;</to><important>true</important>'
    "<fromDate>2026-03-01T13:00:00</fromDate><attachments><fileId>5</fileId><size>9999999999</size></attachments></request>"
)


@pytest.mark.parametrize(
    "options",
    [
        {"json": BODY},
        {"data": json.dumps(BODY), "headers": {"Content-Type": "application/json; charset=utf-8"}},
        {"data": PAIRS},
        {"params": PAIRS},
        {"params": PAIRS[:4], "data": PAIRS[4:]},
        {"params": PAIRS[:4], "json": {name: BODY[name] for name in ("important", "fromDate", "attachments")}},
        {"files": [(name, (None, value)) for name, value in PAIRS]},
        {"data": DOCUMENT.encode(), "headers": {"Content-Type": "text/xml; charset=utf-8"}},
    ],
)
def test_every_form_says_the_same(sqlite_api: Api, options: Any) -> None:
    """§7.5.4; the zone of a date without one is the installation's."""
    assert sqlite_api.result("PUT", "/probe/echo.json", **options) == WANTED


def test_a_form_without_a_content_type(sqlite_api: Api) -> None:
    """§1a.4: text/plain, and so a form."""
    request = {"data": b"id=7&to=a", "headers": {"Content-Type": None}}
    assert sqlite_api.result("PUT", "/probe/echo", **request)["id"] == 7
    assert sqlite_api.result("PUT", "/probe/echo", data="id=7", headers={"Content-Type": "text/plain"})["id"] == 7


def test_route_before_query_before_body(sqlite_api: Api) -> None:
    assert sqlite_api.result("DELETE", "/probe/5", params={"id": "6"}, json={"id": 7}) == 5
    assert sqlite_api.result("PUT", "/probe/echo", params={"id": "6", "to": "q"}, json={"id": 7, "to": ["b"]}) == {
        **sqlite_api.result("PUT", "/probe/echo"),
        "id": 6,
        "to": ["q", "b"],
    }


def test_the_body_of_a_get(sqlite_api: Api) -> None:
    """JSON is read, a form is not."""
    assert sqlite_api.result("GET", "/probe/echo", json={"id": 7})["id"] == 7
    assert sqlite_api.result("GET", "/probe/echo", data={"id": "7"})["id"] == 0
    assert sqlite_api.result("GET", "/probe/echo", headers=JSON)["id"] == 0


def test_the_example_of_the_documentation(sqlite_api: Api) -> None:
    """§7.5.2, 7.5.3: values as texts, each attachment inside value."""
    body = {"attachments": [{"value": {"fileId": "1234", "fileName": "fileName", "size": "1234", "attachedAsLink": "true"}}]}
    assert sqlite_api.call("PUT", "/probe/echo", token=None, json=body).text == "Unauthorized"
    assert sqlite_api.result("PUT", "/probe/echo", json=body)["attachments"] == [{"fileId": 1234, "size": 1234}]


def test_json_that_is_none(sqlite_api: Api) -> None:
    """§1a.5 row 0b: the words of the parser."""
    answer = sqlite_api.call("PUT", "/probe/echo", data='{"id": ', headers=JSON)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["hresult"], error["message"]) == (-2147024809, "Expecting value: line 1 column 8 (char 7)")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": "abc"}, "Input string was not in a correct format."),
        ({"important": "yes"}, "String was not recognized as a valid Boolean."),
        ({"important": 1}, "String was not recognized as a valid Boolean."),
    ],
)
def test_values_of_the_wrong_kind(sqlite_api: Api, body: Any, message: str) -> None:
    """§1a.5 row 0c."""
    sqlite_api.refused(sqlite_api.call("PUT", "/probe/echo", json=body), 400, message, -2146233033)


@pytest.mark.parametrize(
    "options",
    [
        {"data": "<r>", "headers": {"Content-Type": "text/xml"}},
        {"data": "id=%zz", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": "--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"data": "x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": '{"id": "\\u0000"}', "headers": JSON},
        {"data": b"from=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"params": "from=%00"},
        {"json": {"to": ["x"] * 20_000}},
    ],
)
def test_broken_bodies_are_400(sqlite_api: Api, options: Any) -> None:
    """§8.9 for XML; the rest likewise."""
    answer = sqlite_api.call("PUT", "/probe/echo", **options)
    assert answer.status_code == 400
    assert answer.json()["error"]["hresult"] == -2147024809


def test_the_size_of_a_body_is_bounded(sqlite_api: Api) -> None:
    sqlite_api.change(max_body=2_000)
    for options in ({"json": {"from": "x" * 3_000}}, {"data": {"from": "x" * 3_000}}, {"files": {"from": (None, "x" * 3_000)}}):
        sqlite_api.refused(sqlite_api.call("PUT", "/probe/echo", **options), 413, "The request is longer than 2000 bytes.", -2147467259)
    assert sqlite_api.result("PUT", "/probe/echo", json={"from": "x" * 1_000})["from"] == "x" * 1_000


@pytest.mark.parametrize("path", ["/api/2.0/probe/echo", "/probe/who", "/nothing", "/mail/messages/send.json"])
def test_options(sqlite_api: Api, path: str) -> None:
    """§2: no authentication."""
    answer = sqlite_api.call("OPTIONS", path, token=None)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
    assert answer.headers["access-control-allow-headers"] == "origin, authorization, accept, content-type"
    assert answer.headers["access-control-max-age"] == "1728000"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("prefix", ["/api/2.0", "//api/2.0", "/API/2.0", "//Api/2.0"])
@pytest.mark.parametrize("path", ["/probe/who", "/PROBE/Who.json"])
def test_case_and_double_slashes(sqlite_api: Api, prefix: str, path: str) -> None:
    """§3.4."""
    answer = sqlite_api.http.get(f"{sqlite_api.root}{prefix}{path}", headers={"Authorization": sqlite_api.token}, timeout=30)
    assert answer.json()["response"] == sqlite_api.jan


@pytest.mark.parametrize("path", ["/api/2x0/probe/who", "/api/2.1/probe/who", "/x/api/2.0/probe/who", "/api/2.0probe/who"])
def test_other_paths_are_not_ours(sqlite_api: Api, path: str) -> None:
    answer = sqlite_api.http.get(f"{sqlite_api.root}{path}", timeout=30)
    assert (answer.status_code, answer.text) == (404, "Not Found")


def test_the_number_of_requests_can_be_bounded(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """§8.32: for each account at each address; off by default."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)  # so that no other window begins meanwhile
    for _ in range(10):
        sqlite_api.result("GET", "/probe/who")
    sqlite_api.change(rate_limit=3)
    for _ in range(3):
        sqlite_api.result("GET", "/probe/who")
    answer = sqlite_api.call("GET", "/probe/who")
    sqlite_api.refused(answer, 503, "Too many requests", -2147467259)
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert sqlite_api.result("GET", "/probe/who", token=sqlite_api.token_of(sqlite_api.ewa)) == sqlite_api.ewa


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_file_as_the_body(sqlite_api: Api) -> None:
    for content_type in ("application/octet-stream", "application/json", "text/xml", "application/x-www-form-urlencoded"):
        answer = sqlite_api.result("POST", "/probe/file?id=5", data=b"{\x00" * 100, headers={"Content-Type": content_type})
        assert answer == {"id": 5, "name": None, "type": content_type, "size": 200}


def test_a_file_in_a_form(sqlite_api: Api) -> None:
    files = [("x", (None, "y")), ("file", ("żółw.txt", b"x" * 300, "text/plain")), ("other", ("b.txt", b"z"))]
    answer = sqlite_api.result("POST", "/probe/file?id=5", files=files)
    assert answer == {"id": 5, "name": "żółw.txt", "type": "text/plain", "size": 300}


def test_no_file(sqlite_api: Api) -> None:
    assert sqlite_api.result("POST", "/probe/file", files={"x": (None, "y")}) == {}
    assert sqlite_api.result("POST", "/probe/file")["size"] == 0


def test_too_large_a_file(sqlite_api: Api) -> None:
    for options in ({"data": b"x" * 1_001}, {"files": {"file": ("a", b"x" * 1_001)}}):
        answer = sqlite_api.call("POST", "/probe/file", **options)
        sqlite_api.refused(answer, 400, "More than 1000.\r\nParameter name: file", -2147024809)


def test_no_file_is_read_from_nobody(sqlite_api: Api) -> None:
    assert sqlite_api.call("POST", "/probe/file", token=None, data=b"x").status_code == 401


def test_nothing_of_a_file_that_is_not_kept_stays(sqlite_api: Api) -> None:
    sqlite_api.result("POST", "/probe/file", data=b"x" * 500)
    sqlite_api.call("POST", "/probe/file", data=b"x" * 1_001)
    folder = sqlite_api.store.settings.data_dir
    assert [path for path in folder.rglob("*") if path.is_file() and path.parent != folder] == []


# -- the whole server ------------------------------------------------------------------------------------------------


def test_the_server_answers_at_the_base(sqlite_api: Api) -> None:
    app = application(sqlite_api.store)

    async def ask(path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://post.example") as client:
            return await client.get(f"http://post.example{path}", headers={"Authorization": sqlite_api.token})

    for path in ("/api/2.0/mail/nothing", "//api/2.0/mail/nothing"):
        answer = asyncio.run(ask(path))
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Method not found")
