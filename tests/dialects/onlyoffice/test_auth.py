"""Who is calling (wire/onlyoffice.md §2, §7.5.13, §8.10, §8.13, §8.31)."""

import base64
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from postroom import clock
from postroom.directory import sessions, totp
from postroom.storage.tables import users
from tests.dialects.conftest import PASSWORD
from tests.dialects.onlyoffice.conftest import Api
from tests.support import counted

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def who(api: Api, **options: Any) -> int | None:
    answer = api.call("GET", "/probe/who", token=None, **options)
    if answer.status_code == 401:
        assert answer.text == "Unauthorized"
        return None
    assert answer.status_code == 200, answer.text
    return int(answer.json()["response"])


def test_the_token_in_each_place(api: Api) -> None:
    """§8.31."""
    token = api.token
    assert who(api, params={"asc_auth_key": token}) == api.jan
    assert who(api, params={"ASC_AUTH_KEY": token}) == api.jan
    assert who(api, headers={"Cookie": f"asc_auth_key={token}"}) == api.jan
    assert who(api, headers={"Authorization": token}) == api.jan
    assert who(api, headers={"authorization": token}) == api.jan
    assert who(api, headers={"Authorization": f"{token}, and more"}) == api.jan
    assert who(api, headers={"Authorization": f"Bearer {token}"}) == api.jan


def test_the_token_in_a_form(api: Api) -> None:
    answer = api.call("PUT", "/probe/echo", token=None, data={"asc_auth_key": api.token, "id": "5"})
    assert answer.json()["response"]["id"] == 5
    parts = {"asc_auth_key": (None, api.token), "id": (None, "5")}
    assert api.call("PUT", "/probe/echo", token=None, files=parts).json()["response"]["id"] == 5


def test_no_token_in_other_bodies(sqlite_api: Api) -> None:
    assert sqlite_api.call("PUT", "/probe/echo", token=None, json={"asc_auth_key": sqlite_api.token}).status_code == 401
    assert who(sqlite_api, data={"asc_auth_key": sqlite_api.token}) is None


def test_name_and_password(api: Api) -> None:
    for name in ("jan@x.example", "JAN@x.example", str(api.jan)):
        assert who(api, headers={"Authorization": basic(f"{name}:{PASSWORD}")}) == api.jan


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        "Basic",
        "Basic ",
        "Basic !",
        basic("jan@x.example"),
        basic("jan@x.example:"),
        basic(":x"),
        basic("jan@x.example:wrong"),
        basic("a\0b:x"),
        "Basic /w==",
        "Bearer x",
        "Bearer ",
        "bearer {token}",
        "BEARER {token}",
        "Token {token}",
        "{token}x",
        ",{token}",
    ],
)
def test_nobody_else(sqlite_api: Api, header: str) -> None:
    """§2: Basic and Bearer are matched by case; 401 is plain text, with a challenge for whoever tried."""
    answer = sqlite_api.call("GET", "/probe/who", token=None, headers={"Authorization": header.format(token=sqlite_api.token)})
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (401, "Unauthorized", "text/plain; charset=utf-8")
    assert answer.headers["www-authenticate"] == 'Basic Realm="127.0.0.1"'


def test_basic_is_matched_by_case(sqlite_api: Api) -> None:
    assert who(sqlite_api, headers={"Authorization": basic(f"jan@x.example:{PASSWORD}").replace("Basic", "basic")}) is None


def test_without_a_header_there_is_no_challenge(sqlite_api: Api) -> None:
    answer = sqlite_api.call("GET", "/probe/who", token=None, params={"asc_auth_key": "x"})
    assert (answer.status_code, answer.text) == (401, "Unauthorized")
    assert "www-authenticate" not in answer.headers


def test_the_first_credentials_that_hold_count(api: Api) -> None:
    """Query before form before cookie before header; what does not hold is passed over (our choice)."""
    hers = api.token_of(api.ewa)
    header = {"Authorization": hers}
    assert who(api, params={"asc_auth_key": api.token}, headers=header) == api.jan
    assert who(api, headers={**header, "Cookie": f"asc_auth_key={api.token}"}) == api.jan
    assert who(api, params={"asc_auth_key": "old"}, headers={**header, "Cookie": "asc_auth_key=old"}) == api.ewa


