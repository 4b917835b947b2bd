"""Trying out a login at a real Dovecot and at an SMTP server, without sending anything (SuperOffice contract §1.4, Authenticate*)."""

import asyncio
from pathlib import Path

import pytest

from postroom.delivery import probing
from postroom.delivery.probing import Refused
from postroom.directory.mail_servers import Connection
from postroom.errors import Invalid
from postroom.settings import Settings, SuperofficeSettings
from tests.delivery import dovecot
from tests.delivery.certificates import server_context
from tests.delivery.scripted import Scripted
from tests.delivery.sink import Sink, running


def settings(smtp: int = 25, imap: int = 143) -> Settings:
    return Settings(superoffice=SuperofficeSettings(outgoing_servers=[f"127.0.0.1:{smtp}"], incoming_servers=[f"127.0.0.1:{imap}"]))


def test_smtp_login_is_tried_over_a_checked_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate, a wrong password and a server that is not allowed are refused; the password is in no word."""
    context, certificate = server_context(tmp_path)

    async def main() -> None:
        async with running(Sink(extensions=("STARTTLS", "AUTH PLAIN"), tls=context)) as sink:
            sink.credentials = ("ala", "Kot w butach")
            good = Connection(host="127.0.0.1", port=sink.port, security="starttls_if_offered", username="ala", password="Kot w butach")
            with pytest.raises(Refused, match="certificate"):
                await probing.authenticate_smtp(settings(sink.port), good)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            await probing.authenticate_smtp(settings(sink.port), good)
            bad = Connection(host="127.0.0.1", port=sink.port, security="starttls_if_offered", username="ala", password="nie to")
            with pytest.raises(Refused, match="535") as caught:
                await probing.authenticate_smtp(settings(sink.port), bad)
            assert "nie to" not in caught.value.words
            with pytest.raises(Invalid, match="server"):
                await probing.authenticate_smtp(settings(1), good)
            assert sink.taken == []

    asyncio.run(main())


def test_imap_login_is_tried_on_a_real_dovecot(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = dovecot.missing()
    if reason:
        pytest.skip(f"{reason}: logins at a real IMAP server are not shown here")
    with dovecot.running() as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))

        def login(password: str) -> None:
            connection = Connection(host="127.0.0.1", port=server.tls_port, security="tls", username="ala", password=password)
            asyncio.run(probing.authenticate_imap(settings(imap=server.tls_port), connection))

        login(dovecot.PASSWORDS["ala"])
        with pytest.raises(Refused, match="AUTHENTICATIONFAILED"):
            login("nie to")


def test_imap_password_goes_over_checked_tls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate, or no STARTTLS at all: the login is not tried, whatever the server offers in the clear."""

    def login(port: int) -> None:
        connection = Connection(host="127.0.0.1", port=port, security="starttls_if_offered", username="ala", password="Kot w butach")
        asyncio.run(probing.authenticate_imap(settings(imap=port), connection))

    bare = Scripted(
        b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done\r\n", b"TAG OK\r\n"
    )
    with bare, pytest.raises(Refused, match="STARTTLS"):
        login(bare.port)
    assert b"AUTHENTICATE" not in bare.heard
    assert b"LOGIN" not in bare.heard.replace(b"LOGOUT", b"")
    if reason := dovecot.missing():
        pytest.skip(f"{reason}: certificates of a real IMAP server are not shown here")
    with dovecot.running() as server:
        with pytest.raises(Refused, match="certificate"):
            login(server.port)
        assert "Login" not in server.log()
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        login(server.port)


def test_silent_server_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LONGEST", 0.2)

    async def main() -> None:
        async with running(Sink()) as sink:
            sink.greeting = b""
            silent = Connection(host="127.0.0.1", port=sink.port, security="none")
            with pytest.raises(Refused, match="no answer"):
                await probing.authenticate_smtp(settings(sink.port), silent)

    asyncio.run(main())
