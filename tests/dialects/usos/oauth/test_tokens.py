"""services/oauth: request_token, access_token, revoke_token (contract §2.2, §2.4)."""

import re
import threading
from urllib.parse import parse_qsl

import pytest
import requests
from requests_oauthlib import OAuth1
from sqlalchemy import select, update

from postroom.clock import HOUR
from postroom.directory import clients
from postroom.settings import HttpSettings, OAuthSettings
from postroom.storage import tables
from postroom.storage.database import Tx
from tests.consent import CALLBACK, SECONDS, Site


def refusal(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["message"]


def request_token(site: Site, *, place: str = "header", client: clients.Client | None = None, **parameters: str) -> requests.Response:
    """Call request_token with the parameters in one place."""
    client = client or site.program
    if place == "header":
        auth = OAuth1(client.key, client.secret, callback_uri=parameters.pop("oauth_callback", None))
        return site.http.post(site.url("oauth/request_token"), data=parameters, auth=auth, timeout=SECONDS)
    auth = OAuth1(client.key, client.secret, signature_type=place)
    where = {"params": parameters} if place == "query" else {"data": parameters}
    verb = "GET" if place == "query" else "POST"
    return site.http.request(verb, site.url("oauth/request_token"), auth=auth, timeout=SECONDS, **where)


@pytest.mark.parametrize("place", ["header", "query", "body"])
def test_a_request_token_is_an_urlencoded_body(sqlite_site: Site, place: str) -> None:
    """§2.2: oauth_callback in header, query or body; §2.2 last line: the shape of values."""
    response = request_token(sqlite_site, place=place, oauth_callback=CALLBACK, scopes="mailclient|offline_access")
    assert response.headers["Content-Type"] == "application/x-www-form-urlencoded"
    answer = dict(parse_qsl(response.text))
    assert sorted(answer) == ["oauth_callback_confirmed", "oauth_token", "oauth_token_secret"]
    assert answer["oauth_callback_confirmed"] == "true"
    assert re.fullmatch("[A-Za-z0-9]{20}", answer["oauth_token"])
    assert re.fullmatch("[A-Za-z0-9]{40}", answer["oauth_token_secret"])


def test_an_empty_token_is_none(sqlite_site: Site) -> None:
    """§2.3: one client sends oauth_token="" for request_token, with a realm."""
    program = sqlite_site.program
    auth = OAuth1(program.key, program.secret, resource_owner_key="", callback_uri="oob", realm="x")
    assert sqlite_site.http.post(sqlite_site.url("oauth/request_token"), auth=auth, timeout=SECONDS).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({}, ("param_missing", "oauth_callback"), "missing"),
        ({"oauth_callback": ""}, ("param_invalid", "oauth_callback"), "URL"),
        ({"oauth_callback": "https://else.example/back"}, ("param_invalid", "oauth_callback"), "not registered"),
        ({"oauth_callback": "https://app.example/background"}, ("param_invalid", "oauth_callback"), "not registered"),
        ({"oauth_callback": "javascript:alert(1)"}, ("param_invalid", "oauth_callback"), "scheme"),
        ({"oauth_callback": CALLBACK, "scopes": "mailclient|flying"}, ("param_invalid", "scopes"), "flying"),
    ],
)
def test_what_is_wrong_is_named(sqlite_site: Site, parameters: dict[str, str], error: tuple[str, str], words: str) -> None:
    response = request_token(sqlite_site, place="body", **parameters)
    assert response.status_code == 400
    body = response.json()
    assert (body["error"], body["param_name"]) == error
    assert words in body["message"]


def test_a_consumer_without_callbacks_has_a_pin_typed_in_only(sqlite_site: Site) -> None:
    """Our choice; administrative consumers likewise."""
    for client in (sqlite_site.client, sqlite_site.admin):
        assert request_token(sqlite_site, client=client, oauth_callback="oob").status_code == 200
        assert request_token(sqlite_site, client=client, oauth_callback=CALLBACK).json()["param_name"] == "oauth_callback"


def test_request_token_is_for_signed_requests(sqlite_site: Site) -> None:
    response = sqlite_site.http.get(sqlite_site.url("oauth/request_token?scopes=studies"), timeout=SECONDS)
    assert (response.status_code, response.json()["reason"]) == (401, "consumer_missing")


