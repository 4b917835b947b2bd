"""Who is calling (wire/callers.md §2.1, §2.2, §2.4, §5.1, §5.2)."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import requests
from oauthlib.oauth1 import SIGNATURE_TYPE_QUERY, Client
from requests_oauthlib import OAuth1
from sqlalchemy import update

from postroom import clock
from postroom.clock import SECOND
from postroom.dialects.schoology.auth import is_private
from postroom.dialects.schoology.errors import REPLAYED
from postroom.directory import clients
from postroom.settings import HttpSettings, OAuthSettings, SchoologySettings, Settings
from postroom.storage import tables
from tests.dialects.schoology.conftest import Callers

ME = "/app-user-info"


def header(callers: Callers, **changes: str) -> str:
    """Make a PLAINTEXT header by hand; ``absent`` leaves a parameter out."""
    given = {
        "realm": "Schoology API",
        "oauth_consumer_key": callers.key.key,
        "oauth_token": "",
        "oauth_nonce": "n1",
        "oauth_timestamp": str(int(time.time())),
        "oauth_signature_method": "PLAINTEXT",
        "oauth_version": "1.0",
        "oauth_signature": f"{callers.key.secret}%26",
        **changes,
    }
    return "OAuth " + ",".join(f'{name}="{value}"' for name, value in given.items() if value != "absent")


def raw(callers: Callers, authorization: str, path: str = ME, **headers: str) -> requests.Response:
    given = {"Authorization": authorization, **headers}
    return callers.http.get(f"{callers.base}{path}", headers=given, timeout=30, allow_redirects=False)


def refused(response: requests.Response, text: str) -> None:
    """A 401 has its text as it is: no JSON literal, whatever is accepted."""
    assert (response.status_code, response.text) == (401, text)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["WWW-Authenticate"].startswith("OAuth ")


def test_a_personal_key_acts_for_its_person(callers: Callers) -> None:
    """§2.1: two-legged."""
    assert callers.get(ME)["api_uid"] == callers.ben
    assert callers.get(ME, callers.cleo_key)["api_uid"] == callers.cleo


def test_a_token_acts_for_its_person_within_the_scope(callers: Callers) -> None:
    """§2.3: three-legged."""
    assert callers.get(ME, token=callers.token(callers.cleo))["api_uid"] == callers.cleo
    assert callers.get(ME, token=callers.token(callers.cleo, "mailclient", "schoology"))["api_uid"] == callers.cleo
    refused(callers.signed("GET", ME, token=callers.token(callers.cleo, "mailclient")), "The token lacks the scope schoology")


def test_a_token_counts_more_than_the_person_of_the_key(sqlite_callers: Callers) -> None:
    write = sqlite_callers.store.database.write_now
    vault = sqlite_callers.store.vault
    token = write(clients.add_token, vault, sqlite_callers.key.id, sqlite_callers.cleo, ["schoology"], clock.now())
    auth = OAuth1(sqlite_callers.key.key, sqlite_callers.key.secret, token.token, token.secret)
    assert sqlite_callers.get(ME, auth=auth)["api_uid"] == sqlite_callers.cleo


def test_the_token_of_another_program_is_unknown(sqlite_callers: Callers) -> None:
    token = sqlite_callers.token(sqlite_callers.cleo)
    response = sqlite_callers.signed("GET", ME, sqlite_callers.key, token=token)
    text = f'The consumer_key "{sqlite_callers.key.key}" token "{token.token}" combination does not exist or is not enabled.'
    refused(response, text)


def test_a_client_of_nobody_is_refused_where_a_person_is_needed(sqlite_callers: Callers) -> None:
    for client in (sqlite_callers.machine, sqlite_callers.admin):
        response = sqlite_callers.signed("GET", ME, client)
        assert (response.status_code, response.text) == (403, '""')


def test_keys_and_tokens_end_with_their_person(sqlite_callers: Callers) -> None:
    token = sqlite_callers.token(sqlite_callers.ben)
    gone = update(tables.users).where(tables.users.c.id == sqlite_callers.ben).values(active=False)
    sqlite_callers.store.database.write_now(lambda tx: tx.execute(gone) and None)
    assert sqlite_callers.signed("GET", ME).status_code == 401
    assert sqlite_callers.signed("GET", ME, token=token).status_code == 401


def test_revoked_tokens_and_disabled_clients_are_refused(sqlite_callers: Callers) -> None:
    token = sqlite_callers.token(sqlite_callers.cleo)
    write = sqlite_callers.store.database.write_now
    write(clients.revoke_token, token.token, clock.now())
    assert sqlite_callers.signed("GET", ME, token=token).status_code == 401
    write(clients.disable_client, sqlite_callers.key.key)
    assert sqlite_callers.signed("GET", ME).status_code == 401


@pytest.mark.parametrize("kind", ["AUTH_HEADER", SIGNATURE_TYPE_QUERY])
@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT"])
def test_signatures_stand_in_the_header_or_in_the_query(sqlite_callers: Callers, kind: str, method: str) -> None:
    """§2.1: OAuth parameters in the query string are accepted, PLAINTEXT included; query parameters are in the base string."""
    auth = OAuth1(sqlite_callers.key.key, sqlite_callers.key.secret, signature_type=kind, signature_method=method)
    assert sqlite_callers.get(f"{ME}?limit=20&x=a%20b", auth=auth)["api_uid"] == sqlite_callers.ben


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"oauth_token": "absent"},
        {"realm": ""},
        {"realm": "Schoology%20API"},
        {"realm": "absent"},
        {"oauth_version": "absent"},
        {"oauth_nonce": "JW7wiOq+4STr2kpx14EpDw=="},
        {"oauth_nonce": "a/b+c=="},
    ],
    ids=str,
)
def test_what_clients_write_into_the_header_is_tolerated(sqlite_callers: Callers, changes: dict[str, str]) -> None:
    """§2.1, §5.2: token absent or empty, any realm or none, nonces of raw base64."""
    assert raw(sqlite_callers, header(sqlite_callers, **changes)).status_code == 200


@pytest.mark.parametrize("ending", ["%26", "&"])
def test_plaintext_comes_escaped_or_raw(sqlite_callers: Callers, ending: str) -> None:
    """§2.1, §5.1: SECRET%26, SECRET&, and with the secret of a token."""
    secret = sqlite_callers.key.secret
    assert raw(sqlite_callers, header(sqlite_callers, oauth_signature=f"{secret}{ending}")).status_code == 200
    token = sqlite_callers.token(sqlite_callers.cleo)
    program = sqlite_callers.machine
    signed = header(
        sqlite_callers,
        oauth_consumer_key=program.key,
        oauth_token=token.token,
        oauth_signature=f"{program.secret}{ending}{token.secret}",
    )
    assert raw(sqlite_callers, signed).json()["api_uid"] == sqlite_callers.cleo
    wrong = header(sqlite_callers, oauth_nonce="n2", oauth_signature=f"{secret}x{ending}")
    refused(raw(sqlite_callers, wrong), "Verification of signature failed")


def test_a_plus_in_a_nonce_is_no_space(sqlite_callers: Callers) -> None:
    """§2.1."""
    assert raw(sqlite_callers, header(sqlite_callers, oauth_nonce="a+b")).status_code == 200
    assert raw(sqlite_callers, header(sqlite_callers, oauth_nonce="a%20b")).status_code == 200
    refused(raw(sqlite_callers, header(sqlite_callers, oauth_nonce="a%2Bb")), REPLAYED)


@pytest.mark.parametrize(
    "authority", ["http://api.schoology.com", "https://api.schoology.com", "https://127.0.0.1", "https://post.example"]
)
def test_the_authorities_that_clients_sign_are_accepted(configured_callers: Callable[..., Callers], authority: str) -> None:
    """§2.1, §5.1: the received one, http and https of the Host header, our own, and the configured ones; the query is signed."""
    callers = configured_callers(http=HttpSettings(public_url="https://post.example"))
    port = callers.base.removesuffix("/v1").rpartition(":")[2]
    signer = Client(callers.key.key, callers.key.secret)
    named = f"{authority}:{port}" if "127" in authority else authority
    _, headers, _ = signer.sign(f"{named}/v1{ME}?limit=20")
    answers = [raw(callers, headers["Authorization"], f"{ME}{query}").status_code for query in ("?limit=21", "", "?limit=20")]
    assert answers == [401, 401, 200]


def test_other_authorities_are_not(configured_callers: Callable[..., Callers]) -> None:
    """§7.1: the list of aliases may be empty."""
    callers = configured_callers(schoology=SchoologySettings(authorities=[]))
    signer = Client(callers.key.key, callers.key.secret)
    for host in ("api.schoology.com", "else.example"):
        _, headers, _ = signer.sign(f"https://{host}/v1{ME}")
        refused(raw(callers, headers["Authorization"]), "Verification of signature failed")


def test_the_host_that_a_client_names_is_one_that_it_may_sign(sqlite_callers: Callers) -> None:
    """§5.1: schoolopy sends Host: api.schoology.com to another address, with http in the base string."""
    signer = Client(sqlite_callers.key.key, sqlite_callers.key.secret)
    _, headers, _ = signer.sign(f"http://named.example/v1{ME}")
    assert raw(sqlite_callers, headers["Authorization"], Host="named.example").status_code == 200


def test_a_body_is_never_signed(sqlite_callers: Callers) -> None:
    """§2.1: signing the JSON members gives 401 (callers.js)."""
    url, key = f"{sqlite_callers.base}/multioptions", sqlite_callers.key
    body = '{"request":["/v1/users/me"]}'
    for signed, status in ((url, 200), (f"{url}?request=%2Fv1%2Fusers%2Fme", 401)):
        _, headers, _ = Client(key.key, key.secret).sign(signed, "POST")
        given = {**headers, "Content-Type": "application/json"}
        assert sqlite_callers.http.post(url, data=body, headers=given, timeout=30).status_code == status


def test_unsigned_query_parameters_are_refused(sqlite_callers: Callers) -> None:
    """§5.1: callers.js with the params argument leaves the query out of the base string."""
    key = sqlite_callers.key
    _, headers, _ = Client(key.key, key.secret).sign(f"{sqlite_callers.base}{ME}")
    refused(raw(sqlite_callers, headers["Authorization"], f"{ME}?limit=2"), "Verification of signature failed")


def test_many_requests_of_one_second_pass_with_different_nonces(sqlite_callers: Callers) -> None:
    """§2.1: same timestamp, different nonces."""
    now = str(int(time.time()))
    answers = [raw(sqlite_callers, header(sqlite_callers, oauth_timestamp=now, oauth_nonce=f"n{number}")) for number in range(5)]
    assert {answer.status_code for answer in answers} == {200}


def test_a_replay_has_its_exact_text(callers: Callers) -> None:
    """§2.2: with two spaces; a client compares it verbatim."""
    signed = header(callers)
    assert raw(callers, signed).status_code == 200
    refused(raw(callers, signed), "Duplicate timestamp/nonce combination, possible replay attack.  Request rejected.")


@pytest.mark.parametrize("accept", ["text/xml", "application/json"])
def test_a_header_replayed_after_a_redirect_is_a_replay_first_of_all(sqlite_callers: Callers, accept: str) -> None:
    """§1.5, §5.1: the signature does not fit the new URL either."""
    key = sqlite_callers.key
    _, headers, _ = Client(key.key, key.secret).sign(f"{sqlite_callers.base}/users/me")
    first = raw(sqlite_callers, headers["Authorization"], "/users/me")
    assert first.status_code == 303
    refused(raw(sqlite_callers, headers["Authorization"], f"/users/{sqlite_callers.ben}", Accept=accept), REPLAYED)


def test_an_outsider_cannot_use_up_a_nonce(callers: Callers) -> None:
    """§7.1: it is kept only after the signature passed."""
    refused(raw(callers, header(callers, oauth_signature="wrong")), "Verification of signature failed")
    assert raw(callers, header(callers)).status_code == 200


def test_a_refused_write_uses_its_nonce_up(sqlite_callers: Callers) -> None:
    """Otherwise the same header could be sent until it succeeds: here to a call that answers 404."""
    signed = header(sqlite_callers)
    assert raw(sqlite_callers, signed, "/users/999").status_code == 404
    refused(raw(sqlite_callers, signed, "/users/999"), REPLAYED)


def test_a_timestamp_out_of_the_window(sqlite_callers: Callers) -> None:
    """§2.2: in the words of the service, with our own window."""
    now = int(time.time())
    window = sqlite_callers.store.settings.oauth.timestamp_window
    for then in (now - window - 100, now + window + 100):
        text = raw(sqlite_callers, header(sqlite_callers, oauth_timestamp=str(then)))
        assert text.status_code == 401
        assert text.text.startswith(f"Timestamp is out of sequence. Request rejected. Got {then} last max is ")
        assert text.text.endswith(f" allowed skew is {window}")
    assert raw(sqlite_callers, header(sqlite_callers, oauth_timestamp=str(now - window + 30))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"oauth_nonce": "absent"}, 'Can\'t verify request signature, missing parameter "oauth_nonce"'),
        ({"oauth_signature": ""}, 'Can\'t verify request signature, missing parameter "oauth_signature"'),
        ({"oauth_timestamp": "absent"}, 'Can\'t verify request signature, missing parameter "oauth_timestamp"'),
        ({"oauth_consumer_key": "absent"}, "Can't verify request, missing oauth_consumer_key or oauth_token"),
        ({"oauth_consumer_key": "K"}, 'The consumer_key "K" token "" combination does not exist or is not enabled.'),
        ({"oauth_token": "T"}, 'The consumer_key "{key}" token "T" combination does not exist or is not enabled.'),
    ],
)
def test_what_is_wrong_with_a_signature_is_said(sqlite_callers: Callers, changes: dict[str, str], text: str) -> None:
    """§2.2."""
    refused(raw(sqlite_callers, header(sqlite_callers, **changes)), text.replace("{key}", sqlite_callers.key.key))


@pytest.mark.parametrize(
    "changes",
    [
        {"oauth_signature_method": "RSA-SHA1"},
        {"oauth_version": "2.0"},
        {"oauth_timestamp": "soon"},
        {"oauth_nonce": "n" * 300},
        {"oauth_nonce": "%zz"},
    ],
    ids=str,
)
def test_a_malformed_signature_is_refused_with_401(sqlite_callers: Callers, changes: dict[str, str]) -> None:
    """§3.1: 401 with an OAuth text; 400 is for what comes later."""
    response = raw(sqlite_callers, header(sqlite_callers, **changes))
    assert (response.status_code, response.text[:13]) == (401, "Can't verify ")


@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer x"])
def test_an_unsigned_request(sqlite_callers: Callers, authorization: str) -> None:
    refused(raw(sqlite_callers, authorization), "Can't verify request, missing oauth_consumer_key or oauth_token")


def test_no_error_tells_a_base_string_or_a_secret(sqlite_callers: Callers) -> None:
    """§2.2: a choice."""
    key = sqlite_callers.key
    _, headers, _ = Client(key.key, "wrong").sign(f"{sqlite_callers.base}{ME}")
    text = raw(sqlite_callers, headers["Authorization"]).text
    assert text == "Verification of signature failed"


@pytest.mark.parametrize(
    ("client", "scheme", "public_url", "private"),
    [
        (("127.0.0.1", 1), "http", "", True),
        (("::1", 1), "http", "", True),
        (None, "http", "", True),
        (("192.0.2.7", 1), "http", "", False),
        (("testclient", 1), "http", "", False),
        (("192.0.2.7", 1), "https", "", True),
        (("192.0.2.7", 1), "http", "https://post.example", True),
        (("127.0.0.1", 1), "http", "http://post.example", False),
        (("127.0.0.1", 1), "http", "http://localhost:8025", True),
    ],
)
def test_where_secrets_may_be_shown(client: Any, scheme: str, public_url: str, private: Any) -> None:
    """§2.1: PLAINTEXT over HTTPS, or on this very machine; the Host header says nothing."""
    scope = {"client": client, "scheme": scheme, "headers": [(b"host", b"localhost")]}
    assert is_private(scope, Settings(http=HttpSettings(public_url=public_url))) is private


@pytest.mark.parametrize("allowed", [False, True])
def test_plaintext_over_http_is_refused_unless_it_is_allowed(configured_callers: Callable[..., Callers], *, allowed: bool) -> None:
    """§2.1."""
    callers = configured_callers(http=HttpSettings(public_url="http://post.example"), oauth=OAuthSettings(plaintext_over_http=allowed))
    response = raw(callers, header(callers))
    assert response.status_code == (200 if allowed else 401)
    assert allowed or response.text.startswith("This is accepted over HTTPS only")


def run_as(callers: Callers, number: object, client: Any = None, **options: Any) -> requests.Response:
    return callers.signed("GET", ME, client or callers.admin, headers={"X-Schoology-Run-As": str(number)}, **options)


def test_an_administrative_client_runs_as_a_person(callers: Callers) -> None:
    """§2.4."""
    assert run_as(callers, callers.cleo).json()["api_uid"] == callers.cleo


def test_nobody_else_does(sqlite_callers: Callers) -> None:
    """§2.4: 403; a school uid makes no difference."""
    for client, token in (
        (sqlite_callers.key, None),
        (sqlite_callers.machine, None),
        (sqlite_callers.machine, sqlite_callers.token(sqlite_callers.ben)),
    ):
        for number in (sqlite_callers.cleo, "S-17", ""):
            assert run_as(sqlite_callers, number, client, token=token).status_code == 403


def test_whom_it_cannot_run_as(sqlite_callers: Callers) -> None:
    """§2.4: an invalid id 403, a school uid instead of an id 404."""
    for number in (999, 0, sqlite_callers.gus, "9" * 20):
        assert run_as(sqlite_callers, number).status_code == 403, number
    for number in ("S-17", "-1", "", quote("²"), "9" * 21):
        assert run_as(sqlite_callers, number).status_code == 404, number


def test_the_window_is_that_of_the_setting(configured_callers: Callable[..., Callers]) -> None:
    callers = configured_callers(oauth=OAuthSettings(timestamp_window=10))
    then = str(clock.now() // SECOND - 60)
    assert raw(callers, header(callers, oauth_timestamp=then)).text.endswith("allowed skew is 10")
