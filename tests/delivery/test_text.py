"""Wrapping and encoding of bodies."""

import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import text
from postroom.messages import html_text

URL = "https://post.example/" + "x" * 120


def test_wrapping_breaks_between_words_only() -> None:
    """Contract 7: plain text is wrapped at 72 to 78 columns."""
    wrapped = text.wrapped(f"{'word ' * 40}\nsee {URL} there\nshort")
    assert max(len(line) for line in wrapped.split("\n") if URL not in line) <= 76
    assert wrapped.split() == f"{'word ' * 40} see {URL} there short".split()
    assert wrapped.endswith("\nshort")


def test_quoted_lines_and_signatures_stay() -> None:
    long = "> " + "quoted " * 20
    assert text.wrapped(f"{long}\n-- \n{'x ' * 60}") == f"{long}\n-- \n{'x ' * 60}"


def test_indentation_and_blank_lines_stay() -> None:
    assert text.wrapped("  a\n\n\n\tb  \n") == "  a\n\n\n\tb  \n"


@given(st.text(alphabet=st.sampled_from("abc ż\n>"), max_size=600))
def test_wrapping_loses_no_word_and_is_done_after_one_time(given_text: str) -> None:
    once = text.wrapped(given_text)
    assert once.split() == given_text.split()
    assert text.wrapped(once) == once
    assert all(len(line) <= 76 or " " not in line.strip() or line.startswith(">") for line in once.split("\n"))


@given(st.text(max_size=400))
def test_encoded_bodies_decode_to_what_they_were(given_text: str) -> None:
    plain = html_text.normalised(given_text)
    body = text.encoded(plain)
    decoded = quopri.decodestring(body.data) if body.encoding == "quoted-printable" else body.data
    expected = plain.encode("utf-8", "replace")
    assert decoded.replace(b"\r\n", b"\n") == (expected if expected.endswith(b"\n") else expected + b"\n")
    assert all(len(line) <= (76 if body.encoding == "quoted-printable" else 998) for line in body.data.split(b"\r\n"))


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (1024, "1.0 KB"), (1_048_575, "1.0 MB"), (5 * 2**30, "5.0 GB"), (2**50, "1024.0 TB")],
)
def test_sizes_for_people(size: int, shown: str) -> None:
    assert text.human_size(size) == shown
