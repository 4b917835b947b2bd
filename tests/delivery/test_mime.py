"""Parts of a mail: how they nest, and that every file comes back byte by byte under its name."""

from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import mime
from postroom.errors import Invalid
from postroom.messages.records import Calendar, MailOptions
from tests.delivery.mails import LINKS, a_file, mail, read, recipient, skeleton, text_of, wire
from tests.messages.test_calendars import EVENT

HTML = {"content": '<p>Cześć</p><img src="cid:logo@x">', "content_format": "html"}
LOGO = a_file(2, b"\x89PNG", filename="logo.png", content_type="image/png", disposition="inline", content_id="logo@x")
NAMES = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=100)


def shape(part: EmailMessage) -> Any:
    """The types of a part and those in it."""
    kind = part.get_content_type()
    return (kind, [shape(inner) for inner in part.iter_parts()]) if part.is_multipart() else kind  # type: ignore[arg-type]


def attached(name: str = "plan.pdf", content: bytes = b"%PDF", **changes: Any) -> EmailMessage:
    """The one file of a mail."""
    file = a_file(1, content, filename=name, **changes)
    return next(mail(files=(file,), contents={1: content}).iter_attachments())  # type: ignore[return-value]


def test_parts_nest_as_mail_programs_expect() -> None:
    """RFC 2046, 2387: mixed( related( alternative( plain, html, calendar ), inline ), attachments )."""
    full = mail(
        **HTML, files=(a_file(1, b"x"), LOGO), contents={1: b"x", 2: b"y"}, mail=MailOptions(calendar=Calendar(EVENT, "invite.ics"))
    )
    alternative = ("multipart/alternative", ["text/plain", "text/html", "text/calendar"])
    related = ("multipart/related", [alternative, "image/png"])
    assert shape(full) == ("multipart/mixed", [related, "application/ics", "application/pdf"])
    assert next(part for part in full.walk() if part.get_content_type() == "multipart/related").get_param("type") == "multipart/alternative"
    assert "Cześć" in text_of(full)
    assert "cid:logo@x" in text_of(full, "html")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "text/plain"),
        ({"content": "x", "content_format": "html"}, ("multipart/alternative", ["text/plain", "text/html"])),
        ({"files": (a_file(1, b"x"),)}, ("multipart/mixed", ["text/plain", "application/pdf"])),
        ({"mail": MailOptions(calendar=Calendar(EVENT))}, ("multipart/alternative", ["text/plain", "text/calendar"])),
        (
            {**HTML, "files": (LOGO,)},
            ("multipart/related", [("multipart/alternative", ["text/plain", "text/html"]), "image/png"]),
        ),
    ],
)
def test_no_part_stands_for_nothing(changes: dict[str, Any], expected: Any) -> None:
    assert shape(mail(**changes, contents={1: b"x", 2: b"y"})) == expected


def test_an_inline_part_is_found_by_its_content_id() -> None:
    image = list(mail(**HTML, files=(LOGO,), contents={2: b"\x89PNG"}).iter_attachments())
    assert [(part["Content-ID"], part.get_content_disposition(), part.get_content()) for part in image] == [
        ("<logo@x>", "inline", b"\x89PNG")
    ]


def test_plain_text_has_no_inline_parts() -> None:
    with pytest.raises(Invalid, match="only HTML"):
        mail(files=(LOGO,), contents={2: b"x"})


@pytest.mark.parametrize("content_id", [None, "", "a b", "a>b", 'a"b', "a\r\nb", "ż", "x" * 251])
def test_a_content_id_that_cannot_stand_in_a_header_is_refused(content_id: str | None) -> None:
    with pytest.raises(Invalid, match="Content-ID"):
        mime.file(a_file(disposition="inline", content_id=content_id), ())


@given(st.binary(max_size=500))
def test_every_file_comes_back_byte_by_byte(content: bytes) -> None:
    assert attached(content=content, content_type="application/octet-stream").get_payload(decode=True) == content


def test_lines_of_base64_are_76_characters_long() -> None:
    """RFC 2045 section 6.8; also where one piece of a large file meets the next."""
    content = bytes(range(256)) * 8_000
    pieces = list(mime.base64_pieces(content))
    lines = b"".join(pieces).split(b"\r\n")
    assert len(pieces) == 3
    assert {len(line) for line in lines[:-2]} == {76}
    assert lines[-1] == b""


