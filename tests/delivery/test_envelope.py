"""The envelope of a mail: what a server is told, in its own words (delivery/envelope.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.envelope import Envelope, checked_address, commands
from postroom.errors import Invalid

ALL = {"SIZE": "1000", "8BITMIME": "", "SMTPUTF8": "", "DSN": ""}


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


def test_the_envelope_says_only_what_the_server_knows() -> None:
    """RFC 1870, 6152, 6531, 3461: parameters are for servers that offer their extension."""
    plain = Envelope("a@x.example", ("b@y.example", "c+d=e@y.example"), 17, receipt=True)
    assert commands(plain, {}) == [
        b"MAIL FROM:<a@x.example>\r\n",
        b"RCPT TO:<b@y.example>\r\n",
        b"RCPT TO:<c+d=e@y.example>\r\n",
        b"DATA\r\n",
    ]
    assert commands(plain, ALL) == [
        b"MAIL FROM:<a@x.example> SIZE=17 RET=HDRS\r\n",
        b"RCPT TO:<b@y.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b@y.example\r\n",
        b"RCPT TO:<c+d=e@y.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;c+2Bd+3De@y.example\r\n",
        b"DATA\r\n",
    ]
    assert commands(Envelope("", ("b@y.example",), 17, eight_bit=True), ALL)[0] == b"MAIL FROM:<> SIZE=17 BODY=8BITMIME\r\n"


def test_addresses_beyond_ascii_need_smtputf8() -> None:
    """RFC 6531 section 3.4, RFC 6533 section 3."""
    envelope = Envelope("a@x.example", ("żółw@y.example",), 17, receipt=True)
    mail, rcpt, _ = commands(envelope, ALL)
    assert mail == b"MAIL FROM:<a@x.example> SIZE=17 SMTPUTF8 RET=HDRS\r\n"
    assert rcpt.decode() == "RCPT TO:<żółw@y.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;żółw@y.example\r\n"
    with pytest.raises(Invalid, match="SMTPUTF8"):
        commands(envelope, {"SIZE": ""})


@pytest.mark.parametrize("limit", ["17", "0", "", "many", "9" * 30, "-1", "٣"])
def test_size_is_refused_only_where_the_limit_is_a_number(limit: str) -> None:
    """RFC 1870 section 4: 0 and no number mean that no limit is known."""
    assert commands(Envelope("a@x.example", ("b@y.example",), 17), {"SIZE": limit})
    with pytest.raises(Invalid):
        commands(Envelope("a@x.example", ("b@y.example",), 18), {"SIZE": "17"})


@given(st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_no_address_makes_a_line_of_its_own(local: str, domain: str, receipt: bool) -> None:  # noqa: FBT001
    """Design 1.5: whatever an address holds, each command stays one line."""
    try:
        lines = commands(Envelope("a@x.example", (f"{local}@{domain}",), 1, receipt=receipt), ALL)
    except Invalid:
        return
    assert all(line.endswith(b"\r\n") and line.count(b"\n") == line.count(b"\r") == 1 for line in lines)
    assert lines[1].startswith(b"RCPT TO:<")
    assert lines[1].count(b"<") == lines[1].count(b">") == 1
