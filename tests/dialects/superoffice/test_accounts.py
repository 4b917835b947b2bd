"""Accounts and logins of the agent (wire/superoffice.md §1.4, §4.3; docs/superoffice.md)."""

import asyncio
from pathlib import Path

import pytest
import requests

from tests.delivery.certificates import server_context
from tests.delivery.sink import Sink, running
from tests.dialects.superoffice.conftest import Api


def test_accounts_are_the_addresses_of_the_caller(api: Api) -> None:
    current = api.result("GetCurrentAccount")
    assert (current["EMailAddress"], current["AccountStatus"], current["AssociateId"]) == ("jan@x.example", 4, api.jan)
    assert (current["IncomingCredentials"], current["OutgoingCredentials"]) == (None, None)
    number = current["EMailAccountId"]
    assert api.result("GetCurrentAccountId") == number
    assert api.result("GetEMailAccountFromEMailAddress", {"fromAddress": " JAN@x.example"}) == current
    assert api.call("GetEMailAccount", params={"EMailAccountId": number}).json() == current
    assert api.result("TestAuthenticate") is True


def test_accounts_of_others_are_not_there(api: Api) -> None:
    theirs = api.result("GetCurrentAccountId", ticket=api.ticket_of(api.ewa))
    assert api.call("GetEMailAccount", params={"eMailAccountId": theirs}).json() is None
    assert api.result("GetEMailAccountFromEMailAddress", {"fromAddress": "ewa@x.example"}) is None


def test_a_login_is_tried_where_it_may_be(sqlite_api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """True and false are the server's; a server that nobody allowed is not asked, nor one without a user name."""

    context, certificate = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def main() -> list[requests.Response]:
        async with running(Sink(extensions=("STARTTLS", "AUTH PLAIN"), tls=context)) as server:
            server.credentials = ("ala", "Kot w butach")
            sqlite_api.change(outgoing_servers=[f"127.0.0.1:{server.port}"])
            login = {"serverName": f"127.0.0.1:{server.port}", "userName": "ala", "password": "Kot w butach"}
            extended = {**login, "serverName": "127.0.0.1", "port": server.port, "protocol": "SMTP"}
            calls = [
                ("AuthenticateOutgoing", {"connectionInfo": login}),
                ("AuthenticateOutgoing", {"connectionInfo": {**login, "password": "no"}}),
                ("Authenticate", {"connectionInfoExtended": extended}),
                ("Authenticate", {"connectionInfoExtended": {**extended, "protocol": "pop3"}}),
                ("AuthenticateIncoming", {"connectionInfo": login}),
                ("AuthenticateOutgoing", {"connectionInfo": {**login, "userName": "", "password": ""}}),
                ("AuthenticateOutgoing", {}),
            ]
            return [await asyncio.to_thread(sqlite_api.call, *call) for call in calls]

    answers = asyncio.run(main())
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 400, 400, 400]
    assert [answer.json() for answer in answers[:3]] == [True, False, True]
    said = [answer.json().get("ErrorMessage") for answer in answers[3:6]]
    assert said == [
        "ConnectionInfoExtended.Protocol: smtp or imap is expected",
        "ConnectionInfo.ServerName: this mail server is not one that programs may name here",
        "ConnectionInfo.UserName: a user name is needed",
    ]
