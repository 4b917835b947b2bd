"""Whole three-legged flows with real clients, each ending in a call of services/mailclient (contract §5.4, §6)."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import usos_api
from rauth import OAuth1Service
from requests_oauthlib import OAuth1Session

from postroom.settings import UsosSettings
from tests.consent import CALLBACK, PASSWORD, Site


def consent(site: Site, url: str) -> str:
    """Follow the URL that a client sends a person to; return what the person brings back: a verifier, or a PIN."""
    visitor = site.visitor()
    parameters = dict(parse_qsl(urlsplit(url).query))
    visitor.open(parameters.pop("oauth_token"), **parameters)
    visitor.log_in("jan@uni.example", PASSWORD)
    page = visitor.submit("allow")
    return page.answer["oauth_verifier"] if page.target else page.html.partition("<output>")[2].partition("</output>")[0]


@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT"])
@pytest.mark.parametrize("place", ["AUTH_HEADER", "QUERY", "BODY"])
@pytest.mark.parametrize("callback", [CALLBACK, "oob"])
def test_requests_oauthlib_in_every_place(sqlite_site: Site, callback: str, place: str, method: str) -> None:
    """§5.4: OAuth parameters in header, query, body; both signature methods."""
    site = sqlite_site
    site.reconfigured(usos=UsosSettings(plaintext_over_http=True))
    options = {"signature_type": place, "signature_method": method, "force_include_body": place == "BODY"}
    session = OAuth1Session(site.program.key, site.program.secret, callback_uri=callback, **options)
    session.fetch_request_token(f"{site.url('oauth/request_token')}?scopes=mailclient|offline_access")
    verifier = consent(site, session.authorization_url(site.url("oauth/authorize")))
    token = session.fetch_access_token(site.url("oauth/access_token"), verifier=verifier)
    caller = OAuth1Session(
        site.program.key,
        site.program.secret,
        token["oauth_token"],
        token["oauth_token_secret"],
        signature_type=place,
        signature_method=method,
    )
    made = caller.post(site.url("create_message"), data={"subject": "żółw"})
    assert made.status_code == 200, made.text
    assert caller.post(site.url("message"), data={"message_id": made.json()["message_id"]}).json()["subject"] == "żółw"


@pytest.mark.parametrize("confirm_user", [False, True])
def test_usos_api(site: Site, confirm_user: bool) -> None:  # noqa: FBT001 - parametrised
    """§5.4: request_token with callback and scopes in an urlencoded body, access_token with an empty one of another type."""

    async def main() -> Any:
        async with usos_api.USOSClient(site.base, site.program.key, site.program.secret) as client:
            url = await client.get_authorization_url("oob", confirm_user=confirm_user)
            pin = await asyncio.to_thread(consent, site, url)
            await client.authorize(pin)
            return await client.connection.get("services/mailclient/user", fields="id|subject")

    with pytest.raises(usos_api.exceptions.USOSAPIException, match="scope_missing"):
        asyncio.run(main())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usos_api.auth.AuthManager, "SCOPES", "offline_access|studies|mailclient")
        assert asyncio.run(main()) == []


def test_rauth_as_usosapi_py_uses_it(site: Site) -> None:
    """§5.4: OAuth parameters in the query of a GET; in calls of methods in an urlencoded body, parameters in the query."""
    service = OAuth1Service(
        consumer_key=site.program.key,
        consumer_secret=site.program.secret,
        name="USOSAPI",
        request_token_url=site.url("oauth/request_token"),
        authorize_url=site.url("oauth/authorize"),
        access_token_url=site.url("oauth/access_token"),
        base_url=site.base,
    )
    token, secret = service.get_request_token(params={"oauth_callback": "oob", "scopes": "mailclient|offline_access"})
    pin = consent(site, service.get_authorize_url(token))
    session = service.get_auth_session(token, secret, method="GET", params={"oauth_verifier": pin})
    made = session.post("services/mailclient/create_message", params={"subject": "s", "send_summary": True, "format": "json"}, data={})
    assert made.status_code == 200, made.text
    message = made.json()["message_id"]
    group = session.post(
        "services/mailclient/update_recipients_group", params={"message_id": message, "emails": ["a@x.pl", "b@x.pl"]}, data={}
    )
    assert group.json() == {}
    assert session.post("services/oauth/revoke_token", params={"deauthorize": True}, data={}).json() == {}
    assert session.post("services/mailclient/user", params={"fields": "id"}, data={}).status_code == 401
