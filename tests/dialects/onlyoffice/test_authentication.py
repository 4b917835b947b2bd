"""Logging in (wire/onlyoffice.md §2, §7.5.13, §8.10)."""

import base64
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from postroom import clock
from postroom.dialects.onlyoffice import dates
from postroom.directory import totp
from tests.dialects.conftest import PASSWORD
from tests.dialects.onlyoffice.conftest import Api

GOOD = {"userName": "jan@x.example", "password": PASSWORD}
UTC = ZoneInfo("UTC")
FAILED = (500, "User authentication failed", -2146233087)


def log_in(api: Api, path: str = "/authentication", **options: Any) -> requests.Response:
    return api.call("POST", path, token=None, **options)


def token_of(api: Api, answer: requests.Response) -> Any:
    """Check a success, use its token, and return what was answered."""
    assert answer.status_code == 201, answer.text
    content = answer.json()
    assert list(content) == ["count", "status", "statusCode", "response"]
    assert (content["count"], content["status"], content["statusCode"]) == (1, 0, 201)
    assert api.result("GET", "/probe/who", token=content["response"]["token"]) == api.jan
    return content["response"]


@pytest.mark.parametrize("path", ["/authentication", "/authentication.json", "/AUTHENTICATION.json"])
def test_a_password_for_a_token(api: Api, path: str) -> None:
    assert list(token_of(api, log_in(api, path, json=GOOD))) == ["token", "expires"]


@pytest.mark.parametrize(
    "options",
    [
        {"data": GOOD},
        {"data": {"username": "jan@x.example", "password": PASSWORD}},
        {"params": GOOD},
        {"files": {"userName": (None, "jan@x.example"), "PASSWORD": (None, PASSWORD)}},
        {"data": f"<r><userName>jan@x.example</userName><password>{PASSWORD}</password></r>", "headers": {"Content-Type": "text/xml"}},
        {"json": {**GOOD, "provider": "email", "accessToken": None}},
    ],
)
def test_credentials_in_any_form(sqlite_api: Api, options: Any) -> None:
    """As JSON, form or query, in any case of letters."""
    token_of(sqlite_api, log_in(sqlite_api, **options))


def test_a_token_holds_for_a_year_unless_set_otherwise(sqlite_api: Api) -> None:
    expires = token_of(sqlite_api, log_in(sqlite_api, json=GOOD))["expires"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}[+-]\d\d:\d\d", expires)
    assert 364 * clock.DAY < dates.read(expires, UTC) - clock.now() <= 365 * clock.DAY
    sqlite_api.change(session_days=1, timezone="UTC")
    expires = token_of(sqlite_api, log_in(sqlite_api, json=GOOD))["expires"]
    assert expires.endswith("+00:00")
    assert dates.read(expires, UTC) - clock.now() <= clock.DAY


def test_the_token_is_a_cookie_too(sqlite_api: Api) -> None:
    answer = log_in(sqlite_api, json=GOOD)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"asc_auth_key={answer.json()['response']['token']}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")
    assert "Secure" not in cookie
    sqlite_api.http.cookies.clear()
    session = requests.Session()
    session.post(f"{sqlite_api.base}/authentication", json=GOOD, timeout=30)
    assert session.get(f"{sqlite_api.base}/probe/who", timeout=30).json()["response"] == sqlite_api.jan
    session.close()


def test_the_cookie_is_for_https_where_that_is_spoken(sqlite_api: Api) -> None:
    https = sqlite_api.call("POST", "/authentication", token=None, json=GOOD, headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in https.headers["set-cookie"]


def test_xml(sqlite_api: Api) -> None:
    answer = log_in(sqlite_api, "/authentication.xml", data=GOOD)
    assert answer.text.startswith('<?xml version="1.0" encoding="utf-8" ?>\n<result><count>1</count>')


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"userName": "", "password": PASSWORD},
        {"userName": "jan@x.example", "password": ""},
        {"userName": "jan@x.example", "password": "wrong"},
        {"userName": "nobody@x.example", "password": PASSWORD},
        {"userName": "jan@x.example", "password": PASSWORD, "provider": "google", "accessToken": "x"},
        {"provider": "google", "codeOAuth": "x"},
        {"userName": "a\u2028b", "password": "x"},
    ],
)
def test_a_failure_is_500_with_the_exact_text(sqlite_api: Api, given: Any) -> None:
    """§8.10: seen live, and waited for by clients."""
    sqlite_api.refused(log_in(sqlite_api, json=given), *FAILED)
    assert "set-cookie" not in log_in(sqlite_api, json=given).headers


def test_too_many_tries(api: Api) -> None:
    for _ in range(5):
        api.refused(log_in(api, json={**GOOD, "password": "wrong"}), *FAILED)
    answer = log_in(api, json=GOOD)
    api.refused(answer, 500, "Login Fail. Too many attempts", -2146233087)
    assert int(answer.headers["retry-after"]) >= 1


def test_a_second_factor(api: Api) -> None:
    secret = base64.b32decode(api.write(totp.enrol, api.store.vault, api.jan))
    pending = log_in(api, json=GOOD)
    assert pending.json() == {"count": 1, "status": 0, "statusCode": 201, "response": {"token": None, "tfa": True}}
    assert "set-cookie" not in pending.headers
    code = totp.code_at(secret, clock.now() // 30_000)
    api.refused(log_in(api, f"/authentication/{code}", json={**GOOD, "password": "wrong"}), *FAILED)
    wrong = str((int(code) + 1) % 1_000_000).zfill(6)
    api.refused(log_in(api, f"/authentication/{wrong}", json=GOOD), *FAILED)
    assert token_of(api, log_in(api, f"/authentication/{code}.json", data=GOOD))["tfa"] is True
    api.refused(log_in(api, f"/authentication/{code}", json=GOOD), *FAILED)


def test_a_code_where_none_is_due(sqlite_api: Api) -> None:
    sqlite_api.refused(log_in(sqlite_api, "/authentication/123456", json=GOOD), *FAILED)


@pytest.mark.parametrize("path", ["/authentication/setphone", "/authentication/sendsms", "/authentication/SendSms.json"])
def test_codes_by_telephone_are_refused(sqlite_api: Api, path: str) -> None:
    """Our choice: they come from apps."""
    sqlite_api.refused(
        log_in(sqlite_api, path, json={**GOOD, "mobilePhone": "1"}), 403, "Codes are not sent by telephone here.", -2146233079
    )


def test_a_body_of_nobody_is_small(sqlite_api: Api) -> None:
    """Whoever is not known yet sends http.max_body at most."""
    long = "x" * sqlite_api.store.settings.http.max_body
    sqlite_api.refused(log_in(sqlite_api, data={"userName": long}), 413, "The request is longer than 1048576 bytes.", -2147467259)
    assert sqlite_api.call("PUT", "/probe/echo", token=None, data={"from": long}).status_code == 401
    assert sqlite_api.call("PUT", "/probe/echo", data={"from": long}).status_code == 200
