"""Plain text and HTML, and HTML that does nothing by itself when it is shown."""

import pytest

from postroom.messages import markup


@pytest.mark.parametrize(
    "content", ["", "Hi,\r\n\r\nBye", "1 < 2", "a<b", "if x<y then z", "<3", "< b >", "a & b &amp; c", "x > y", "x <- y", "a<b and on = 1"]
)
def test_text_without_a_tag_is_plain_and_shown_as_it_is(content: str) -> None:
    assert markup.format_of(content) == "plain"
    assert markup.safe(content, "plain") == content


@pytest.mark.parametrize(
    "content",
    ["<p>Hi</p>", "a<br />b", "</b>", "<!doctype html>", "<!-- x -->", "<!--", "<x>", "<?xml version='1.0'?>", "<IMG SRC=x>"],
)
def test_a_tag_makes_it_html(content: str) -> None:
    assert markup.format_of(content) == "html"


@pytest.mark.parametrize(
    "content", ["<img src=x onerror=alert(1) ", "<svg/onload=alert(1)", "a <a href='javascript:alert(1)'\n", "<p style=x"]
)
def test_a_tag_without_an_end_is_no_plain_text(content: str) -> None:
    """In front of the markup of a page it would become a whole one."""
    assert markup.format_of(content) == "html"
    assert "<" not in markup.safe(content, "html")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("<p>Hi<br>you</p>", "<p>Hi<br>you</p>"),
        ("<script>alert(1)</script>x", "x"),
        ("<style>p{}</style>x", "x"),
        ('<p onclick="x()" style="color:red">Hi</p>', "<p>Hi</p>"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<a href=" jav&#x09;ascript:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<a href="https://x.example/">x</a>', '<a href="https://x.example/" rel="noopener noreferrer">x</a>'),
        ('<img src="data:image/svg+xml;base64,PHN2Zz4=">', "<img>"),
        ('<iframe src="https://x.example"></iframe><form action="https://x.example"><input></form>', ""),
        ("<svg><script>alert(1)</script></svg>", ""),
        ("<!-- x --><b>y", "<b>y</b>"),
        ("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", ""),
    ],
)
def test_what_could_run_is_taken_out(content: str, shown: str) -> None:
    assert markup.safe(content, "html").replace("<table></table>", "") == shown