def test_three_steps_lead_to_a_token_that_works(site: Site) -> None:
    """§2.2, the whole way."""
    token = site.whole_way()
    assert re.fullmatch("[A-Za-z0-9]{20}", token["oauth_token"])
    assert re.fullmatch("[A-Za-z0-9]{40}", token["oauth_token_secret"])
    made = site.with_token("create_message", token, subject="s")
    assert made.status_code == 200
    assert site.ask("message", message_id=made.json()["message_id"], fields="subject") == {"subject": "s"}


def test_scopes_that_were_not_asked_for_are_missing(sqlite_site: Site) -> None:
    response = sqlite_site.with_token("user", sqlite_site.whole_way(scopes="studies"))
    assert (response.status_code, response.json()["missing_scopes"]) == (401, ["mailclient"])


def test_a_token_holds_two_hours_without_offline_access_and_for_good_with_it(site: Site) -> None:
    """§2.2: access tokens are short-lived unless the scope offline_access was granted."""

    def expiry(tx: Tx, token: str) -> int | None:
        row = tx.execute(select(tables.tokens).where(tables.tokens.c.token == token)).one()
        return None if row.expires_at is None else row.expires_at - row.created_at

    def age(tx: Tx) -> None:
        tx.execute(update(tables.tokens).values(expires_at=tables.tokens.c.expires_at - 2 * HOUR))

    short, long = site.whole_way(), site.whole_way(scopes="mailclient|offline_access")
    assert site.store.database.read_now(expiry, short["oauth_token"]) == 2 * HOUR
    assert site.store.database.read_now(expiry, long["oauth_token"]) is None
    site.store.database.write_now(age)
    assert refusal(site.with_token("user", short)) == (401, "Invalid token")
    assert site.with_token("user", long).status_code == 200


def test_a_request_token_is_no_access_token(site: Site) -> None:
    asked = site.asked()
    assert refusal(site.with_token("user", asked)) == (401, "Invalid token")
    site.verifier(asked)
    assert refusal(site.with_token("user", asked)) == (401, "Invalid token")


def test_a_token_is_made_once(site: Site) -> None:
    """A reused verifier."""
    asked = site.asked()
    verifier = site.verifier(asked)
    assert site.exchange(asked, verifier).status_code == 200
    assert refusal(site.exchange(asked, verifier)) == (401, "Invalid token")


def test_of_two_exchanges_at_once_one_wins(site: Site) -> None:
    asked = site.asked()
    verifier = site.verifier(asked)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(site.exchange(asked, verifier).status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 401, 401, 401]


def test_nothing_comes_of_a_token_that_nobody_has_consented_to(site: Site) -> None:
    status, message = refusal(site.exchange(site.asked(), "whatever"))
    assert status == 401
    assert "not authorised" in message


def test_five_wrong_verifiers_end_the_request(site: Site) -> None:
    """The fourth may still be mended, the fifth is the last one."""
    asked = site.asked()
    verifier = site.verifier(asked)
    for _ in range(4):
        assert refusal(site.exchange(asked, "12345678")) == (401, "Invalid verifier")
    other = site.asked()
    right = site.verifier(other)
    for _ in range(4):
        site.exchange(other, "12345678")
    assert site.exchange(other, right).status_code == 200
    assert refusal(site.exchange(asked, "x")) == (401, "Invalid verifier")
    assert refusal(site.exchange(asked, verifier)) == (401, "Invalid token")


def test_the_token_of_another_consumer_is_worth_nothing(site: Site) -> None:
    asked = site.asked()
    verifier = site.verifier(asked)
    assert refusal(site.exchange(asked, verifier, client=site.admin)) == (401, "Invalid token")
    assert site.exchange(asked, verifier).status_code == 200


def test_a_verifier_is_required(sqlite_site: Site) -> None:
    asked = sqlite_site.asked()
    auth = OAuth1(sqlite_site.program.key, sqlite_site.program.secret, asked["oauth_token"], asked["oauth_token_secret"])
    response = sqlite_site.http.post(sqlite_site.url("oauth/access_token"), auth=auth, timeout=SECONDS)
    assert (response.json()["error"], response.json()["param_name"]) == ("param_missing", "oauth_verifier")


