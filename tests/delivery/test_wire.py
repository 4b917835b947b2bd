"""Below SMTP: replies however they come, an end at any point, and time while a mail is still being taken."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from postroom.delivery.envelope import Envelope
from postroom.delivery.mail import Mail
from postroom.delivery.smtp import Answer, SmtpConnection, SmtpError
from postroom.delivery.wire import Wire, open_wire
from tests.delivery.mails import plain_mail
from tests.delivery.test_smtp import MAIL, connect, envelope

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(talk: Talk, limit: int = 2**20) -> AsyncIterator[int]:
    """A server that talks so, and holds so many bytes; its port. It has ended when this does."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the last: the test is over
        finally:
            writer.close()

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * limit)
    async with await asyncio.start_server(handle, sock=listener, limit=limit):
        yield listener.getsockname()[1]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def answering(*replies: bytes, hello: bytes = b"250-x\r\n250 PIPELINING\r\n") -> Talk:
    """A server that answers EHLO, then so to each command (the content of a mail is one), and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(hello)
        content = False
        for reply in replies:
            await (reader.readuntil(b"\r\n.\r\n") if content else reader.readline())
            content = reply.startswith(b"354")
            writer.write(reply)
            await writer.drain()
            if reply.startswith(b"421"):
                break

    return talk


async def talked(talk: Talk, *recipients: str, following: Envelope | None = None) -> tuple[SmtpConnection, list[Answer]]:
    async with served(talk) as port:
        connection = await connect(port, security="none")
        return connection, await connection.send(envelope(*recipients), MAIL, following)


OK, GO, TAKEN, BYE = b"250 ok\r\n", b"354 go\r\n", b"250 taken\r\n", b"421 4.3.2 bye\r\n"


def test_replies_may_come_byte_by_byte() -> None:
    """With line ends of both kinds, and several lines."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def slowly(reply: bytes) -> None:
            for byte in reply:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)

        await slowly(b"220-hello\r\n220 there\r\n")
        await reader.readline()
        await slowly(b"250-x\n250 PIPELINING\n")
        for reply in (b"250-2.1.0 o\r\n250 2.1.0 k\r\n", b"550-5.1.1 no\r\n550 5.1.1 body\r\n", b"250\r\n", b"354\r\n"):
            await reader.readline()
            await slowly(reply)
        await reader.readuntil(b"\r\n.\r\n")
        await slowly(b"250-2.0.0 taken\r\n250 2.0.0 as 7\r\n")
        await reader.read()

    async def main() -> None:
        async with served(talk) as port:
            connection = await connect(port, security="none")
            refused, taken = await connection.send(envelope("a@x.example", "b@x.example"), MAIL)
            assert (refused.step, str(refused.reply)) == ("RCPT", "550 5.1.1 no body")
            assert (taken.taken, str(taken.reply)) == (True, "250 2.0.0 taken as 7")
            assert connection.usable
            connection.close()

    asyncio.run(main())


def test_all_replies_may_come_at_once() -> None:
    async def main() -> None:
        _, answers = await talked(answering(OK + OK + GO, b"", b"", TAKEN.replace(b"\r", b"")), "a@x.example")
        assert answers[0].taken

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250-x\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(OK + OK + OK + GO)
        await reader.readuntil(b"\r\n.\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(TAKEN + OK + OK + GO)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(TAKEN)
        await reader.read()

    async def at_once() -> None:
        async with served(talk) as port:
            connection = await connect(port, security="none")
            following = envelope("c@x.example")
            answers = await connection.send(envelope("a@x.example", "b@x.example"), MAIL, following)
            assert [answer.taken for answer in answers] == [True, True]
            assert (await connection.send(following, MAIL))[0].taken
            connection.close()

    asyncio.run(at_once())


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([BYE], [("MAIL", 421), ("MAIL", 421)]),
        ([OK, BYE], [("RCPT", 421), ("RCPT", 421)]),
        ([OK, OK, BYE], [("DATA", 421), ("RCPT", 421)]),
        ([OK, OK, OK, BYE], [("DATA", 421), ("DATA", 421)]),
        ([OK, b"550 no\r\n", OK, BYE], [("RCPT", 550), ("DATA", 421)]),
        ([OK, OK, OK, GO, BYE], [("final dot", 421), ("final dot", 421)]),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_421_ends_the_conversation_at_any_point(replies: list[bytes], expected: list[tuple[str, int]], pipelining: bool) -> None:  # noqa: FBT001
    """RFC 5321 section 3.8: it answers what was asked and all that was sent behind it."""
    hello = b"250-x\r\n250 PIPELINING\r\n" if pipelining else b"250 x\r\n"

    async def main() -> None:
        connection, answers = await talked(answering(*replies, hello=hello), "a@x.example", "b@x.example")
        assert [(answer.step, answer.reply.code) for answer in answers] == expected
        assert not connection.usable
        assert not any(answer.taken for answer in answers)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        ([BYE], ("MAIL", 421)),
        ([OK, BYE], ("RCPT", 421)),
        ([OK, OK, BYE], ("DATA", 421)),
    ],
)
def test_a_421_to_an_envelope_opened_ahead_leaves_the_mail_before_it_taken(ahead: list[bytes], expected: tuple[str, int]) -> None:
    """And is the answer to that envelope, whenever it is asked for; nothing of its mail went out."""

    async def main() -> None:
        following = envelope("b@x.example")
        async with served(answering(OK, OK, GO, TAKEN, *ahead)) as port:
            connection = await connect(port, security="none")
            assert (await connection.send(envelope("a@x.example"), MAIL, following))[0].taken
            assert answer_to(await asyncio.gather(connection.send(following, MAIL), return_exceptions=True)) in (expected, "stale")
            assert not connection.usable

    asyncio.run(main())


