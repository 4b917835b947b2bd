"""What every answer looks like (wire/onlyoffice.md §3.1 to §3.4, §8.12 to 8.14, 8.24 to 8.29), over real HTTP."""

import gzip
import json
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
import requests

from tests.dialects.onlyoffice.conftest import Api


def kind(api: Api, name: str, **options: Any) -> requests.Response:
    return api.call("GET", f"/probe/kinds/{name}", **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nothing", '{"status":0,"statusCode":200,"response":{}}'),
        ("number", '{"count":1,"status":0,"statusCode":200,"response":7}'),
        ("zero", '{"count":1,"status":0,"statusCode":200,"response":0}'),
        ("truth", '{"count":1,"status":0,"statusCode":200,"response":true}'),
        ("text", '{"count":6,"status":0,"statusCode":200,"response":"zażółć"}'),
        ("smile", '{"count":3,"status":0,"statusCode":200,"response":"a\U0001f600"}'),
        ("empty", '{"status":0,"statusCode":200,"response":""}'),
        ("record", '{"count":1,"status":0,"statusCode":200,"response":{"id":1,"firstName":"adam","note":"x","parts":[]}}'),
        ("none", '{"status":0,"statusCode":200,"response":[]}'),
    ],
)
def test_keys_and_counts(sqlite_api: Api, name: str, text: str) -> None:
    """§3.1: the order of the keys, count by kind, void as {} (§8.29)."""
    assert kind(sqlite_api, name).text == text


def test_lists_are_counted_and_a_total_is_written(sqlite_api: Api) -> None:
    content = sqlite_api.call("GET", "/probe/pages").json()
    assert list(content) == ["count", "total", "status", "statusCode", "response"]
    assert (content["count"], content["total"]) == (3, 70)


def test_a_post_is_201(sqlite_api: Api) -> None:
    answer = sqlite_api.call("POST", "/probe/echo")
    assert (answer.status_code, answer.json()["statusCode"]) == (201, 201)


def test_headers(sqlite_api: Api) -> None:
    """§3.2."""
    first, second = kind(sqlite_api, "number"), kind(sqlite_api, "number")
    assert first.headers["content-type"] == "application/json; charset=UTF-8"
    assert "max-age=0" in first.headers["cache-control"]
    assert first.headers["etag"] != second.headers["etag"]
    assert first.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("accept", ["text/xml", "text/html", "image/png", "nonsense"])
def test_the_accept_header_is_ignored(sqlite_api: Api, accept: str) -> None:
    assert kind(sqlite_api, "number", headers={"Accept": accept}).json()["response"] == 7


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("deflate,gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=1.0", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("x-gzip", False),
        ("", False),
    ],
)
def test_long_answers_are_packed_for_whoever_allows_it(sqlite_api: Api, accepted: str, packed: bool) -> None:  # noqa: FBT001 - parametrised
    """§8.25."""
    answer = kind(sqlite_api, "long", headers={"Accept-Encoding": accepted}, stream=True)
    raw = answer.raw.read(decode_content=False)
    assert ("content-encoding" in answer.headers) is packed
    assert json.loads(gzip.decompress(raw) if packed else raw)["response"] == "x" * 5_000
    assert "content-encoding" not in kind(sqlite_api, "number", headers={"Accept-Encoding": accepted}).headers


@pytest.mark.parametrize(
    ("name", "status", "message", "hresult"),
    [
        ("argument", 400, "Empty ids collection\r\nParameter name: ids", -2147024809),
        ("missing", 400, "Value cannot be null.\r\nParameter name: from", -2147467261),
        ("not_found", 404, "Message with 5 wasn't found.", -2147467259),
        ("forbidden", 403, "Sending emails is permitted only in the Drafts folder", -2146233079),
        ("core_not_found", 404, "Inst address with 5 wasn't found.", -2147467259),
        ("core_invalid", 400, "A value is required.\r\nParameter name: subject", -2147024809),
        ("core_state", 403, "Draft required.", -2146233079),
        ("core_forbidden", 403, "Not yours.", -2146233079),
        ("core_large", 400, "More than 200.\r\nParameter name: subject", -2147024809),
        ("core_unavailable", 503, "ServiceUnavailable", -2147467259),
    ],
)
def test_errors(sqlite_api: Api, name: str, status: int, message: str, hresult: int) -> None:
    """§3.3; §8.11: carriage return and line feed; §8.14: neither type nor stack."""
    sqlite_api.refused(kind(sqlite_api, name), status, message, hresult)


def test_a_store_that_is_away_is_asked_again_later(sqlite_api: Api) -> None:
    answer = kind(sqlite_api, "core_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "disk" not in answer.text


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/probe"),
        ("PATCH", "/probe/echo"),
        ("POST", "/probe/who"),
        ("GET", "/mail/mailservice/get"),
        ("GET", "/"),
        ("GET", ""),
    ],
)
def test_unknown_paths_and_wrong_verbs(sqlite_api: Api, verb: str, path: str) -> None:
    """§8.12: the envelope, with or without credentials."""
    if path:
        for token in ("", None):
            sqlite_api.refused(sqlite_api.call(verb, path, token=token), 404, "Method not found", -2147467259)
    else:
        assert sqlite_api.call(verb, path).status_code == 404


# -- XML (§3.4) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["xml", "tml", "XML"])
def test_xml_for_the_suffix(sqlite_api: Api, suffix: str) -> None:
    answer = sqlite_api.call("GET", f"/probe/items.{suffix}")
    assert answer.headers["content-type"] == "text/xml; charset=UTF-8"
    root = fromstring(answer.content)
    assert root.tag == "result"
    assert [child.tag for child in root] == ["count", "status", "statusCode", "response", "response", "response"]
    assert [child.findtext("firstName") for child in root.findall("response")] == ["Ewa", "adam", "Żaneta"]
    assert [child.findtext("note") for child in root.findall("response")] == ["", "x", ""]


def test_no_xml_for_a_request_in_json(sqlite_api: Api) -> None:
    answer = sqlite_api.call("GET", "/probe/items.xml", headers={"Content-Type": "application/json"})
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.json()["count"] == 3


def test_whatever_stands_in_texts_is_xml(sqlite_api: Api) -> None:
    answer = sqlite_api.call("GET", "/probe/kinds/odd.xml")
    assert fromstring(answer.content).findtext("response") == "<a>\ufffd\ufffd\r\n</a>"
    assert fromstring(sqlite_api.call("GET", "/probe/kinds/truth.xml").content).findtext("response") == "true"


def test_errors_in_xml(sqlite_api: Api) -> None:
    answer = sqlite_api.call("GET", "/probe/kinds/missing.xml")
    assert answer.status_code == 400
    root = fromstring(answer.content)
    assert [child.tag for child in root] == ["status", "statusCode", "error"]
    assert root.findtext("error/message") == "Value cannot be null.\r\nParameter name: from"
