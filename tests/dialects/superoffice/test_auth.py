"""Who is calling (wire/superoffice.md §2)."""

from base64 import b32decode, b64encode
from datetime import datetime
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from postroom import clock
from postroom.clock import HOUR, SECOND
from postroom.dialects.superoffice.auth import Ticket
from postroom.directory import passwords, sessions, totp
from postroom.pages import sessions as browser
from tests.dialects.superoffice.conftest import Api, basic
from tests.dialects.superoffice.probes import PROBES
from tests.support import counted


def who(api: Api, headers: Any, **options: Any) -> Any:
    """Call as the headers say; return the number of who was taken to be calling, or the answer of a refusal."""
    answer = api.request("POST", "/api/v1/Agents/EMail/GetCurrentAccountId", headers=headers, **options)
    return answer.json() if answer.status_code == 200 else answer


@pytest.fixture(name="api")
def _api(api: Api) -> Api:
    api.serve(*PROBES)
    return api


@pytest.fixture(name="sqlite_api")
def _sqlite_api(sqlite_api: Api) -> Api:
    sqlite_api.serve(*PROBES)
    return sqlite_api


def test_basic(api: Api) -> None:
    """§2.1: name and password of a person; the scheme in letters of either case."""
    assert who(api, basic()) == api.jan
    assert who(api, basic(str(api.ewa))) == api.ewa
    assert who(api, {"Authorization": basic()["Authorization"].replace("Basic", "BASIC")}) == api.jan


@pytest.mark.parametrize("scheme", ["SOTicket", "SoTicket", "SOTICKET", "Bearer"])
@pytest.mark.parametrize("prefix", ["", "7T:", "8A:Cust12345."])
def test_a_ticket(sqlite_api: Api, scheme: str, prefix: str) -> None:
    """Key facts 6: as it is, in every spelling of the scheme."""
    assert who(sqlite_api, {"Authorization": f"{scheme} {prefix}{sqlite_api.ticket}", "SO-AppToken": "x"}) == sqlite_api.jan


@pytest.mark.parametrize(
    "given",
    [
        None,
        "Basic",
        "Basic !",
        "Basic amFu",
        f"Basic {b64encode(b'jan@x.example:wrong').decode()}",
        f"Basic {b64encode(bytes([255])).decode()}",
        "SOTicket",
        "SOTicket 7T:abc123==",
        "SOTicket ó".encode(),
        "Bearer 8A:Cust12345.xyz",
        "Negotiate x",
    ],
)
def test_nobody(sqlite_api: Api, given: Any) -> None:
    """§3.5: 401, and a browser asks for a password."""
    answer = who(sqlite_api, {} if given is None else {"Authorization": given})
    assert answer.status_code == 401
    assert answer.json() == {"Message": "Authorization has been denied for this request."}
    assert answer.headers["www-authenticate"] == 'Basic realm="127.0.0.1"'


def test_whoever_is_not_known_learns_nothing(sqlite_api: Api) -> None:
    """Neither whether a method is served, nor what is wrong with a request."""
    for name in ("Save", "NoSuchMethod", "SendEMails"):
        assert sqlite_api.request("POST", f"/api/v1/Agents/EMail/{name}", data="{").status_code == 401


def test_a_ticket_of_another_interface_is_none(sqlite_api: Api) -> None:
    token = sqlite_api.write(sessions.begin, "onlyoffice", sqlite_api.jan, clock.now(), HOUR).token
    assert who(sqlite_api, {"Authorization": f"SOTicket {token}"}).status_code == 401


def test_what_a_call_asks_of_the_store(api: Api) -> None:
    """One statement finds who holds a ticket."""
    with counted(api.store) as statements:
        assert who(api, {"Authorization": f"SOTicket {api.ticket}"}) == api.jan
    assert len(statements) == 1


def test_a_ticket_ends(sqlite_api: Api) -> None:
    ticket = sqlite_api.write(sessions.begin, "superoffice", sqlite_api.jan, clock.now() - 2 * HOUR, HOUR).token
    assert who(sqlite_api, {"Authorization": f"SOTicket {ticket}"}).status_code == 401
    sqlite_api.write(sessions.end_all, sqlite_api.jan)
    assert who(sqlite_api, {"Authorization": f"SOTicket {sqlite_api.ticket}"}).status_code == 401


