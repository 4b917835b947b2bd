"""The SMTP client: strict in what it sends, tolerant in what it reads, honest about what it knows."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from postroom.delivery import smtp
from postroom.delivery.envelope import Envelope
from postroom.delivery.mail import Mail
from postroom.delivery.smtp import Answer, SmtpConnection, SmtpError
from postroom.errors import Invalid
from postroom.settings import RelaySettings
from tests.delivery.certificates import server_context
from tests.delivery.mails import plain_mail
from tests.delivery.sink import Sink, running

MAIL = plain_mail(b"Subject: x\r\n\r\nHello.\r\n")
SENDER = "no-reply@postroom.example"


async def connect(port: int, **relay: Any) -> SmtpConnection:
    return await smtp.connect(RelaySettings(**{"port": port, "timeout": 3.0, **relay}), "client.example")


def envelope(*recipients: str, content: Mail = MAIL, sender: str = SENDER, receipt: bool = False) -> Envelope:
    return Envelope(sender, recipients, content.size, content.eight_bit, receipt)


async def send(connection: SmtpConnection, *recipients: str, content: Mail = MAIL, sender: str = SENDER) -> list[Answer]:
    return await connection.send(envelope(*recipients, content=content, sender=sender), content)


@contextlib.asynccontextmanager
async def connected(sink: Sink, **relay: Any) -> AsyncIterator[SmtpConnection]:
    connection = await connect(sink.port, **relay)
    try:
        yield connection
    finally:
        await connection.quit()


@pytest.mark.parametrize("extensions", [("PIPELINING", "SIZE 1000000", "8BITMIME"), ("SIZE",), ()])
def test_one_message_to_several_recipients_has_an_answer_for_each(extensions: tuple[str, ...]) -> None:
    """RFC 2920: with PIPELINING everything goes out at once; without, and even without EHLO, the result is the same."""

    async def main() -> None:
        async with running(Sink(extensions=extensions)) as sink, connected(sink) as connection:
            answers = await send(connection, "ok1@x.example", "p5@x.example", "ok2@x.example")
            assert [(answer.step, answer.reply.code, answer.taken) for answer in answers] == [
                ("final dot", 250, True),
                ("RCPT", 550, False),
                ("final dot", 250, True),
            ]
            assert (answers[1].reply.enhanced, answers[1].reply.text) == ("5.1.1", "no such person ask somebody else")
            assert sink.recipients() == ["ok1@x.example", "ok2@x.example"]
            assert ("MAIL FROM:<no-reply@postroom.example> SIZE=22" in sink.commands) == ("SIZE" in str(extensions))
            refused = await send(connection, "p5@x.example", sender="")
            assert (refused[0].step, refused[0].reply.code) == ("RCPT", 550)
            assert connection.usable
            assert (await send(connection, "ok3@x.example"))[0].taken

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
            connection = await connect(server.sockets[0].getsockname()[1], security="none")
            assert (await send(connection, "ok@x.example"))[0].taken
            await asyncio.sleep(0.2)
            assert not connection.usable
            connection.close()
            await ended.wait()

    ended = asyncio.Event()
    asyncio.run(main())


def test_null_sender_and_non_ascii_content() -> None:
    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            await send(connection, "ok@x.example", sender="", content=plain_mail("Subject: x\r\n\r\nzażółć\r\n".encode()))
            assert "MAIL FROM:<> SIZE=26 BODY=8BITMIME" in sink.commands
        async with running(Sink(extensions=("PIPELINING",))) as sink, connected(sink) as connection:
            with pytest.raises(Invalid):
                await send(connection, "ok@x.example", sender="", content=plain_mail("ż\r\n".encode()))
            assert connection.usable

    asyncio.run(main())


def test_dots_survive() -> None:
    """RFC 5321 section 4.5.2: lines of dots arrive as they were sent."""
    content = b".\r\n..\r\nx\r\n.\r\n.end"

    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            await send(connection, "ok@x.example", content=plain_mail(content))
            assert sink.taken[0].content == content + b"\r\n"

    asyncio.run(main())


def test_failure_tells_its_phase() -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            for address, phase in (("die@x.example", "transaction"), ("garbage@x.example", "transaction"), ("drop@x.example", "outcome")):
                async with connected(sink) as connection:
                    with pytest.raises(SmtpError) as caught:
                        await send(connection, address)
                    assert caught.value.phase == phase, address
                    assert not connection.usable
            async with connected(sink) as connection:
                answers = await send(connection, "421@x.example", "ok@x.example")
                assert [answer.reply.code for answer in answers] == [421, 421]
                assert not connection.usable

    asyncio.run(main())


def test_every_wait_has_an_end() -> None:
    async def main() -> None:
        sink = Sink()
        sink.slow = 2.0
        async with running(sink), connected(sink, timeout=0.2) as connection:
            with pytest.raises(SmtpError, match=r"no reply within 0\.2 seconds") as caught:
                await send(connection, "slow@x.example")
            assert caught.value.phase == "outcome"
        silent = Sink()
        silent.greeting = b"220-wait for it\r\n"
        async with running(silent):
            with pytest.raises(SmtpError) as caught:
                await connect(silent.port, timeout=0.2)
            assert caught.value.phase == "session"

    asyncio.run(main())


def test_nobody_listens() -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            port = sink.port
        with pytest.raises(SmtpError) as caught:
            await connect(port)
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
            assert (await send(connection, "ok@x.example"))[0].taken
            assert sink.taken[0].tls

    asyncio.run(main())


def test_unknown_certificate_is_refused_unless_encryption_is_opportunistic(tmp_path: Path) -> None:
    context, _ = server_context(tmp_path)

    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", "STARTTLS"), tls=context)
        async with running(sink):
            with pytest.raises(SmtpError, match="certificate"):
                await connect(sink.port, security="starttls")
            async with connected(sink, security="opportunistic") as connection:
                assert (await send(connection, "ok@x.example"))[0].taken
        async with running(Sink()) as plain:
            with pytest.raises(SmtpError, match="does not offer STARTTLS"):
                await connect(plain.port, security="starttls")

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
                    await connect(sink.port, security="opportunistic")
                assert caught.value.reason == "the relay spoke before TLS began"

    asyncio.run(main())


@pytest.mark.parametrize("mechanisms", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
def test_auth(mechanisms: str) -> None:
    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", mechanisms))
        sink.credentials = ("postroom", "zażółć s3cret")
        async with running(sink):
            async with connected(sink, security="none", username="postroom", password="zażółć s3cret") as connection:
                assert (await send(connection, "ok@x.example"))[0].taken
            with pytest.raises(SmtpError) as caught:
                await connect(sink.port, security="none", username="postroom", password="wrong-s3cret")
            assert caught.value.code == 535
            assert "s3cret" not in str(caught.value)
        async with running(Sink()) as plain:
            with pytest.raises(SmtpError, match="neither AUTH"):
                await connect(plain.port, security="none", username="postroom", password="x")

    asyncio.run(main())


def test_a_password_is_not_sent_in_the_clear_by_chance() -> None:
    """A relay, or whoever stands before it, that offers no STARTTLS does not get the password by that (RFC 4954 section 14)."""

    async def main() -> None:
        sink = Sink(extensions=("PIPELINING", "AUTH PLAIN"))
        sink.credentials = ("postroom", "s3cret")
        async with running(sink):
            with pytest.raises(SmtpError, match="password is not sent") as caught:
                await connect(sink.port, security="opportunistic", username="postroom", password="s3cret")
            assert caught.value.phase == "session"

    asyncio.run(main())


def test_a_stream_of_messages_costs_one_round_trip_each() -> None:
    """RFC 2920: the envelope of the next message goes out behind the final dot of this one; its content waits until it is asked for."""

    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            envelopes = [envelope(f"ok{n}@x.example") for n in range(4)]
            for one, following in zip(envelopes, [*envelopes[1:], None], strict=True):
                assert connection.ready_for(one)
                assert (await connection.send(one, MAIL, following))[0].taken
                await asyncio.sleep(0.05)
                assert len(sink.taken) == envelopes.index(one) + 1
                asked = [command for command in sink.commands if command == f"RCPT TO:<{following.recipients[0]}>"] if following else []
                assert len(asked) == (following is not None)
            assert sink.recipients() == [f"ok{n}@x.example" for n in range(4)]

    asyncio.run(main())


def test_an_envelope_that_was_opened_ahead_binds_the_connection() -> None:
    """Nothing else may go out into an open transaction: it would reach those who were named there."""

    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            one, two, three = envelope("ok1@x.example"), envelope("ok2@x.example"), envelope("ok3@x.example")
            await connection.send(one, MAIL, two)
            assert not connection.usable
            assert not connection.ready_for(three)
            assert connection.ready_for(two)

    asyncio.run(main())


def test_a_refusal_ahead_is_an_answer_to_its_own_message() -> None:
    async def main() -> None:
        async with running(Sink()) as sink, connected(sink) as connection:
            one, two, three = envelope("ok1@x.example"), envelope("p5@x.example"), envelope("ok3@x.example")
            assert (await connection.send(one, MAIL, two))[0].taken
            refused = (await connection.send(two, MAIL, three))[0]
            assert (refused.step, refused.reply.code) == ("RCPT", 550)
            assert connection.usable
            assert (await connection.send(three, MAIL))[0].taken
            assert sink.recipients() == ["ok1@x.example", "ok3@x.example"]

    asyncio.run(main())


def test_what_the_server_cannot_be_told_ahead_waits_for_its_turn() -> None:
    async def main() -> None:
        async with running(Sink(extensions=("PIPELINING", "SIZE 100"))) as sink, connected(sink) as connection:
            large = plain_mail(b"x" * 200)
            too_large = envelope("ok2@x.example", content=large)
            assert (await connection.send(envelope("ok1@x.example"), MAIL, too_large))[0].taken
            with pytest.raises(Invalid, match="the relay takes 100 at most"):
                await connection.send(too_large, large)
            assert connection.usable

    asyncio.run(main())


def test_xoauth2_sends_the_token_of_the_moment(tmp_path: Path) -> None:
    """The access token is read at each login; a refusal comes as 334 with details, and is answered by an empty line."""
    file = tmp_path / "token"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250-x\r\n250 AUTH PLAIN XOAUTH2\r\n")
        heard.append(base64.b64decode((await reader.readline()).split()[2]))
        if b"good" in heard[-1]:
            writer.write(b"235 welcome\r\n")
        else:
            writer.write(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n")
            assert await reader.readline() == b"\r\n"
            writer.write(b"535 5.7.8 no\r\n")
        await reader.read()
        writer.close()
        ended.release()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            account = {"security": "none", "username": "me@x.example", "auth": "xoauth2", "token_file": str(file)}
            with pytest.raises(SmtpError, match="cannot be read"):
                await connect(port, **account)
            file.write_text("stale-token\n")
            with pytest.raises(SmtpError) as caught:
                await connect(port, **account)
            assert caught.value.code == 535
            assert "stale-token" not in str(caught.value)
            file.write_text("good-token\n")
            (await connect(port, **account)).close()
            for _ in range(2):
                await ended.acquire()
        assert heard[-1] == b"user=me@x.example\x01auth=Bearer good-token\x01\x01"

    heard: list[bytes] = []
    ended = asyncio.Semaphore(0)
    asyncio.run(main())


def test_a_server_that_asks_on_and_on_is_not_let_in() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250-x\r\n250 AUTH PLAIN\r\n")
        while await reader.readline():
            writer.write(b"334 more\r\n")
        writer.close()
        ended.set()

    async def main() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            with pytest.raises(SmtpError, match="AUTH: 334"):
                await connect(server.sockets[0].getsockname()[1], security="none", username="u", password="p")
            await ended.wait()

    ended = asyncio.Event()
    asyncio.run(main())


def test_a_flood_of_replies_costs_the_connection_only() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250 x\r\n" * 1_000)
        await reader.read()
        writer.close()
        ended.set()

    async def main() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            with pytest.raises(SmtpError, match="more replies than commands"):
                await send(await connect(server.sockets[0].getsockname()[1], security="none"), "ok@x.example")
            await ended.wait()

    ended = asyncio.Event()
    asyncio.run(main())
