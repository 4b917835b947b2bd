"""Header values made from foreign text (pages/headers.py), whatever the text."""

import email.message
import email.policy
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.pages.headers import ByteRange, attachment_disposition, byte_range, preferred_language, safe_media_type


@given(st.text())
def test_no_file_name_breaks_out_of_its_header(name: str) -> None:
    """Header injection: one line of ASCII, always 'attachment', exactly two quotes."""
    value = attachment_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.startswith("attachment; ")
    assert value.count('"') == 2


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("plan.pdf", "plan.pdf", "plan.pdf"),
        ("Zażółć gęślą jaźń.docx", "Zazolc gesla jazn.docx", "Zażółć gęślą jaźń.docx"),
        ("Łódź 50%.txt", "Lodz 50_.txt", "Łódź 50%.txt"),
        ('a"b;c.txt', "a_b;c.txt", "a_b;c.txt"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("a\\b.txt", "a_b.txt", "a_b.txt"),
        ("x\r\nSet-Cookie: a=b", "x__Set-Cookie: a=b", "x__Set-Cookie: a=b"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe", "invoice_fdp.exe"),  # a mark that shows the name as invoiceexe.pdf
        ("日本語", "attachment", "日本語"),
        (" .", "attachment", "attachment"),
        ("", "attachment", "attachment"),
        ("\ud800.txt", "_.txt", "_.txt"),
    ],
)
def test_names_as_browsers_read_them(name: str, plain: str, full: str) -> None:
    """RFC 6266 section 4.3: both forms are there; the extended one (RFC 8187) is the right one."""
    value = attachment_disposition(name)
    _, fallback, extended = value.split("; filename", 2) if value.count("; filename") == 2 else pytest.fail(value)
    assert fallback == f'="{plain}"'
    assert unquote(extended.removeprefix("*=UTF-8''")) == full


def test_another_implementation_reads_the_name() -> None:
    message = email.message.EmailMessage(policy=email.policy.HTTP)
    message["Content-Disposition"] = attachment_disposition("Zażółć 'gęślą' (jaźń)*.docx").replace('filename="', 'x="')
    assert message.get_filename() == "Zażółć 'gęślą' (jaźń)*.docx"


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("application/pdf", "application/pdf"),
        ("IMAGE/PNG", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", None),
        ("text/html", "application/octet-stream"),
        ("text/html;charset=utf-7", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/xml", "application/octet-stream"),
        ("application/javascript", "application/octet-stream"),
        ("text/css", "application/octet-stream"),
        ("image/png\r\nX: y", "application/octet-stream"),
        ("image/", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_only_types_that_nothing_runs_are_passed_on(stored: str, sent: str | None) -> None:
    assert safe_media_type(stored) == (sent or stored)


@given(st.text())
def test_no_media_type_breaks_out_of_its_header(stored: str) -> None:
    value = safe_media_type(stored)
    assert value.isascii()
    assert value.isprintable()
    assert "html" not in value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=10-19", ByteRange(10, 20)),
        ("bytes=90-", ByteRange(90, 100)),
        ("bytes=90-200", ByteRange(90, 100)),
        ("bytes=-10", ByteRange(90, 100)),
        ("bytes=-200", ByteRange(0, 100)),
        ("BYTES=0-9", ByteRange(0, 10)),
        ("bytes= 0-9 ", ByteRange(0, 10)),
        ("bytes=100-", ByteRange(100, 100)),  # empty: 416
        ("bytes=-0", ByteRange(100, 100)),
        ("bytes=5-4", None),  # invalid, so ignored: RFC 9110 section 14.1.1
        ("bytes=0-1,5-6", None),  # several: the whole file
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=٣-٤", None),  # digits, but not of the grammar
        ("items=0-9", None),
        ("", None),
    ],
)
def test_ranges(value: str | None, expected: ByteRange | None) -> None:
    """RFC 9110 section 14.2, on a file of 100 bytes."""
    assert byte_range(value, 100) == expected


@given(st.text() | st.from_regex(r"bytes=\d*-\d*", fullmatch=True), st.integers(0, 2**40))
def test_no_range_leads_out_of_the_file(value: str, size: int) -> None:
    found = byte_range(value, size)
    assert found is None or 0 <= found.start <= found.stop <= size


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "pl"),
        ("", "pl"),
        ("pl", "pl"),
        ("pl-PL,pl;q=0.9,en;q=0.8", "pl"),
        ("en-GB,en;q=0.9,pl;q=0.8", "en"),
        ("en;q=0.2, PL;q=0.3", "pl"),
        ("de", "en"),
        ("*", "en"),
        ("pl;q=0", "en"),
        ("pl;q=nonsense, en;q=0.5", "pl"),
        (";;;,,,", "en"),
    ],
)
def test_languages(header: str | None, language: str) -> None:
    """RFC 9110 section 12.5.4."""
    assert preferred_language(header) == language


@given(st.text())
def test_any_language_header_is_answered(header: str) -> None:
    assert preferred_language(header) in {"pl", "en"}
