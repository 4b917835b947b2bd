"""Whole three-legged flows with real clients, each ending in mail that is sent by both modules (contract §5.4, §6)."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import usos_api
from rauth import OAuth1Service
from requests_oauthlib import OAuth1Session

from postroom import clock
from postroom.directory import clients
from postroom.directory.contacts import Contact
from postroom.directory.records import Client
from postroom.settings import OAuthSettings
from tests.consent import CALLBACK, PASSWORD, Site

Calling = Callable[..., Any]
"""Calls a method (module and name) with parameters in the name of a person; returns the answer, which must be a success."""


def trusted(site: Site) -> Client:
    """Register an administrative program, which services/mailing is for."""
    contact = Contact(url=None, callbacks=(CALLBACK,))
    add, vault = clients.add_client, site.store.vault
    return site.store.database.write_now(add, vault, "Dziekanat", administrative=True, now=clock.now(), contact=contact)


def consent(site: Site, url: str) -> str:
    """Follow the URL that a client sends a person to; return what the person brings back: a verifier, or a PIN."""
    visitor = site.visitor()
    parameters = dict(parse_qsl(urlsplit(url).query))
    visitor.open(parameters.pop("oauth_token"), **parameters)
    visitor.log_in("jan@uni.example", PASSWORD)
    page = visitor.submit("allow")
    return page.answer["oauth_verifier"] if page.target else page.html.partition("<output>")[2].partition("</output>")[0]


def write_with_mailclient(call: Calling) -> None:
    """Go from the draft to the message that is being sent (§1.4)."""
    number = call("mailclient/create_message", subject="żółw", content="Treść")["message_id"]
    assert call("mailclient/update_recipients_group", message_id=number, emails="a@x.pl|b@x.pl") == {}
    assert call("mailclient/refresh_recipients", message_id=number) == {}
    assert call("mailclient/send_message", message_id=number, lang="en") == {}
    shown = call("mailclient/message", message_id=number, fields="subject|status|emails_count")
    assert shown == {"subject": "żółw", "status": "pending", "emails_count": 2}


def write_with_mailing(call: Calling) -> None:
    """Call each method of §1.5."""
    simple = {"subject": "żółw", "content": "Treść", "recipients": "a@x.pl|b@x.pl"}
    single = call("mailing/send_simple_message", **simple)["message_id"]
    several = call("mailing/send_simple_messages", param_sets='[{"subject": "ż", "content": "ó", "recipients": "c@x.pl"}, {}]')
    people = '[{"email": "d@x.pl", "vars": {"imię": "Łucja"}}]'
    by_template = call("mailing/send_simple_by_template", subject_template="{imię}", content_template="{{}} ż", recipients=people)
    assert (several[1], len(by_template)) == (False, 1)
    assert call("mailing/check_message_status", message_id=single)["finished"] is False
    statuses = call("mailing/check_messages_status", message_ids="|".join([single, several[0], *by_template]))
    assert [one["finished"] for one in statuses.values()] == [False] * 3
    waiting = call("mailing/system_status")
    assert (waiting["total_pending_message_count"], waiting["my_pending_message_count"]) == (4, 4)


@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT"])
@pytest.mark.parametrize("place", ["AUTH_HEADER", "QUERY", "BODY"])
@pytest.mark.parametrize("callback", [CALLBACK, "oob"])
def test_requests_oauthlib_in_every_place(sqlite_site: Site, callback: str, place: str, method: str) -> None:
    """§5.4: OAuth parameters in header, query, body; both signature methods."""
    site = sqlite_site
    site.reconfigured(oauth=OAuthSettings(plaintext_over_http=True))
    signing = {"signature_type": place, "signature_method": method}

    def authorised(program: Client) -> Calling:
        session = OAuth1Session(program.key, program.secret, callback_uri=callback, force_include_body=place == "BODY", **signing)
        session.fetch_request_token(f"{site.url('oauth/request_token')}?scopes=mailclient|offline_access")
        verifier = consent(site, session.authorization_url(site.url("oauth/authorize")))
        token = session.fetch_access_token(site.url("oauth/access_token"), verifier=verifier)
        caller = OAuth1Session(program.key, program.secret, token["oauth_token"], token["oauth_token_secret"], **signing)

        def call(name: str, **parameters: str) -> Any:
            answer = caller.post(site.url(name), data=parameters or {"nothing": ""})
            assert answer.status_code == 200, answer.text
            return answer.json()

        return call

    write_with_mailing(authorised(trusted(site)))
    write_with_mailclient(authorised(site.program))


@pytest.mark.parametrize("confirm_user", [False, True])
def test_usos_api(site: Site, monkeypatch: pytest.MonkeyPatch, confirm_user: bool) -> None:  # noqa: FBT001 - parametrised
    """§5.4: request_token with callback and scopes in an urlencoded body, access_token with an empty one of another type."""

    async def main(program: Client, write: Callable[[Calling], None]) -> None:
        async with usos_api.USOSClient(site.base, program.key, program.secret) as client:
            url = await client.get_authorization_url("oob", confirm_user=confirm_user)
            pin = await asyncio.to_thread(consent, site, url)
            await client.authorize(pin)
            loop = asyncio.get_running_loop()

            def call(name: str, **parameters: str) -> Any:
                answering = client.connection.post(f"services/{name}", **parameters)
                return asyncio.run_coroutine_threadsafe(answering, loop).result(30)

            await asyncio.to_thread(write, call)

    with pytest.raises(usos_api.exceptions.USOSAPIException, match="scope_missing"):
        asyncio.run(main(site.program, write_with_mailclient))
    asyncio.run(main(trusted(site), write_with_mailing))
    monkeypatch.setattr(usos_api.auth.AuthManager, "SCOPES", "offline_access|studies|mailclient")
    asyncio.run(main(site.program, write_with_mailclient))


def test_rauth_as_usosapi_py_uses_it(site: Site) -> None:
    """§5.4: OAuth parameters in the query of a GET; in calls of methods in an urlencoded body, parameters in the query."""

    def authorised(program: Client) -> Calling:
        service = OAuth1Service(
            consumer_key=program.key,
            consumer_secret=program.secret,
            name="USOSAPI",
            request_token_url=site.url("oauth/request_token"),
            authorize_url=site.url("oauth/authorize"),
            access_token_url=site.url("oauth/access_token"),
            base_url=site.base,
        )
        token, secret = service.get_request_token(params={"oauth_callback": "oob", "scopes": "mailclient|offline_access"})
        pin = consent(site, service.get_authorize_url(token))
        session = service.get_auth_session(token, secret, method="GET", params={"oauth_verifier": pin})

        def call(name: str, **parameters: Any) -> Any:
            answer = session.post(f"services/{name}", params=parameters, data={})
            assert answer.status_code == 200, answer.text
            return answer.json()

        return call

    write_with_mailing(authorised(trusted(site)))
    call = authorised(site.program)
    write_with_mailclient(call)
    number = call("mailclient/create_message", subject="s", send_summary=True, format="json")["message_id"]
    assert call("mailclient/update_recipients_group", message_id=number, emails=["a@x.pl", "b@x.pl"]) == {}
    assert call("oauth/revoke_token", deauthorize=True) == {}
    with pytest.raises(AssertionError, match="Invalid token"):
        call("mailclient/user", fields="id")