def test_a_ticket_is_issued_for_a_password(api: Api) -> None:
    """Ours: POST /api/v1/Ticket; it holds as long as the setting says."""
    api.change(ticket_hours=1)
    before = clock.now()
    answer = api.request("POST", "/Cust12345/api/v1/Ticket", headers=basic())
    assert answer.status_code == 200
    issued = answer.json()
    assert who(api, {"Authorization": f"SOTicket {issued['Ticket']}"}) == api.jan
    ends = datetime.fromisoformat(issued["ValidUntil"]).timestamp() * 1_000
    assert before + HOUR - SECOND <= ends <= clock.now() + HOUR
    assert issued["Ticket"] not in repr(Ticket(ticket=issued["Ticket"], valid_until=issued["ValidUntil"]))


@pytest.mark.parametrize("headers", [{}, basic(password="wrong"), {"Authorization": "SOTicket x"}])
def test_no_ticket_without_a_password(sqlite_api: Api, headers: Any) -> None:
    assert sqlite_api.request("POST", "/api/v1/Ticket", headers=headers).status_code == 401


def test_no_ticket_for_a_ticket(sqlite_api: Api) -> None:
    answer = sqlite_api.request("POST", "/api/v1/Ticket", headers={"Authorization": f"SOTicket {sqlite_api.ticket}"})
    assert answer.status_code == 401
    assert sqlite_api.request("GET", "/api/v1/Ticket", headers=basic()).status_code == 405


def test_a_second_factor_needs_a_ticket(sqlite_api: Api) -> None:
    """A password alone is not enough, neither for a call nor for a ticket."""
    secret = b32decode(sqlite_api.write(totp.enrol, sqlite_api.store.vault, sqlite_api.jan))
    assert who(sqlite_api, basic()).status_code == 401
    assert sqlite_api.request("POST", "/api/v1/Ticket", headers=basic()).status_code == 401
    code = totp.code_at(secret, clock.now() // 30_000)
    answer = sqlite_api.request("POST", "/api/v1/Ticket", headers=basic(), json={"code": code})
    assert answer.status_code == 200, answer.text
    assert who(sqlite_api, {"Authorization": f"Bearer {answer.json()['Ticket']}"}) == sqlite_api.jan


def test_guessing_is_slowed_down(sqlite_api: Api) -> None:
    """§7.1: 429, and when to come again; the right password is not even compared."""
    for _ in range(30):
        answer = who(sqlite_api, basic(password="wrong"))
        if answer.status_code == 429:
            break
    answer = who(sqlite_api, basic())
    assert (answer.status_code, answer.json()) == (429, {"Message": "Too many requests."})
    assert int(answer.headers["retry-after"]) > 0


def cookies_of(api: Api) -> dict[str, str]:
    """Log Jan in in a browser, as the pages do."""
    vault, settings = api.store.vault, api.store.settings
    holder = api.write(passwords.by_id, api.jan)
    session = browser.begun(clock.now(), api.jan, passwords.stamp(vault, holder))
    response = Response()
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "server": ("127.0.0.1", 80)})
    browser.put(response, session, request, settings, vault)
    name, _, rest = response.headers["set-cookie"].partition("=")
    return {name: rest.partition(";")[0]}


def test_a_browser(api: Api) -> None:
    """§2.1: the session of a person who has logged in, and the value of the cookie XSRF-TOKEN in X-XSRF-TOKEN."""
    cookies = cookies_of(api)
    token = api.request("GET", "/api", cookies=cookies).cookies["XSRF-TOKEN"]
    assert who(api, {"X-XSRF-TOKEN": token}, cookies=cookies) == api.jan
    for headers, given in [({"X-XSRF-TOKEN": "x"}, cookies), ({"X-XSRF-TOKEN": token}, {}), ({}, cookies)]:
        answer = who(api, headers, cookies=given)
        assert answer.status_code == 401
        assert ("www-authenticate" in answer.headers) is not bool(headers), "no window for a program in a browser"


def test_no_token_for_nobody(sqlite_api: Api) -> None:
    """Ours: only who has logged in is given the cookie."""
    assert "set-cookie" not in sqlite_api.request("GET", "/api").headers
