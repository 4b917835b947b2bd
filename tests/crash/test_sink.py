"""The sink tells the truth, behaves as it is told, and is no bottleneck; the judge has nothing else to go by."""

import contextlib
import smtplib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.crash.witness import Witness, witness

MAILS_A_SECOND = 8_000


@pytest.fixture
def seen() -> Iterator[Witness]:
    with witness() as running:
        yield running


def transaction(recipient: str, name: str, body: bytes = b"Hello.\r\n") -> bytes:
    """One mail as a client that pipelines writes it."""
    head = f"MAIL FROM:<a@x.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
    return head + f"Subject: x\r\nMessage-ID: {name}\r\n\r\n".encode() + body + b".\r\n"


def conversation(seen: Witness, *pieces: bytes) -> bytes:
    """Say all this, piece by piece, and no more; return what was answered until the sink closed."""
    with socket.create_connection(("127.0.0.1", seen.port), timeout=10) as client:
        for piece in (b"EHLO x.example\r\n", *pieces):
            client.sendall(piece)
            time.sleep(0.01)
        client.shutdown(socket.SHUT_WR)
        answered = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65_536):
                answered += part
    return answered


def test_an_ordinary_client_is_served(seen: Witness) -> None:
    with smtplib.SMTP("127.0.0.1", seen.port, timeout=10) as client:
        assert client.sendmail("a@x.example", ["b@x.example", "c@x.example"], "Message-ID: <1@x>\r\n\r\n.dots\r\n..\r\n") == {}
    assert [(mail.recipient, mail.message_id, mail.answered) for mail in seen.mails()] == [
        ("b@x.example", "<1@x>", True),
        ("c@x.example", "<1@x>", True),
    ]


def test_every_mail_of_a_pipeline_is_remembered_even_chopped(seen: Witness) -> None:
    """RFC 2920: the boundaries of packets mean nothing."""
    stream = b"".join(transaction(f"p{number}@x.example", f"<{number}@x>") for number in range(5))
    answered = conversation(seen, *(stream[start : start + 37] for start in range(0, len(stream), 37)))
    assert answered.count(b"250 2.0.0 taken") == 5
    assert [mail.message_id for mail in seen.mails()] == [f"<{number}@x>" for number in range(5)]


def test_a_mail_without_its_final_dot_never_arrived(seen: Witness) -> None:
    conversation(seen, transaction("b@x.example", "<1@x>")[:-3])
    assert seen.mails() == []


def test_an_empty_mail_ends_with_its_first_line(seen: Witness) -> None:
    conversation(seen, b"MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n.\r\n")
    assert [mail.message_id for mail in seen.mails()] == [""]


def test_the_same_mail_twice_is_remembered_twice(seen: Witness) -> None:
    conversation(seen, transaction("b@x.example", "<1@x>"), transaction("b@x.example", "<1@x>"))
    assert seen.count() == 2


@pytest.mark.parametrize(("local", "kept"), [("drop-kept1", [False, True]), ("drop-lost1", [True])])
def test_the_connection_is_closed_after_the_final_dot_once(seen: Witness, local: str, kept: list[bool]) -> None:
    """What was kept is remembered as unanswered; what was forgotten is not remembered; the second try is taken."""
    assert b"taken" not in conversation(seen, transaction(f"{local}@x.example", "<1@x>"))
    assert b"taken" in conversation(seen, transaction(f"{local}@x.example", "<1@x>"))
    assert [mail.answered for mail in seen.mails()] == kept


def test_a_silent_domain_is_not_answered_until_it_is_healed(seen: Witness) -> None:
    with socket.create_connection(("127.0.0.1", seen.port), timeout=10) as client:
        client.sendall(transaction("b@silent.example", "<1@x>"))
        answered = b""
        while answered.count(b"\r\n") < 2:  # the greeting and the reply to MAIL
            answered += client.recv(65_536)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(65_536)
        assert answered.endswith(b"\r\n250 2.0.0 ok\r\n")
    assert seen.count() == 0
    seen.heal()
    assert b"taken" in conversation(seen, transaction("b@silent.example", "<1@x>"))


def test_away_means_that_nobody_listens_and_open_connections_end(seen: Witness) -> None:
    with socket.create_connection(("127.0.0.1", seen.port), timeout=10) as client:
        assert client.recv(1_000).startswith(b"220 ")
        seen.leave()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1_000) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", seen.port), timeout=10)
    seen.come_back()
    assert b"taken" in conversation(seen, transaction("b@x.example", "<1@x>"))


def test_waiting_for_mails_ends_when_they_are_there_or_in_time(seen: Witness) -> None:
    assert not seen.wait(1, 0.1)
    conversation(seen, transaction("b@x.example", "<1@x>"))
    started = time.monotonic()
    assert seen.wait(1, 10)
    assert time.monotonic() - started < 5


@pytest.mark.alone
def test_it_is_no_bottleneck(seen: Witness) -> None:
    """More mails a second than a worker can send: 8,000 of 4 KB take it about half a second."""
    batch = transaction("b@x.example", "<1@x>", (b"x" * 70 + b"\r\n") * 56) * 100
    with socket.create_connection(("127.0.0.1", seen.port), timeout=30) as client:
        started = time.monotonic()
        for _ in range(MAILS_A_SECOND // 100):
            client.sendall(batch)
        assert seen.wait(MAILS_A_SECOND, 30)
    assert time.monotonic() - started < 4, "a quarter of the speed, for machines that are busy"