@pytest.mark.parametrize(
    ("name", "disposition", "content_type"),
    [
        ("plan.pdf", 'filename="plan.pdf"', 'name="plan.pdf"'),
        ('a "b" \\c.pdf', 'filename="a \\"b\\" \\\\c.pdf"', 'name="a \\"b\\" \\\\c.pdf"'),
        (
            "żółw.pdf",
            "filename*=utf-8''%C5%BC%C3%B3%C5%82w.pdf",
            'name="=?utf-8?B?xbzDs8WCdy5wZGY=?="',
        ),
    ],
)
def test_file_names_are_written_for_old_and_new_programs(name: str, disposition: str, content_type: str) -> None:
    """RFC 2231 in Content-Disposition; encoded words in Content-Type, which some programs look for alone."""
    head = mime.file(a_file(filename=name), (b"x",))[0]
    assert isinstance(head, bytes)
    assert f"Content-Disposition: attachment;\r\n {disposition}\r\n".encode() in head
    assert f"Content-Type: application/pdf;\r\n {content_type}\r\n".encode() in head


@pytest.mark.parametrize(
    "name",
    ["=?utf-8?B?eA==?=.pdf", "ż" * 100, "\U0001f600" * 100, "x" * 255, "a;b=c.pdf", "a%20b'c.pdf", "e\u0301\u202egpj"],
)
def test_odd_file_names_come_back(name: str) -> None:
    assert attached(name).get_filename() == name


@given(NAMES)
def test_any_file_name_comes_back(name: str) -> None:
    assert attached(name)["Content-Disposition"].params["filename"] == name  # get_filename takes off spaces and angle brackets


@pytest.mark.parametrize("name", ["", "a\r\nBcc: x@y", "a\nb", "a\0b", "a\u2028b", "x" * 256])
def test_a_file_name_that_is_no_line_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="a file name"):
        mime.file(a_file(filename=name), ())


@pytest.mark.parametrize("kind", ["", "text", "text/html; charset=x", "text/html\r\nBcc: x", "ż/x"])
def test_a_type_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(Invalid, match="no media type"):
        mime.file(a_file(content_type=kind), ())


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed"])
def test_what_must_not_be_encoded_goes_as_bytes(kind: str) -> None:
    """RFC 2046 section 5.2.1: parts of these types may not be in base64."""
    part = attached("mail.eml", b"Subject: x\n\nbody", content_type=kind)
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_content() == b"Subject: x\n\nbody"


def test_a_calendar_message_comes_back_with_its_line_ends() -> None:
    """RFC 6047: text/calendar with the method; RFC 5545: CRLF."""
    parsed = mail(mail=MailOptions(calendar=Calendar(EVENT, "invite.ics")))
    calendar, file = (part for part in parsed.walk() if part.get_content_type() in {"text/calendar", "application/ics"})
    assert (calendar.get_param("method"), calendar.get_content_charset()) == ("REQUEST", "utf-8")
    assert calendar.get_payload(decode=True) == EVENT.replace("\n", "\r\n").encode()
    assert (file.get_filename(), file.get_payload(decode=True)) == ("invite.ics", EVENT.replace("\n", "\r\n").encode())


def test_links_stand_beside_files() -> None:
    parsed = mail(files=(a_file(1, b"x"),), contents={1: b"x"}, links=LINKS)
    assert "https://post.example/links/1/x/a" in text_of(parsed)
    assert [part.get_filename() for part in parsed.iter_attachments()] == ["plan.pdf"]


def test_large_parts_are_the_same_bytes_for_all_recipients() -> None:
    """Nothing large is copied for a recipient; whatever is small is one chunk."""
    rendered = skeleton(files=(a_file(1, b"x" * 2_000_000),), contents={1: b"x" * 2_000_000})
    first, second = (rendered.fill(recipient(email)).chunks for email in ("a@x.example", "b@x.example"))
    assert [one is other for one, other in zip(first, second, strict=True)] == [False, True, True, True, True]
    assert rendered.size > 2_600_000
    assert len(skeleton().fill(recipient()).chunks) == 1
    assert read(wire(rendered.fill(recipient()))).get_content_type() == "multipart/mixed"
