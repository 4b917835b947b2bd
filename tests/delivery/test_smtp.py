"""The SMTP client: strict in what it sends, tolerant in what it reads, honest about what it knows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.smtp import SmtpConnection, SmtpError, checked_address, connect, stuffed
from postroom.errors import Invalid
from postroom.settings import RelaySettings, Settings
from tests.delivery.certificates import server_context
from tests.delivery.sink import Sink, running

MAIL = b"Subject: x\r\n\r\nHello.\r\n"
SENDER = "no-reply@postroom.example"


def settings(port: int, **relay: Any) -> Settings:
    return Settings(relay=RelaySettings(**{"port": port, "timeout": 3.0, **relay}))


@contextlib.asynccontextmanager
async def connected(sink: Sink, **relay: Any) -> AsyncIterator[SmtpConnection]:
    connection = await connect(settings(sink.port, **relay))
    try:
        yield connection
    finally:
        await connection.quit()


@pytest.mark.parametrize("extensions", [("PIPELINING", "SIZE 1000000", "8BITMIME"), ("SIZE",), ()])
def test_one_message_to_several_recipients_has_an_answer_for_each(extensions: tuple[str, ...]) -> None:
    """RFC 2920: with PIPELINING everything goes out at once; without, and even without EHLO, the result is the same."""

    async def main() -> None:
        async with running(Sink(extensions=extensions)) as sink, connected(sink) as connection:
            answers = await connection.send(SENDER, ["ok1@x.example", "p5@x.example", "ok2@x.example"], MAIL)
            assert [(answer.step, answer.reply.code, answer.taken) for answer in answers] == [
                ("final dot", 250, True),
                ("RCPT", 550, False),
                ("final dot", 250, True),
            ]
            assert (answers[1].reply.enhanced, answers[1].reply.text) == ("5.1.1", "no such person ask somebody else")
            assert sink.recipients() == ["ok1@x.example", "ok2@x.example"]
            assert ("MAIL FROM:<no-reply@postroom.example> SIZE=22" in sink.commands) == ("SIZE" in str(extensions))
            refused = await connection.send("", ["p5@x.example"], MAIL)
            assert (refused[0].step, refused[0].reply.code) == ("RCPT", 550)
            assert connection.usable
            assert (await connection.send(SENDER, ["ok3@x.example"], MAIL))[0].taken
            assert connection.sent == 3

    asyncio.run(main())


def test_a_connection_with_a_reply_too_many_is_not_used_again() -> None:
    """A relay that lies: an answer that nobody asked for must not be taken for that of the next message."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        for answer in (b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"):
            await reader.readline()
            writer.write(answer)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n550 by the way\r\n")
        await reader.read()
        writer.close()
        ended.set()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            connection = await connect(settings(server.sockets[0].getsockname()[1], security="none"))
            assert (await connection.send(SENDER, ["ok@x.example"], MAIL))[0].taken
            await asyncio.sleep(0.2)
            assert not connection.usable
            connection.close()
            await ended.wait()

    ended = asyncio.Event()
    asyncio.run(main())


def test_null_sender_and_non_ascii_content() -> None:
    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            await connection.send("", ["ok@x.example"], "Subject: x\r\n\r\nzażółć\r\n".encode())
            assert "MAIL FROM:<> SIZE=26 BODY=8BITMIME" in sink.commands
        async with running(Sink(extensions=("PIPELINING",))) as sink, connected(sink) as connection:
            with pytest.raises(Invalid):
                await connection.send("", ["ok@x.example"], "ż\r\n".encode())
            assert connection.usable

    asyncio.run(main())


def test_dots_survive() -> None:
    """RFC 5321 section 4.5.2: lines of dots arrive as they were sent."""
    content = b".\r\n..\r\nx\r\n.\r\n.end"

    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            await connection.send(SENDER, ["ok@x.example"], content)
            assert sink.taken[0].content == content + b"\r\n"

    asyncio.run(main())


@pytest.mark.parametrize("smuggled", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n", b"\r", b"\r\r\n", b"a\n\r\n"])
def test_bare_line_ends_are_refused(smuggled: bytes) -> None:
    """Design 1.5, SMTP smuggling: no server of whatever taste sees a second message in ours."""
    with pytest.raises(Invalid):
        stuffed(b"Subject: x\r\n\r\nHello" + smuggled + b"MAIL FROM:<a@b>")


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters="\r\n", codec="utf-8"), max_size=20)))
def test_only_the_end_looks_like_the_end(lines: list[str]) -> None:
    wire = stuffed("\r\n".join(lines).encode())
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    assert b"\r\n.\r\n" not in wire[:-2]
    received = b"".join(line.removeprefix(b".") + b"\r\n" for line in wire[:-3].split(b"\r\n")[:-1])
    assert received.rstrip(b"\r\n") == "\r\n".join(lines).encode().rstrip(b"\r\n")


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@b", "a b@c", "a@b>", "<a@b", "a@b\r\nRCPT TO:<c@d>", "a@b\n", "a\x00@b", "a\t@b", "ż@b", "a@ż", "a@b c", "a@b\x7f"],
)
def test_odd_addresses_never_reach_the_wire(address: str) -> None:
    """Design 1.5: an envelope address cannot carry a command."""
    with pytest.raises(Invalid):
        checked_address(address)