def test_a_form_goes_before_cookie_and_header(api: Api) -> None:
    """Seen in who may do what: the limit of requests is counted for the one in the form."""
    api.change(rate_limit=1)
    hers = api.token_of(api.ewa)
    first = api.call("PUT", "/probe/echo", token=hers, data={"asc_auth_key": api.token})
    second = api.call("PUT", "/probe/echo", token=hers, data={})
    third = api.call("PUT", "/probe/echo", token=hers, data={"asc_auth_key": api.token})
    statuses = (first.status_code, second.status_code, third.status_code)
    assert statuses == (200, 200, 503)


def test_a_token_in_json_is_a_parameter_as_any_other(api: Api) -> None:
    """Else it would change who is calling."""
    api.change(rate_limit=1)
    hers = api.token_of(api.ewa)
    statuses = [api.call("PUT", "/probe/echo", token=hers, json={"asc_auth_key": api.token}).status_code for _ in range(2)]
    assert statuses == [200, 503]
    assert api.call("PUT", "/probe/echo", json={}).status_code == 200


def test_tokens_end(api: Api) -> None:
    api.write(sessions.end, "onlyoffice", api.token)
    assert who(api, headers={"Authorization": api.token}) is None
    expired = api.write(sessions.begin, "onlyoffice", api.jan, clock.now() - clock.DAY, clock.HOUR).token
    assert who(api, headers={"Authorization": expired}) is None


def test_the_inactive_are_nobody(api: Api) -> None:
    api.write(lambda tx: tx.execute(update(users).where(users.c.id == api.jan).values(active=False)) and None)
    assert who(api, headers={"Authorization": api.token}) is None
    assert who(api, headers={"Authorization": basic(f"jan@x.example:{PASSWORD}")}) is None


def test_a_password_alone_is_not_enough_for_a_person_with_a_second_factor(api: Api) -> None:
    api.write(totp.enrol, api.store.vault, api.jan)
    assert who(api, headers={"Authorization": basic(f"jan@x.example:{PASSWORD}")}) is None
    assert who(api, headers={"Authorization": api.token}) == api.jan


def test_guessing_over_basic_is_throttled(api: Api) -> None:
    for _ in range(5):
        assert who(api, headers={"Authorization": basic("jan@x.example:wrong")}) is None
    assert who(api, headers={"Authorization": basic(f"jan@x.example:{PASSWORD}")}) is None
    assert who(api, headers={"Authorization": api.token}) == api.jan


def test_nobody_is_told_what_is_wrong_with_the_rest(sqlite_api: Api) -> None:
    """§1a.5: row 0a goes before 0b."""
    for options in (
        {"data": "{", "headers": {"Content-Type": "application/json"}},
        {"data": "%zz=1", "headers": FORM},
        {"data": {"id": "abc"}},
    ):
        answer = sqlite_api.call("PUT", "/probe/echo", token=None, **options)
        assert (answer.status_code, answer.text) == (401, "Unauthorized")


def test_a_token_costs_one_statement(api: Api) -> None:
    with counted(api.store) as statements:
        assert who(api, headers={"Authorization": api.token}) == api.jan
    assert len(statements) == 1


HEADERS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["", "Bearer ", "Digest ", "Basic x"]), HEADERS, HEADERS, HEADERS)
def test_any_credentials(sqlite_api: Api, scheme: str, header: str, query: str, cookie: str) -> None:
    answer = requests.get(
        f"{sqlite_api.base}/probe/who",
        params={"asc_auth_key": query},
        headers={"Authorization": f"{scheme}{header}".strip(), "Cookie": f"asc_auth_key={cookie}; {header}"},
        timeout=30,
    )
    assert (answer.status_code, answer.text) == (401, "Unauthorized")
