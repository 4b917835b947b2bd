"""Wrapping and encoding of bodies."""

import quopri
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import text

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
    plain = text.normalised(given_text)
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


@pytest.mark.parametrize(
    "html",
    [
        '<div style="padding-left:4000000px">' * 200 + "x<br>" * 1_400,
        '<p style="margin-top:4000000px">x' * 400,
        '<p style="margin-bottom:1.2.3em">x',
        f"<table><tr><td>{'x' * 6_000}<tr><td><td>{'y<br>' * 1_700}",
    ],
)
def test_a_small_document_makes_no_large_text(html: str) -> None:
    """Design 1.5: nobody fills the worker's memory with margins, paddings or columns."""
    tracemalloc.start()
    try:
        made = text.from_html(html)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < len(made) <= 100_000
    assert "x" in made
    assert peak < 100_000_000


def test_what_is_not_displayed_is_not_in_the_text() -> None:
    assert text.from_html('<p style="color:red; DISPLAY: none">hidden</p><pre style="white-space:pre">a  b</pre>') == "a  b"


@pytest.mark.alone
@pytest.mark.parametrize("bomb", ["<a " * 5_000, "<body " * 2_500, '<a b="' * 2_500, "<" * 15_000, "<!--" * 3_700])
def test_tags_that_never_end_cost_no_more_than_text(bomb: str) -> None:
    """Parsers look for the end of each of them again: without care one such message takes seconds."""
    started = time.process_time()
    assert text.from_html(bomb)
    assert time.process_time() - started < 0.5