@given(st.text(max_size=30))
def test_checked_addresses_are_harmless(address: str) -> None:
    try:
        checked = checked_address(address)
    except Invalid:
        return
    assert checked.isascii()
    assert checked.isprintable()
    assert not set(checked) & set("<> \r\n")


def test_failure_tells_its_phase() -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            for address, phase in (("die@x.example", "transaction"), ("garbage@x.example", "transaction"), ("drop@x.example", "outcome")):
                async with connected(sink) as connection:
                    with pytest.raises(SmtpError) as caught:
                        await connection.send(SENDER, [address], MAIL)
                    assert caught.value.phase == phase, address
                    assert not connection.usable
            async with connected(sink) as connection:
                answers = await connection.send(SENDER, ["421@x.example", "ok@x.example"], MAIL)
                assert [answer.reply.code for answer in answers] == [421, 421]
                assert not connection.usable

    asyncio.run(main())


def test_every_wait_has_an_end() -> None:
    async def main() -> None:
        sink = Sink()
        sink.slow = 2.0
        async with running(sink), connected(sink, timeout=0.2) as connection:
            with pytest.raises(SmtpError, match=r"no reply within 0\.2 seconds") as caught:
                await connection.send(SENDER, ["slow@x.example"], MAIL)
            assert caught.value.phase == "outcome"
        silent = Sink()
        silent.greeting = b"220-wait for it\r\n"
        async with running(silent):
            with pytest.raises(SmtpError) as caught:
                await connect(settings(silent.port, timeout=0.2))
            assert caught.value.phase == "session"

    asyncio.run(main())


def test_nobody_listens() -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            port = sink.port
        with pytest.raises(SmtpError) as caught:
            await connect(settings(port))
        assert caught.value.phase == "session"
        assert "refused" in caught.value.reason.lower() or "connect" in caught.value.reason.lower()

    asyncio.run(main())


@pytest.mark.parametrize("security", ["opportunistic", "starttls", "tls"])
def test_tls(security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STARTTLS and TLS from the first byte, the certificate checked where the settings ask for it."""
    context, certificate = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", "STARTTLS"), tls=context)
        async with running(sink, implicit_tls=security == "tls"), connected(sink, security=security) as connection:
            assert (await connection.send(SENDER, ["ok@x.example"], MAIL))[0].taken
            assert sink.taken[0].tls

    asyncio.run(main())


def test_unknown_certificate_is_refused_unless_encryption_is_opportunistic(tmp_path: Path) -> None:
    context, _ = server_context(tmp_path)

    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", "STARTTLS"), tls=context)
        async with running(sink):
            with pytest.raises(SmtpError, match="certificate"):
                await connect(settings(sink.port, security="starttls"))
            async with connected(sink, security="opportunistic") as connection:
                assert (await connection.send(SENDER, ["ok@x.example"], MAIL))[0].taken
        async with running(Sink()) as plain:
            with pytest.raises(SmtpError, match="does not offer STARTTLS"):
                await connect(settings(plain.port, security="starttls"))

    asyncio.run(main())


def test_replies_injected_before_tls_are_an_attack(tmp_path: Path) -> None:
    """RFC 3207 section 6 and the injections of 2011 and 2021: nothing that came in the clear is believed afterwards."""
    context, _ = server_context(tmp_path)

    async def main() -> None:
        for injected in (b"250-x\r\n250 AUTH PLAIN\r\n", b"250-unfinished"):
            sink = Sink(extensions=("PIPELINING", "STARTTLS"), tls=context)
            sink.injected = injected
            async with running(sink):
                with pytest.raises(SmtpError) as caught:
                    await connect(settings(sink.port, security="opportunistic"))
                assert caught.value.reason == "the relay spoke before TLS began"

    asyncio.run(main())


@pytest.mark.parametrize("mechanisms", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
def test_auth(mechanisms: str) -> None:
    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", mechanisms))
        sink.credentials = ("postroom", "zażółć s3cret")
        async with running(sink):
            async with connected(sink, security="none", username="postroom", password="zażółć s3cret") as connection:
                assert (await connection.send(SENDER, ["ok@x.example"], MAIL))[0].taken
            with pytest.raises(SmtpError) as caught:
                await connect(settings(sink.port, security="none", username="postroom", password="wrong-s3cret"))
            assert caught.value.code == 535
            assert "s3cret" not in str(caught.value)
        async with running(Sink()) as plain:
            with pytest.raises(SmtpError, match="neither AUTH"):
                await connect(settings(plain.port, security="none", username="postroom", password="x"))

    asyncio.run(main())


def test_a_password_is_not_sent_in_the_clear_by_chance() -> None:
    """A relay, or whoever stands before it, that offers no STARTTLS does not get the password by that (RFC 4954 section 14)."""

    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", "AUTH PLAIN"))
        sink.credentials = ("postroom", "s3cret")
        async with running(sink):
            with pytest.raises(SmtpError, match="password is not sent") as caught:
                await connect(settings(sink.port, security="opportunistic", username="postroom", password="s3cret"))
            assert caught.value.phase == "session"

    asyncio.run(main())
