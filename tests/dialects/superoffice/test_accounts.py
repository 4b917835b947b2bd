"""Accounts and logins of the agent (wire/superoffice.md §1.4, §4.3; docs/superoffice.md)."""

import asyncio
import time
from pathlib import Path

import pytest
import requests

from postroom.delivery import probing
from postroom.directory import account_servers
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


def test_servers_of_an_account_are_kept_and_no_password_is_shown(api: Api) -> None:
    """§1.4 SaveEMailAccount, DeleteEMailAccount; §4.3 EMailAccount, ServiceAuth: what is saved comes back, but for the passwords."""
    api.change(outgoing_servers=["smtp.example.org"], incoming_servers=["imap.example.org"])
    account = api.result("GetCurrentAccount")
    smtp = {"Server": "SMTP.example.org", "Port": 465, "Username": "jan", "Password": "Kot w butach"}
    imap = {"server": "imap.example.org", "authType": "plain-text", "username": "jan", "password": "Kot w butach"}
    answer = api.call("SaveEMailAccount", {**account, "outgoingCredentials": smtp, "incomingCredentials": imap})
    saved = answer.json()
    shown = {name: saved["OutgoingCredentials"][name] for name in ("Server", "Port", "AuthType", "Username", "Password")}
    assert shown == {"Server": "smtp.example.org", "Port": 465, "AuthType": "plain-text", "Username": "jan", "Password": None}
    assert (saved["IncomingCredentials"]["Server"], saved["IncomingCredentials"]["Port"]) == ("imap.example.org", 143)
    assert "Kot" not in answer.text
    assert api.result("GetCurrentAccount") == saved
    kept = api.write(account_servers.default, api.store.vault, api.jan, "smtp")
    assert (kept.security, kept.password) == ("tls", "Kot w butach")
    assert api.result("SaveEMailAccount", saved) == saved, "as it is given back, without passwords"
    assert api.write(account_servers.default, api.store.vault, api.jan, "smtp").password == "Kot w butach"
    only_in = api.result("SaveEMailAccount", {"EMailAddress": "JAN@x.example", "IncomingCredentials": imap})
    assert (only_in["OutgoingCredentials"], only_in["IncomingCredentials"]["Server"]) == (None, "imap.example.org")
    assert api.call("DeleteEMailAccount", params={"EMailAccountId": account["EMailAccountId"]}).status_code == 204
    assert api.result("GetCurrentAccount") == account


def test_both_servers_of_an_account_are_tried_at_once(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """TestAuthenticate: servers that stall hold the answer no longer than one of them; one that may not be named any more is named."""
    monkeypatch.setattr(probing, "LONGEST", 0.5)

    writers: list[asyncio.StreamWriter] = []

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async def main() -> tuple[requests.Response, float]:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sqlite_api.change(outgoing_servers=[f"127.0.0.1:{port}"], incoming_servers=[f"127.0.0.1:{port}"])
            login = {"server": "127.0.0.1", "port": port, "username": "u", "password": "p"}
            account = {"eMailAddress": "jan@x.example", "incomingCredentials": login, "outgoingCredentials": login}
            await asyncio.to_thread(sqlite_api.result, "SaveEMailAccount", account)
            start = time.monotonic()
            answer = await asyncio.to_thread(sqlite_api.call, "TestAuthenticate")
            took = time.monotonic() - start
            for writer in writers:  # the trial by IMAP, in a thread of its own, waits on
                writer.close()
                await writer.wait_closed()
            return answer, took

    answer, took = asyncio.run(main())
    assert (answer.status_code, answer.json()) == (200, False)
    assert 0.5 <= took < 0.95
    sqlite_api.change(outgoing_servers=[], incoming_servers=[])
    answer = sqlite_api.call("TestAuthenticate")
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "ArgumentException")


def test_accounts_of_others_keep_their_servers(api: Api) -> None:
    """Other people's numbers and addresses are as if not there, and servers that nobody allowed are refused by their property."""
    api.change(outgoing_servers=["smtp.example.org"])
    hers = api.ticket_of(api.ewa)
    smtp = {"Server": "smtp.example.org", "Username": "ewa", "Password": "tajne"}
    account = api.result("SaveEMailAccount", {"EMailAddress": "ewa@x.example", "OutgoingCredentials": smtp}, ticket=hers)
    number = account["EMailAccountId"]
    for answer in (
        api.call("SaveEMailAccount", {"EMailAccountId": number}),
        api.call("SaveEMailAccount", {"EMailAddress": "ewa@x.example"}),
        api.call("SaveEMailAccount", {}),
        api.call("DeleteEMailAccount", params={"eMailAccountId": number}),
    ):
        assert (answer.status_code, answer.json()["ErrorType"]) == (404, "SoNotFoundException")
    assert api.result("GetCurrentAccount", ticket=hers) == account
    for changed, said in (
        ({"Server": "smtp.elsewhere.example"}, "OutgoingCredentials.Server: this mail server is not one that programs may name here"),
        ({"AuthType": "OAuth"}, "OutgoingCredentials.AuthType: plain-text is expected"),
        ({"Username": "", "Password": "x"}, "OutgoingCredentials.Username: a password needs a user name"),
    ):
        answer = api.call("SaveEMailAccount", {"EMailAccountId": number, "OutgoingCredentials": {**smtp, **changed}}, ticket=hers)
        assert (answer.status_code, answer.json()["ErrorMessage"]) == (400, said)
    assert api.result("GetCurrentAccount", ticket=hers) == account