def test_as_user_id_stands_for_no_token_here(sqlite_site: Site) -> None:
    """Nobody has consented, and there is nothing to end."""
    admin = sqlite_site.admin
    for method in ("access_token", "revoke_token"):
        given = {"as_user_id": str(sqlite_site.jan), "oauth_verifier": "1"}
        response = sqlite_site.http.post(
            sqlite_site.url(f"oauth/{method}"), data=given, auth=OAuth1(admin.key, admin.secret), timeout=SECONDS
        )
        assert refusal(response) == (401, "Invalid token")


def test_a_request_is_over_after_half_an_hour(site: Site) -> None:
    def age(tx: Tx) -> None:
        tx.execute(update(tables.request_tokens).values(expires_at=tables.request_tokens.c.expires_at - HOUR // 2))

    asked = site.asked()
    verifier = site.verifier(asked)
    site.store.database.write_now(age)
    assert refusal(site.exchange(asked, verifier)) == (401, "Invalid token")


@pytest.mark.parametrize("public", ["", "https://post.example", "http://post.example"])
def test_secrets_are_answered_over_https_or_on_this_machine_only(sqlite_site: Site, public: str) -> None:
    """§2.2: access_token needs SSL; our choice: not on the loopback interface."""
    asked = sqlite_site.asked()
    verifier = sqlite_site.verifier(asked)
    sqlite_site.reconfigured(http=HttpSettings(public_url=public))
    signer = OAuth1(
        sqlite_site.program.key, sqlite_site.program.secret, asked["oauth_token"], asked["oauth_token_secret"], verifier=verifier
    )
    prepared = requests.Request("POST", f"{public or sqlite_site.base.rstrip('/')}/services/oauth/access_token", auth=signer).prepare()
    prepared.url = sqlite_site.url("oauth/access_token")
    response = sqlite_site.http.send(prepared, timeout=SECONDS)
    if public.startswith("http:"):
        assert (response.status_code, response.json()["reason"]) == (403, "secure_required")
    else:
        assert response.status_code == 200, response.text


def test_a_setting_allows_plain_http(sqlite_site: Site) -> None:
    sqlite_site.reconfigured(http=HttpSettings(public_url="http://post.example"), oauth=OAuthSettings(plaintext_over_http=True))
    auth = OAuth1(sqlite_site.program.key, sqlite_site.program.secret, "x", "y", verifier="z", signature_method="PLAINTEXT")
    assert refusal(sqlite_site.http.post(sqlite_site.url("oauth/access_token"), auth=auth, timeout=SECONDS)) == (401, "Invalid token")


def test_a_revoked_token_is_over_and_others_are_not(site: Site) -> None:
    """§2.2: revoke_token, signed with the access token."""
    first, second = site.whole_way(), site.whole_way()
    assert site.with_token("oauth/revoke_token", first).json() == {}
    assert refusal(site.with_token("user", first)) == (401, "Invalid token")
    assert refusal(site.with_token("oauth/revoke_token", first)) == (401, "Invalid token")
    assert site.with_token("user", second).status_code == 200


def test_deauthorize_ends_all_that_this_person_has_allowed_this_consumer(site: Site) -> None:
    first, second = site.whole_way(), site.whole_way()
    under_way = site.asked()
    verifier = site.verifier(under_way)
    assert site.with_token("oauth/revoke_token", first, deauthorize="true").json() == {}
    for token in (first, second):
        assert refusal(site.with_token("user", token)) == (401, "Invalid token")
    assert refusal(site.exchange(under_way, verifier)) == (401, "Invalid token")
    assert site.ask("user") == []  # Jan's token of another consumer
    assert site.ask("user", site.anna_token) == []


def test_the_callback_keeps_its_own_query(sqlite_site: Site) -> None:
    callback = f"{CALLBACK}/below?state=a%20b&x="
    asked = sqlite_site.asked(callback=callback)
    visitor = sqlite_site.visitor()
    verifier = sqlite_site.verifier(asked, visitor)
    assert visitor.page.target == f"{callback}&oauth_token={asked['oauth_token']}&oauth_verifier={verifier}"
    assert len(verifier) >= 32
