"""Three steps to a token (wire/schoology.md §2.3): both calls, the page between them, and what a missing verifier must not open."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from requests_oauthlib import OAuth1

from postroom import clock
from postroom.clock import SECOND
from postroom.directory import clients, grants
from postroom.directory.records import Token
from postroom.settings import HttpSettings, OAuthSettings
from postroom.storage.store import Store
from tests.consent import CALLBACK, PASSWORD, SECONDS, Page, Site, Visitor, running_site
from tests.dialects.conftest import Server
from tests.dialects.schoology.conftest import Callers

DONE = "Go back to the program that asked."


@pytest.fixture
def site(store: Store, server: Server) -> Iterator[Site]:
    with running_site(store, server) as site:
        yield site


@pytest.fixture
def sqlite_site(sqlite_store: Store, server: Server) -> Iterator[Site]:
    with running_site(sqlite_store, server) as site:
        yield site


def call(site: Site, path: str, verb: str = "GET", token: dict[str, str] | None = None, **options: Any) -> requests.Response:
    pair = () if token is None else (token["oauth_token"], token["oauth_token_secret"])
    auth = OAuth1(site.program.key, site.program.secret, *pair, **options)
    return site.http.request(verb, f"{site.base}v1{path}", auth=auth, timeout=SECONDS, allow_redirects=False)


def asked(site: Site) -> dict[str, str]:
    """Call request_token, which must succeed."""
    response = call(site, "/oauth/request_token")
    assert response.status_code == 200, response.text
    return dict(parse_qsl(response.text))


def arrived(site: Site, token: dict[str, str], **parameters: str) -> Visitor:
    """Open the page in an English browser and log in as Jan."""
    visitor = site.visitor(**{"Accept-Language": "en"})
    visitor.url = f"{site.base}oauth/authorize"
    visitor.open(token["oauth_token"], **parameters)
    if visitor.page.status == 200:
        visitor.log_in(str(site.jan), PASSWORD)
    return visitor


def granted(site: Site) -> Token | dict[str, str]:
    """Go the whole way; return the decoded answer of access_token."""
    token = asked(site)
    arrived(site, token, oauth_callback=CALLBACK).submit("allow")
    response = call(site, "/oauth/access_token", token=token)
    assert response.status_code == 200, response.text
    return dict(parse_qsl(response.text))


def test_request_token_answers_in_a_form(site: Site) -> None:
    """§2.3: oauth_token, oauth_token_secret, xoauth_token_ttl, whatever is accepted."""
    response = call(site, "/oauth/request_token")
    assert response.headers["Content-Type"] == "application/x-www-form-urlencoded"
    answer = dict(parse_qsl(response.text))
    assert sorted(answer) == ["oauth_token", "oauth_token_secret", "xoauth_token_ttl"]
    assert answer["xoauth_token_ttl"] == str(grants.LIFETIME // SECOND)


@pytest.mark.parametrize("path", ["/oauth/request_token", "/oauth/access_token"])
@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
def test_both_calls_are_get(sqlite_site: Site, path: str, verb: str) -> None:
    """§2.3: POST → 405."""
    response = call(sqlite_site, path, verb)
    assert (response.status_code, response.headers["Allow"], response.text) == (405, "GET, HEAD, OPTIONS", "")


@pytest.mark.parametrize("parameter", ["oauth_callback", "return_url"])
def test_the_whole_way(site: Site, parameter: str) -> None:
    """§2.3: the callback gets oauth_token and no verifier; none is needed for the exchange."""
    token = asked(site)
    visitor = arrived(site, token, **{parameter: f"{CALLBACK}?state=1"})
    assert "read, send and delete private messages in your name" in visitor.page.text
    assert "form-action 'self' https://app.example;" in f"{visitor.page.headers['Content-Security-Policy']};", (
        "browsers apply it to redirects"
    )
    back = visitor.submit("allow")
    assert (back.status, back.target.split("?")[0]) == (303, CALLBACK)
    assert back.answer == {"state": "1", "oauth_token": token["oauth_token"]}
    made = dict(parse_qsl(call(site, "/oauth/access_token", token=token).text))
    assert sorted(made) == ["oauth_token", "oauth_token_secret"]
    assert call(site, "/app-user-info", token=made).json()["api_uid"] == site.jan
    standing = site.store.database.read_now(grants.standing, site.program.id, site.jan, clock.now(), 10)
    assert [(one.scopes, one.expires_at) for one in standing if one.client_name == site.program.name] == [(["schoology"], None)]
    site.store.database.write_now(clients.revoke_token, made["oauth_token"], clock.now())
    assert call(site, "/app-user-info", token=made).status_code == 401


@pytest.mark.parametrize("parameters", [{}, {"oauth_callback": ""}, {"oauth_callback": "oob"}], ids=str)
def test_without_a_callback_the_page_says_that_it_is_done(sqlite_site: Site, parameters: dict[str, str]) -> None:
    token = asked(sqlite_site)
    page = arrived(sqlite_site, token, **parameters).submit("allow")
    assert (page.status, DONE in page.text) == (200, True)
    assert call(sqlite_site, "/oauth/access_token", token=token).status_code == 200


@pytest.mark.parametrize(
    "callback",
    ["https://else.example/", "javascript:alert(1)", "/back", f"{CALLBACK}ground", "https://app.example@x.example/back", "x" * 9_000],
)
@pytest.mark.parametrize("parameter", ["oauth_callback", "return_url"])
def test_a_callback_that_is_not_registered_is_never_gone_to(sqlite_site: Site, parameter: str, callback: str) -> None:
    """Nobody is asked, so nothing can be allowed by mistake either."""
    token = asked(sqlite_site)
    page = arrived(sqlite_site, token, **{parameter: callback}).page
    assert (page.status, page.target, "not registered" in page.text) == (400, "", True)
    assert call(sqlite_site, "/oauth/access_token", token=token).status_code == 401


def test_a_callback_cannot_be_exchanged_while_the_form_is_open(sqlite_site: Site) -> None:
    """The form is posted to the URL of the page, so whoever changes it there is refused as well."""
    visitor = arrived(sqlite_site, asked(sqlite_site), oauth_callback=CALLBACK)
    visitor.at = visitor.at.replace("app.example", "else.example")
    assert visitor.submit("allow").status == 400


@pytest.mark.parametrize("parameters", [{"oauth_callback": CALLBACK}, {}], ids=["back", "nowhere"])
def test_a_refusal_ends_the_request(sqlite_site: Site, parameters: dict[str, str]) -> None:
    token = asked(sqlite_site)
    page = arrived(sqlite_site, token, **parameters).submit("refuse")
    if parameters:
        assert page.answer == {"oauth_token": token["oauth_token"], "error": "access_denied"}
    else:
        assert (page.status, "You may close this page" in page.text) == (200, True)
    assert call(sqlite_site, "/oauth/access_token", token=token).status_code == 401


def test_whoever_has_allowed_it_before_is_asked_all_the_same(sqlite_site: Site) -> None:
    """Without a verifier somebody else may have begun the request, and a silent page would finish it for him."""
    granted(sqlite_site)
    visitor = arrived(sqlite_site, asked(sqlite_site), oauth_callback=CALLBACK, interactivity="minimal")
    assert 'value="allow"' in visitor.page.html


def test_a_request_token_is_exchanged_once_and_only_when_it_was_allowed(site: Site) -> None:
    token = asked(site)
    early = call(site, "/oauth/access_token", token=token)
    assert (
        early.text == f'The consumer_key "{site.program.key}" token "{token["oauth_token"]}" combination does not exist or is not enabled.'
    )
    arrived(site, token).submit("allow")
    assert [call(site, "/oauth/access_token", token=token).status_code for _ in range(2)] == [200, 401]


def test_a_request_token_is_no_access_token_and_the_reverse(sqlite_site: Site) -> None:
    token = asked(sqlite_site)
    arrived(sqlite_site, token).submit("allow")
    assert call(sqlite_site, "/app-user-info", token=token).status_code == 401
    made = dict(parse_qsl(call(sqlite_site, "/oauth/access_token", token=token).text))
    assert call(sqlite_site, "/oauth/access_token", token=made).status_code == 401
    assert call(sqlite_site, "/oauth/access_token").status_code == 401


def test_a_request_of_usos_still_needs_its_verifier(site: Site) -> None:
    """A request token that was made with a callback is not exchanged here, where no verifier is asked for."""
    token = site.asked()
    verifier = site.verifier(token)
    assert call(site, "/oauth/access_token", token=token).status_code == 401
    assert call(site, "/oauth/access_token", token=token, verifier=verifier).status_code == 401
    assert site.exchange(token, "wrong").status_code == 401
    assert site.exchange(token, verifier).status_code == 200


def test_the_callback_of_a_request_of_usos_stays_the_one_that_it_was_made_with(sqlite_site: Site) -> None:
    """What the page is told counts only where nothing was named before."""
    token = sqlite_site.asked()
    visitor = arrived(sqlite_site, token, oauth_callback="https://else.example/", return_url="https://else.example/")
    back = visitor.submit("allow")
    assert (back.target.split("?")[0], sorted(back.answer)) == (CALLBACK, ["oauth_token", "oauth_verifier"])


def test_a_request_of_ours_is_not_exchanged_in_usos(site: Site) -> None:
    token = asked(site)
    arrived(site, token).submit("allow")
    for verifier in ("", "x", "None"):
        assert site.exchange(token, verifier).status_code in {400, 401}
    assert call(site, "/oauth/access_token", token=token).status_code == 200


def test_usos_cannot_ask_without_a_callback_to_go_without_a_verifier(sqlite_site: Site) -> None:
    auth = OAuth1(sqlite_site.program.key, sqlite_site.program.secret, callback_uri="")
    response = sqlite_site.http.post(sqlite_site.url("oauth/request_token"), params={"oauth_callback": ""}, auth=auth, timeout=SECONDS)
    assert response.status_code == 400


def test_a_token_of_the_scope_opens_nothing_in_usos(sqlite_site: Site) -> None:
    made = granted(sqlite_site)
    assert isinstance(made, dict)
    response = sqlite_site.with_token("mailclient/create_message", made, subject="s")
    assert (response.status_code, response.json()["reason"]) == (401, "scope_missing")


def test_the_pages_of_both_dialects_are_one(sqlite_site: Site) -> None:
    """A token is asked about in its own way, wherever the person was sent to."""
    token = asked(sqlite_site)
    visitor = sqlite_site.visitor(**{"Accept-Language": "pl"})
    visitor.open(token["oauth_token"])
    page: Page = visitor.log_in(str(sqlite_site.jan), PASSWORD)
    assert "wiadomości prywatnych" in page.text
    assert "Wróć do programu" in visitor.submit("allow").text


@pytest.mark.parametrize("allowed", [False, True])
def test_the_exchange_shows_secrets_so_it_is_private(configured_callers: Callable[..., Callers], *, allowed: bool) -> None:
    """Our choice, as in the USOS dialect."""
    callers = configured_callers(http=HttpSettings(public_url="http://post.example"), oauth=OAuthSettings(plaintext_over_http=allowed))
    text = callers.signed("GET", "/oauth/access_token").text
    assert text.startswith("Can't verify request" if allowed else "This is accepted over HTTPS only")
