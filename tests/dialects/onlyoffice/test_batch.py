"""Several requests in one (wire/onlyoffice.md §1b Batch, §7.5.14, §8.30)."""

import json
from typing import Any

import pytest

from tests.dialects.onlyoffice.conftest import Api

FORM = "application/x-www-form-urlencoded; charset=utf-8"


def batch(api: Api, *items: Any) -> Any:
    return api.result("POST", "/batch.json", data={"batch": json.dumps(items)})


@pytest.mark.parametrize(
    "ask",
    [
        lambda api, text: api.call("POST", "/batch", data={"batch": text}),
        lambda api, text: api.call("POST", "/batch.json", params={"batch": text}),
        lambda api, text: api.call("POST", "/batch.json", json={"batch": json.loads(text)}),
        lambda api, text: api.call("GET", "/batch.json", params={"batch": text}),
    ],
)
def test_a_batch_in_any_form(sqlite_api: Api, ask: Any) -> None:
    answer = ask(sqlite_api, json.dumps([{"name": "a", "relativeUrl": "/api/2.0/probe/who.json"}]))
    assert answer.status_code in {200, 201}
    (item,) = answer.json()["response"]
    assert list(item) == ["name", "status", "headers", "data"]
    assert (item["name"], item["status"], item["headers"]["Content-Type"]) == ("a", 200, "application/json; charset=UTF-8")
    assert json.loads(item["data"]) == {"count": 1, "status": 0, "statusCode": 200, "response": sqlite_api.jan}


def test_the_items_of_the_web_client(sqlite_api: Api) -> None:
    """§5: {Name, RelativeUrl, RelativeMethod}."""
    first, second = batch(
        sqlite_api,
        {"Name": "x", "RelativeUrl": "/api/2.0/probe/who.json?__=1", "RelativeMethod": "get"},
        {"Name": "y", "RelativeUrl": "api/2.0/probe/5.json", "RelativeMethod": "delete"},
    )
    assert json.loads(first["data"])["response"] == sqlite_api.jan
    assert json.loads(second["data"])["response"] == 5


def test_bodies(sqlite_api: Api) -> None:
    url = "/api/2.0/probe/echo.json"
    items = batch(
        sqlite_api,
        {"relativeUrl": url, "method": "PUT", "body": "id=5&to[]=a&to[]=%C5%BC"},
        {"relativeUrl": url, "method": "put", "body": '{"id": 6, "to": ["ż"]}', "bodyContentType": "application/json; charset=utf-8"},
        {"relativeUrl": f"{url}?id=7", "method": "POST"},
    )
    assert [(item["status"], json.loads(item["data"])["response"]["id"]) for item in items] == [(200, 5), (200, 6), (201, 7)]
    assert json.loads(items[0]["data"])["response"]["to"] == ["a", "ż"]


def test_items_are_answered_in_their_order(sqlite_api: Api) -> None:
    items = batch(sqlite_api, *({"name": str(order), "relativeUrl": "api/2.0/probe/who", "order": order} for order in (3, 1, 2)))
    assert [item["name"] for item in items] == ["1", "2", "3"]


def test_an_error_is_the_answer_of_its_item(sqlite_api: Api) -> None:
    bad, good = batch(sqlite_api, {"relativeUrl": "/api/2.0/probe/echo?id=x"}, {"relativeUrl": "/api/2.0/probe/who"})
    assert (bad["status"], json.loads(bad["data"])["error"]["message"]) == (400, "Input string was not in a correct format.")
    assert good["status"] == 200


@pytest.mark.parametrize(
    "item",
    [
        {"relativeUrl": "/"},
        {"relativeUrl": "/api/2.0/nothing"},
        {"relativeUrl": "/api/2.0/probe/who", "method": "PUT"},
        {"relativeUrl": "/services/users/user"},
        {"relativeUrl": "https://evil.example/api/2.0/probe/who"},
        {"relativeUrl": "/api/2.0x/probe/who"},
        {"relativeUrl": "/api/2.0/batch.json?batch=[]"},
        {"relativeUrl": "/api/2.0/batch.json", "method": "GET"},
        {"relativeUrl": "\ud83d\ude00%zz%ff"},
    ],
)
def test_what_leads_nowhere_is_null(sqlite_api: Api, item: Any) -> None:
    """§8.30; a batch inside a batch, too."""
    assert batch(sqlite_api, item) == [None]


def test_batches_in_one_another_end(sqlite_api: Api) -> None:
    inner = json.dumps([{"relativeUrl": "/api/2.0/batch", "method": "GET"}, {"relativeUrl": "/api/2.0/probe/who"}])
    assert batch(sqlite_api, {"relativeUrl": "/api/2.0/batch", "method": "GET", "body": f"batch={inner}"}) == [None]


@pytest.mark.parametrize("given", [{}, {"batch": ""}, {"batch": "[]"}, {"batch": "[{}]"}, {"batch": "x"}])
def test_no_batch(sqlite_api: Api, given: Any) -> None:
    """An error with the status 200."""
    sqlite_api.refused(sqlite_api.call("POST", "/batch", data=given), 200, "no batch specified", -2146233079)


def test_too_many(sqlite_api: Api) -> None:
    answer = sqlite_api.call("POST", "/batch", json={"batch": [{"relativeUrl": "api/2.0/probe/who"}] * 101})
    sqlite_api.refused(answer, 400, "More than 100 requests.\r\nParameter name: batch", -2147024809)


def test_a_batch_is_for_known_callers(sqlite_api: Api) -> None:
    assert sqlite_api.call("POST", "/batch", token=None, data={"batch": "[]"}).status_code == 401


def test_an_item_in_xml(sqlite_api: Api) -> None:
    (item,) = batch(sqlite_api, {"relativeUrl": "api/2.0/probe/who.xml"})
    assert item["data"].startswith("<?xml")
