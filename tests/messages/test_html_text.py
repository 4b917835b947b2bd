"""The text of HTML documents."""

import time
import tracemalloc

import pytest

from postroom.messages import html_text


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
        made = html_text.from_html(html)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < len(made) <= 100_000
    assert "x" in made
    assert peak < 100_000_000


def test_what_is_not_displayed_is_not_in_the_text() -> None:
    assert html_text.from_html('<p style="color:red; DISPLAY: none">hidden</p><pre style="white-space:pre">a  b</pre>') == "a  b"


@pytest.mark.alone
@pytest.mark.parametrize("bomb", ["<a " * 5_000, "<body " * 2_500, '<a b="' * 2_500, "<" * 15_000, "<!--" * 3_700])
def test_tags_that_never_end_cost_no_more_than_text(bomb: str) -> None:
    """Parsers look for the end of each of them again: without care one such message takes seconds."""
    started = time.process_time()
    assert html_text.from_html(bomb)
    assert time.process_time() - started < 0.5
