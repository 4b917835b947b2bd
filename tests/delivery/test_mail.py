"""A mail as it goes over the wire: dots stuffed, CRLF only (delivery/mail.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import mail
from postroom.delivery.mail import FINAL_DOT, SEPARATE, joined
from postroom.errors import Invalid


@pytest.mark.parametrize("piece", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n", b"a", b"", "ż\r\n".encode()])
def test_what_is_no_piece_is_never_sealed(piece: bytes) -> None:
    """Design 1.5, SMTP smuggling: CRLF is the only line end that can leave."""
    with pytest.raises(Invalid):
        mail.sealed(piece)


@pytest.mark.parametrize(
    ("piece", "sealed"), [(b".\r\n", b"..\r\n"), (b"a\r\n..b\r\n.\r\n", b"a\r\n...b\r\n..\r\n"), (b"a.\r\n", b"a.\r\n")]
)
def test_leading_dots_are_doubled(piece: bytes, sealed: bytes) -> None:
    """RFC 5321 section 4.5.2."""
    assert mail.sealed(piece) == sealed


@pytest.mark.parametrize("smuggled", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n", b"\r", b"\r\r\n", b"a\n\r\n"])
def test_bare_line_ends_are_refused(smuggled: bytes) -> None:
    """Design 1.5, SMTP smuggling: no server of whatever taste sees a second message in ours."""
    with pytest.raises(Invalid):
        mail.sealed(b"Subject: x\r\n\r\nHello" + smuggled + b"MAIL FROM:<a@b>\r\n")


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=127, exclude_characters="\r\n"), max_size=20), min_size=1))
def test_only_the_end_looks_like_the_end(lines: list[str]) -> None:
    """RFC 5321 section 4.5.2: whatever the lines, the server sees the end where it is, and the lines as they were."""
    content = "".join(f"{line}\r\n" for line in lines).encode()
    wire = mail.sealed(content) + FINAL_DOT
    assert b"\r\n.\r\n" not in wire[:-2]
    assert b"".join(line.removeprefix(b".") + b"\r\n" for line in wire[:-3].split(b"\r\n")[:-1]) == content


def test_small_pieces_become_one_and_large_ones_are_not_copied() -> None:
    large = b"x" * SEPARATE
    made = joined([b"a\r\n", b"b\r\n", large, b"c\r\n"])
    assert made.chunks == (b"a\r\nb\r\n", large, b"c\r\n")
    assert made.chunks[1] is large
    assert made.size == SEPARATE + 9