def answer_to(results: list[list[Answer] | BaseException]) -> tuple[str, int] | str:
    """The only answer to a mail; ``stale`` if the end of the connection was seen before the 421."""
    (result,) = results
    if isinstance(result, SmtpError):
        assert result.phase == "transaction"
        return "stale" if result.stale else str(result)
    assert isinstance(result, list)
    return result[0].step, result[0].reply.code


def test_a_421_in_place_of_the_reply_to_the_final_dot_opens_nothing_ahead() -> None:
    async def main() -> None:
        following = envelope("b@x.example")
        connection, (answer,) = await talked(answering(OK, OK, GO, BYE), "a@x.example", following=following)
        assert (answer.step, answer.reply.code) == ("final dot", 421)
        assert not connection.ready_for(following)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("replies", "phase"),
    [([], "transaction"), ([OK, OK], "transaction"), ([OK, OK, OK], "transaction"), ([OK, OK, OK, GO], "outcome")],
)
def test_an_end_without_a_word_tells_how_far_the_mail_was(replies: list[bytes], phase: str) -> None:
    async def main() -> None:
        with pytest.raises(SmtpError) as caught:
            await talked(answering(*replies), "a@x.example", "b@x.example")
        assert (caught.value.phase, caught.value.code, caught.value.stale) == (phase, None, True)

    asyncio.run(main())


def slow_reader(*, rate: float, most: int = 2**40) -> Talk:
    """A server that takes so many bytes a second of a large mail, and after ``most`` of them takes nothing any more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(OK, OK, GO)(reader, writer)
        begun, tail, count = asyncio.get_running_loop().time(), b"", 0
        while not tail.endswith(b"\r\n.\r\n"):
            piece = await reader.read(2**16)
            if not piece:
                return
            tail, count = (tail + piece)[-5:], count + len(piece)
            ahead = begun + count / rate - asyncio.get_running_loop().time()
            await asyncio.sleep(30 if count >= most else max(0, ahead))
        writer.write(TAKEN)
        await reader.read()

    return talk


LARGE = plain_mail(b"x" * 78 + b"\r\n" + b"\r\n".join([b"y" * 998] * 20_000))


async def large_mail(talk: Talk, timeout: float, mail: Mail = LARGE) -> tuple[list[Answer], float]:  # noqa: ASYNC109 - of the connection
    async with served(talk, 2**16) as port:  # what the server's side holds back looks as if it had been taken
        connection = await connect(port, security="none", timeout=timeout)
        begun = asyncio.get_running_loop().time()
        try:
            answers = await connection.send(envelope("a@x.example", content=mail), mail)
        finally:
            connection.close()
        return answers, asyncio.get_running_loop().time() - begun


def test_the_time_in_which_a_large_mail_is_still_being_taken_does_not_count() -> None:
    """Only the silence behind it does (RFC 5321 section 4.5.3.2.5 speaks of each piece)."""

    async def main() -> None:
        answers, took = await large_mail(slow_reader(rate=10e6), 0.8)
        assert answers[0].taken
        assert took > 1.6

    asyncio.run(main())


def test_a_server_that_stops_taking_a_large_mail_is_given_up_in_time() -> None:
    async def main() -> None:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(SmtpError, match="no reply within") as caught:
            await large_mail(slow_reader(rate=100e6, most=4_000_000), 0.3)
        assert caught.value.phase == "outcome"
        assert asyncio.get_running_loop().time() - begun < 3.0

    asyncio.run(main())


def test_each_wait_has_its_own_time() -> None:
    """A conversation may take longer than the time-out as long as each answer comes in time."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(6):
            await asyncio.sleep(0.15)
            writer.write(b"250 ok\r\n")
            await reader.readline()
        await reader.read()

    async def main() -> None:
        async with served(talk) as port:
            wire = await open_wire("127.0.0.1", port, 0.4, None)
            await wire.replies(1)
            for _ in range(5):
                wire.write(b"NOOP\r\n", replies=1)
                assert (await wire.replies(1))[0].code == 250
            wire.write(b"NOOP\r\n", replies=1)
            with pytest.raises(TimeoutError):
                await wire.replies(1)
            assert not wire.open
            wire.close()

    asyncio.run(main())


def test_on_a_connection_that_failed_nothing_is_sent_and_the_reason_is_told() -> None:
    heard = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\nnonsense\r\n")
        heard.extend(await reader.read())

    async def main() -> Wire:
        async with served(talk) as port:
            wire = await open_wire("127.0.0.1", port, 1.0, None)
            await asyncio.sleep(0.1)
            wire.write(b"MAIL FROM:<a@x.example>\r\n", replies=1)
            with pytest.raises(Exception, match="not a reply"):
                await wire.replies(2)
            return wire

    wire = asyncio.run(main())
    assert not wire.open
    assert heard == b""
