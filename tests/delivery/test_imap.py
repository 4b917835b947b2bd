"""One message into one folder of a real Dovecot, and of servers that misbehave."""

import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.delivery import imap
from postroom.delivery.imap import Answer, Conversation
from postroom.messages.copies import ImapAccount
from tests.delivery import dovecot
from tests.delivery.dovecot import Dovecot
from tests.delivery.scripted import Scripted
from tests.processes import free_port

MAIL = (
    b"Message-ID: <1.2.abc@postroom.example>\r\nFrom: a@x.example\r\nSubject: =?utf-8?B?xbzDs8WCdw==?=\r\n\r\n"
    b".\r\nFrom here on\r\n..\r\nno line end"
)
DATE = 1_700_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    reason = dovecot.missing()
    if reason:
        pytest.skip(f"{reason}: copies on a real IMAP server are not shown here")
    with dovecot.running() as started:
        yield started


@pytest.fixture
def trusted(server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> Dovecot:
    """The server, whose certificate the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    return server


def append(account: ImapAccount, content: bytes = MAIL, *, again: bool = False) -> Answer:
    return Conversation(account).append(content, DATE, again=again)


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_message_is_kept_as_it_is_read_with_its_date(trusted: Dovecot, security: str) -> None:
    """Byte by byte, with the flag for read, in a folder made and subscribed to for it."""
    folder = f"Kept {security}"
    port = trusted.tls_port if security == "tls" else trusted.port
    answer = append(trusted.account(folder=folder, security=security, port=port))
    assert answer.kind == "done", answer
    assert "Append completed" in answer.words
    assert trusted.kept(folder) == [("S", MAIL)]
    assert folder in trusted.subscriptions()
    (file,) = (trusted.folder / "mail/ala/Maildir" / f".{folder}" / "cur").iterdir()
    assert file.stat().st_mtime == DATE / 1000  # where a Maildir keeps the date


def test_second_message_goes_into_the_folder_that_is_there(trusted: Dovecot) -> None:
    account = trusted.account(folder="Twice")
    assert [append(account).kind, append(account, b"Message-ID: <2@x>\r\n\r\nb\r\n").kind] == ["done", "done"]
    assert [content for _, content in trusted.kept("Twice")] == [MAIL, b"Message-ID: <2@x>\r\n\r\nb\r\n"]


@pytest.mark.parametrize(
    ("folder", "kept"),
    [
        ("Wysłane rzeczy", "Wys&AUI-ane rzeczy"),
        ("Büro/2026/Gesendet & fertig", "B&APw-ro.2026.Gesendet &- fertig"),
        ("発信 🚀", "&dnpP4Q- &2D3egA-"),
        ('100% "here" \\*', None),
    ],
)
def test_folder_of_any_name_is_made_with_all_above_it(trusted: Dovecot, folder: str, kept: str | None) -> None:
    """Modified UTF-7 (RFC 3501 section 5.1.3), hierarchies, and characters that are wildcards of LIST."""
    answer = append(trusted.account(folder=folder))
    assert answer.kind == "done", answer
    names = [path.name for path in (trusted.folder / "mail/ala/Maildir").iterdir()]
    if kept is not None:
        assert f".{kept}" in names
        assert trusted.kept(kept) == [("S", MAIL)]
    assert append(trusted.account(folder=folder), again=True) == Answer("done", "it was there already")


def test_message_that_was_tried_before_is_looked_for(trusted: Dovecot) -> None:
    """The server may have kept it although we never heard so."""
    account = trusted.account(folder="Again")
    append(account, MAIL)
    assert append(account, again=True) == Answer("done", "it was there already")
    assert append(account, MAIL.replace(b"abc", b"xyz"), again=True).kind == "done"
    assert len(trusted.kept("Again")) == 2
    assert append(trusted.account(folder="Not yet made"), again=True).kind == "done"
    assert trusted.kept("Not yet made") == [("S", MAIL)]


def test_names_follow_the_separator_and_prefix_of_the_server() -> None:
    """RFC 2342: where all folders lie below INBOX. a folder is there, too."""
    reason = dovecot.missing()
    if reason:
        pytest.skip(f"{reason}: copies on a real IMAP server are not shown here")
    with dovecot.running(prefix="INBOX.", separator=".") as server:
        for folder in ("Sent", "INBOX.Sent", "INBOX/Sent"):
            answer = append(server.account(folder=folder, security="none"))
            assert answer.kind == "done", answer
        assert append(server.account(folder="Old/Sent", security="none")).kind == "done"
        assert append(server.account(folder="inbox", security="none")).kind == "done"
        assert len(server.kept("Sent")) == 3
        assert len(server.kept("Old.Sent")) == 1
        assert len(list((server.folder / "mail/ala/Maildir/cur").iterdir())) == 1


def test_wrong_password_is_told_apart(trusted: Dovecot) -> None:
    answer = append(trusted.account(password="Kot bez butów"))
    assert (answer.kind, answer.words) == ("login", "[AUTHENTICATIONFAILED] Authentication failed.")
    assert trusted.kept() == []


def test_password_beyond_ascii_is_taken(trusted: Dovecot) -> None:
    """AUTHENTICATE PLAIN carries UTF-8 (RFC 4616); LOGIN would not."""
    assert append(trusted.account("ola")).kind == "done"
    assert trusted.kept("Sent", "ola") == [("S", MAIL)]


def test_full_mailbox_keeps_its_words(trusted: Dovecot) -> None:
    answer = append(trusted.account("full"), MAIL + b"x" * 2_000)
    assert answer.kind == "later"
    assert "[OVERQUOTA] Quota exceeded" in answer.words


def test_certificate_that_nobody_vouches_for_gets_no_password(server: Dovecot) -> None:
    for security, port in (("starttls", server.port), ("tls", server.tls_port)):
        answer = append(server.account(security=security, port=port, folder="Untrusted"))
        assert answer.kind == "later"
        assert "certificate verify failed" in answer.words
    assert server.kept("Untrusted") == []


def test_no_demand_for_encryption_takes_it_all_the_same(server: Dovecot) -> None:
    """``none`` is for a server without TLS; one that offers STARTTLS gets the password over it, whatever its certificate."""
    assert append(server.account(security="none", folder="Trusting")).kind == "done"
    logins = [line for line in server.log().splitlines() if "Login: user=<ala>" in line]
    assert ", TLS, session" in logins[-1]


def test_certificate_of_another_host_gets_no_password(trusted: Dovecot) -> None:
    answer = append(trusted.account(host="localhost"))
    assert answer.kind == "later"
    assert "certificate verify failed" in answer.words


def test_nothing_secret_is_logged(trusted: Dovecot) -> None:
    """Not at the level debug either, though the library logs names of users and what was said."""
    program = """
import sys
from postroom import logs
from postroom.delivery.imap import Conversation
from postroom.messages.copies import ImapAccount
logs.configure("debug")
for password in sys.argv[2:]:
    account = ImapAccount(host="127.0.0.1", port=int(sys.argv[1]), security="starttls", username="ala", password=password, folder="Quiet")
    print(Conversation(account).append(b"Message-ID: <1@secret.example>\\r\\n\\r\\n", 0, again=False).kind)
"""
    arguments = [sys.executable, "-c", program, str(trusted.port), dovecot.PASSWORDS["ala"], "Kot bez butów"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\nlogin\n"
    assert done.stderr == ""


def scripted(server: Scripted, **changes: Any) -> Answer:
    values: dict[str, Any] = {"security": "none", "username": "ala", "password": "Kot w butach", "folder": "Sent", **changes}
    return append(ImapAccount(host="127.0.0.1", port=server.port, **values))


HELLO = b"* OK [CAPABILITY IMAP4rev1] hello\r\n"
CAPABLE = b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"
IN = b"* CAPABILITY IMAP4rev1\r\nTAG OK in\r\n"


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        ((b"* BYE full house\r\n",), "later", ""),
        ((b"220 smtp.example ESMTP\r\n",), "later", ""),
        ((b"\x00\xff\xfe" * 100 + b"\r\n",), "later", ""),
        ((b"* OK\r\n", b"* CAPABILITY IMAP4rev1 \xff(((\r\nTAG OK\r\n", b"TAG OK\r\n", b"* NAMESPACE ((((\r\nTAG OK\r\n"), "later", ""),
        ((b"* OK [CAPABILITY IMAP4rev1",), "later", ""),
        ((HELLO, CAPABLE, b"TAG NO [UNAVAILABLE] directory away\r\n"), "later", "[UNAVAILABLE] directory away"),
        ((HELLO, CAPABLE, b"TAG NO no\r\n"), "login", "no"),
        ((HELLO, CAPABLE), "later", "socket error: EOF"),
        ((HELLO, CAPABLE, b"TAG BAD what is Kot w butach supposed to mean\r\n"), "login", "what is … supposed to mean"),
        ((HELLO, CAPABLE, IN, b"TAG OK open\r\n", b"TAG NO [CANNOT] never\r\n"), "never", "[CANNOT] never"),
        ((HELLO, CAPABLE, IN, b"TAG OK open\r\n", b"TAG NO [ALERT] \x1b[31mfull\r\n"), "later", "[ALERT] [31mfull"),
        ((HELLO, CAPABLE, IN, b"TAG OK open\r\n", b"+ go on\r\n", b"TAG OK kept\r\n"), "done", "kept"),
        ((HELLO, CAPABLE, IN, b"TAG OK open\r\n", b"+ go on\r\n"), "later", "socket error"),
    ],
)
def test_odd_answers_have_a_meaning(lines: tuple[bytes, ...], kind: str, words: str) -> None:
    """A server that lies, stops or answers garbage costs one try; no answer repeats the password."""
    with Scripted(*lines) as server:
        answer = scripted(server)
    assert answer.kind == kind, answer
    assert words in answer.words
    assert answer.words
    assert len(answer.words) <= imap.MAX_WORDS
    assert "Kot" not in answer.words


@pytest.mark.parametrize("said", [b"Kot w butach", b64encode(b"Kot w butach"), b64encode(b"\0ala\0Kot w butach")])
def test_no_answer_repeats_the_password_in_whatever_form(said: bytes) -> None:
    """A server that tells what it did not understand tells what we sent: SASL PLAIN (RFC 4616) is the password in base64."""
    with Scripted(HELLO, CAPABLE, IN, b"TAG OK open\r\n", b"TAG NO what is " + said + b" meant to be\r\n") as server:
        answer = scripted(server)
    assert answer.words == "append failed: what is … meant to be"


_PIECES = st.sampled_from(
    [
        b"* ",
        b"+ ",
        b"TAG ",
        b"OK ",
        b"NO ",
        b"BAD ",
        b"BYE ",
        b"[",
        b"]",
        b"(",
        b")",
        b"{3}",
        b'"',
        b"\\",
        b"\r\n",
        b"CAPABILITY ",
        b"LIST ",
        b"SEARCH ",
    ]
)
_LINES = st.lists(st.lists(_PIECES | st.binary(max_size=5), max_size=8).map(b"".join), max_size=6)


@settings(max_examples=60)
@given(_LINES, st.booleans())
def test_no_answer_of_a_server_is_raised(lines: list[bytes], well_behaved: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """Whatever a server says, before or after the login, is one try that did not succeed, or one that the server says did."""
    beginning = [HELLO, CAPABLE, IN, b"TAG OK open\r\n"] if well_behaved else []
    with Scripted(*beginning, *lines, patience=0.05) as server:
        answer = scripted(server)
    assert answer.kind in {"done", "later", "login", "never"}
    assert answer.words.isprintable()


def test_starttls_that_is_not_offered_gets_no_password() -> None:
    with Scripted(HELLO, CAPABLE, b"TAG OK\r\n") as server:
        answer = scripted(server, security="starttls")
    assert answer.kind == "later"
    assert "STARTTLS" in answer.words
    assert b"Kot" not in server.heard


def test_server_that_forbids_login_gets_no_password() -> None:
    with Scripted(HELLO, b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nTAG OK done\r\n", b"TAG OK\r\n") as server:
        answer = scripted(server)
    assert (answer.kind, answer.words) == ("later", "the server takes no passwords over this connection")
    assert b"Kot" not in server.heard


def test_password_that_login_cannot_carry_is_refused_in_words() -> None:
    with Scripted(HELLO, CAPABLE, b"TAG OK\r\n") as server:
        answer = scripted(server, password="zażółć")
    assert answer.kind == "login"
    assert "ASCII" in answer.words
    assert "za" not in answer.words.split()


@pytest.mark.parametrize("flood", [b"* 1 EXISTS\r\n" * 200_000, b"* OK {999999999}\r\n", b"x" * 2_000_000])
def test_flood_is_cut_off(flood: bytes) -> None:
    """The library would keep all of it in memory."""
    with Scripted(HELLO, flood) as server:
        answer = scripted(server)
    assert answer.kind == "later"
    assert "too much" in answer.words or "more than" in answer.words


def test_silent_server_can_be_left() -> None:
    """``abort`` breaks a conversation that would wait on."""
    with Scripted(HELLO, CAPABLE, hang_up=False) as server:
        conversation = Conversation(
            ImapAccount(host="127.0.0.1", port=server.port, security="none", username="u", password="p", folder="Sent")
        )
        threading.Timer(0.3, conversation.abort).start()
        begun = time.monotonic()
        answer = conversation.append(MAIL, DATE, again=False)
        assert time.monotonic() - begun < 5
    assert answer == Answer("later", "it took too long")


def test_each_step_has_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "READ", 0.2)
    with Scripted(HELLO, CAPABLE, hang_up=False) as server:
        assert scripted(server) == Answer("later", "the server does not answer")


def test_absent_server_is_tried_later() -> None:
    answer = append(ImapAccount(host="127.0.0.1", port=free_port(), security="tls", username="u", password="p", folder="Sent"))
    assert answer.kind == "later"
    assert "refused" in answer.words
