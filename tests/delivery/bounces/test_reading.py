"""Reading bounces: RFC 3464, 6533, 5965 and 3834, other shapes, and whatever else comes (issue: malformed changes nothing)."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.delivery.bounces.fields import MAX_RECIPIENTS, MAX_TEXT
from postroom.delivery.bounces.hard import nobody_there
from postroom.delivery.bounces.reading import MAX_BYTES, read
from postroom.delivery.bounces.records import Report

CORPUS = {path.stem: path.read_bytes() for path in sorted(Path(__file__).with_name("corpus").glob("*.eml"))}

GONE = ("failed", {"gone@else.example"}, "5.1.1", 550, True)
BOUNCES: dict[str, list[tuple[str, set[str], str | None, int | None, bool]]] = {
    "postfix_unknown": [GONE],
    "postfix_delayed": [("delayed", {"slow@else.example"}, "4.4.1", None, False)],
    "postfix_expired": [("failed", {"slow@else.example"}, "4.4.1", None, False)],
    "postfix_success": [("relayed", {"ann@else.example"}, "2.0.0", None, False)],
    "exim_unknown": [GONE],
    "exim_old": [("failed", {"gone@else.example"}, None, 550, True)],
    "qmail": [GONE],
    "exchange_unknown": [("failed", {"gone@tenant.example"}, "5.1.10", 550, True)],
    "big_provider_full": [("failed", {"full@webmail.example"}, "5.2.2", 552, False)],
    "policy": [("failed", {"ann@strict.example"}, "5.7.1", 554, False)],
    "sendmail_several": [
        ("failed", {"gone@else.example", "gone@inner.else.example"}, "5.1.1", 550, True),
        ("delayed", {"slow@else.example"}, "4.7.1", 451, False),
        ("expanded", {"ann@else.example"}, "2.0.0", None, False),
    ],
    "no_action": [("failed", {"gone@odd.example"}, "5.0.0", 553, True)],
    "international": [("failed", {"ann@xn--w-uga1v8h.example"}, "5.1.1", 550, True)],
}
OTHERS = {
    "complaint": "complaint",
    "no_complaint": "unrecognised",
    "vacation": "auto_reply",
    "vacation_old": "auto_reply",
    "reply": "unrecognised",
    "forwarded_bounce": "unrecognised",
    "report_without_status": "malformed",
    "status_without_recipient": "malformed",
}


def test_every_mail_of_the_corpus_is_looked_at() -> None:
    assert CORPUS.keys() == BOUNCES.keys() | OTHERS.keys()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", BOUNCES)
def test_what_a_report_says_of_each_recipient(name: str, line_end: bytes) -> None:
    """Action, addresses, status, reply code; and whether nobody is there (never so for policy, content, full mailboxes, time-outs)."""
    report = read(CORPUS[name].replace(b"\n", line_end))
    assert report.kind == "bounce"
    found = [(said.action, set(said.addresses), said.status, said.code, nobody_there(said.status, said.text)) for said in report.recipients]
    assert found == BOUNCES[name]


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_bounce(name: str) -> None:
    """Answerers, people, feedback, and reports that say nothing of a recipient."""
    assert read(CORPUS[name]).kind == OTHERS[name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("postfix_unknown", "550 5.1.1 <gone@else.example>: Recipient address rejected: User unknown in virtual mailbox table"),
        ("postfix_expired", "connect to mx.else.example[192.0.2.25]:25: Connection timed out"),
        ("qmail", "Remote host said: 550 5.1.1 sorry, no mailbox here by that name"),
        ("exim_old", "host mx.else.example [192.0.2.25]: 550 Unknown user"),
        ("international", "550 5.1.1 nie ma takiej skrzynki"),
    ],
)
def test_the_words_of_the_mail_server_are_kept_on_one_line(name: str, text: str) -> None:
    (said,) = read(CORPUS[name]).recipients
    assert said.text == text


def test_a_complaint_says_of_whose_mail_and_of_what_kind() -> None:
    """RFC 5965 section 3.2."""
    (said,) = read(CORPUS["complaint"]).recipients
    assert (said.addresses, said.text) == ({"ann@webmail.example"}, "complaint: abuse")


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        ("5.1.1", "", True),
        ("5.1.2", "", True),
        ("5.2.1", "user unknown", False),
        ("5.2.2", "user unknown", False),
        ("5.3.0", "user unknown", False),
        ("5.4.4", "user unknown", False),
        ("5.6.1", "user unknown", False),
        ("5.7.1", "user unknown", False),
        ("5.0.0", "550 User ann unknown", True),
        ("5.0.0", "554 rejected as spam", False),
        (None, "550 no such user here", True),
        (None, "553 recipient <a@x.example> does not exist", True),
        (None, "550 mailbox unavailable", False),
        (None, "550 this mail is unwanted: unknown sender", False),
        ("4.1.1", "user unknown", False),
    ],
)
def test_only_an_address_that_does_not_exist_is_hard(status: str | None, text: str, *, expected: bool) -> None:
    """RFC 3463; a status that says something is believed before any words."""
    assert nobody_there(status, text) is expected


def dsn(blocks: bytes) -> bytes:
    return b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" + blocks


def test_what_is_kept_is_bounded() -> None:
    block = b"Final-Recipient: rfc822; a%d@x.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 " + b"x" * 2_000 + b"\n\n"
    report = read(dsn(b"".join(block.replace(b"%d", str(number).encode()) for number in range(1_200))))
    assert 400 < len(report.recipients) <= MAX_RECIPIENTS, "the first MAX_BYTES of it"
    assert max(len(said.text) for said in report.recipients) == MAX_TEXT - len("smtp; ")
    assert len(read(dsn(b"Action: failed\nStatus: 5.1.1\n\n" * 1_200)).recipients) == MAX_RECIPIENTS


@pytest.mark.alone
@pytest.mark.parametrize(
    "content",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(400)) + b"a\n" * 400_000,
        b"Content-Type: message/rfc822\n\n" * 30_000,
        b"Content-Type: message/delivery-status\n\n" + b"\n" * MAX_BYTES,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 250_000,
        b"A: b\n" * 200_000,
        b"From: MAILER-DAEMON\n\nThe following addresses failed:\n" + b"a" * MAX_BYTES,
        dsn(b"Action: failed\nDiagnostic-Code: " + b"5.1." * 200_000),
        dsn(b"Action: failed\nDiagnostic-Code: x" + b" " * 200_000 + b"x"),
        dsn(b"Action: failed\nStatus: 5.1.1\n\n" * 40_000),
    ],
    ids=["nested", "nested mails", "blocks", "parts", "headers", "line", "field", "blanks", "recipients"],
)
def test_hostile_mails_cost_little(content: bytes) -> None:
    """The work is bounded by lines and levels, so a second is far away (0.3 s at most on the slowest machine seen)."""
    begin = time.process_time()
    read(content)
    assert time.process_time() - begin < 2


def test_what_is_cut_off_is_the_returned_mail() -> None:
    """A long original behind the report does not hide it."""
    assert read(CORPUS["exim_unknown"].replace(b"\nHello.\n", b"\nHello.\n" * 300_000)) == read(CORPUS["exim_unknown"])


def sound(report: Report) -> None:
    """What may be said of any report, whatever it was made of."""
    assert report.recipients or report.kind != "bounce"
    for said in report.recipients:
        assert len(said.text) <= MAX_TEXT
        assert said.text.isprintable()
        assert said.code is None or 400 <= said.code < 600
        for address in said.addresses:
            assert address == address.lower()
            assert address.isascii()


@settings(max_examples=150)
@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(content: bytes) -> None:
    sound(read(content))


@st.composite
def mutated(draw: Any) -> bytes:
    """A mail of the corpus with pieces cut out, doubled, exchanged for others, or made of rubbish."""
    content = bytearray(CORPUS[draw(st.sampled_from(sorted(CORPUS)))])
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 200)))
        other = CORPUS[draw(st.sampled_from(sorted(CORPUS)))]
        at = draw(st.integers(0, len(other)))
        content[start:end] = draw(
            st.one_of(st.binary(max_size=40), st.just(bytes(content[start:end]) * 2), st.just(other[at : at + 200]), st.just(b""))
        )
    return bytes(content)


@settings(max_examples=300)
@given(mutated())
def test_damaged_reports_are_read(content: bytes) -> None:
    sound(read(content))
