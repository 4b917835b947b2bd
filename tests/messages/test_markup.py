"""Plain text and HTML, and HTML that does nothing by itself when it is shown."""

from collections.abc import Callable
from html import escape

import pytest

from postroom.messages import markup
from postroom.messages.records import MAX_CONTENT


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


def many(count: int, tag: Callable[[int], str], rest: str) -> str:
    """Return as much of ``count`` different tags, and then of ``rest`` again and again, as a message can hold."""
    return ("<p>" + "".join(map(tag, range(count))) + rest * MAX_CONTENT)[:MAX_CONTENT]


@pytest.mark.parametrize(
    "content",
    [
        many(1_200, lambda number: f"<b {number}>", "<p>x"),
        many(1_200, lambda number: f"<B/{number}>", "<p>x"),
        many(300, lambda number: f"<font\n{number}><b></b>", "<p>x"),
        many(30, lambda number: f"<i {number}>", "</p>x"),
        many(3, lambda _: "<b><big><code><em><font><i><s><small><strike><strong><tt><u>", "<p>x"),
        many(1, lambda _: f"<a href='http://x.example/{'x' * 5_000}'>", "<p>x"),
        many(1_200, lambda number: f"""<b x="'" y='>{number}'>""", "<p>x"),
        many(1_200, lambda number: f"<b x=`>`{number}>", "<p>x"),
        many(3, lambda _: f"<b title='>{'x' * 3_000}'>", "<p>x"),
    ],
)
def test_html_that_a_parser_would_blow_up_stays_small(content: str) -> None:
    """A message of 15,000 characters once became an answer of 15 megabytes, which took half a gigabyte to make."""
    for safe in (markup.safe(content, "html"), markup.safe_in_mail(content)):
        assert len(safe) < 120 * len(content)
        assert "<script" not in safe
    assert len(markup.words(content, "html", 200)) <= 200


def test_html_that_would_grow_too_much_is_shown_as_it_was_written() -> None:
    content = many(1_200, lambda number: f"<b {number}>", "<p onclick='x'>x")
    assert markup.safe(content, "html") == markup.safe_in_mail(content) == escape(content)


def test_html_with_very_much_formatting_is_shown() -> None:
    words = "".join(f'<p><span style="color: red"><b>word</b> <i>{number}</i> <u>x</u></span></p>' for number in range(200))[:MAX_CONTENT]
    assert markup.safe(words, "html").startswith("<p><span><b>word</b> <i>0</i> <u>x</u></span></p><p>")
    link = '<font face="Arial" color=#123456><a href="https://x.example/{0}">{0}</a></font><br>'
    links = "".join(map(link.format, range(150)))
    assert markup.safe(links, "html").startswith('<a href="https://x.example/0" rel="noopener noreferrer">0</a><br><a ')


def test_parts_of_the_mail_keep_their_names_where_they_are_known() -> None:
    """RFC 2392: escaped names too; in images alone, and nowhere unless the caller knows the parts."""
    html = '<img src="CID:a%40x"><img src="cid:b@x"><a href="cid:a@x">a</a><img alt="cid:b@x">'
    assert markup.safe(html, "html", {"a@x"}) == '<img src="CID:a%40x"><img><a rel="noopener noreferrer">a</a><img alt="cid:b@x">'
    assert "src" not in markup.safe(html, "html")
