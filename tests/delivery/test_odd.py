"""Odd input, and anything at all: what goes in comes out equal, or is refused with ``Invalid``."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.directory.records import Mailbox
from postroom.errors import Invalid, TooLarge
from postroom.messages.records import Calendar, CustomHeader, MailOptions
from tests.delivery.mails import LINKS, a_file, mail, read, recipient, skeleton, text_of, wire
from tests.messages.test_calendars import EVENT

ODD = {
    "nothing": "",
    "blanks": "   \t  ",
    "line breaks": "\n\n\n",
    "a lone dot": ".",
    "dots": ".\n..\n...\n.a\n\n.\n",
    "an end of SMTP": "x\r\n.\r\nMAIL FROM:<a@b>\r\n",
    "half an end of SMTP": "x\n.\r\nQUIT\r.\n.\r",
    "a beginning of a mail": "From nobody Thu Jan  1\n\nFrom \n>From x\nFrom",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1f5\U0001f1f1 \U0001f44d\U0001f3fd",
    "right to left": "שלום עולם \u202eabc\u202c مرحبا",
    "combining": "e\u0301" * 100 + "Z\u0351\u036b\u0343" * 50,
    "a huge word": "x" * 12_000,
    "a huge word beyond ASCII": "ż" * 12_000,
    "long lines": ("word " * 1_000 + "\n") * 2,
    "spaces at ends": "a \nb\t\n c  \n\t\n-- \nsignature ",
    "quotes": "> " + "q" * 200 + "\n>> " + "r " * 200,
    "equals signs": "=\n==\n=3D=0D=0A.=0D=0A\n=?utf-8?B?eA==?=\nend=",
    "a boundary": "--=_7_\n--=_7_--\n--\n",
    "header fields": "Subject: x\nBcc: all@x.example\n\nContent-Type: text/html\n",
    "format strings": "{0.__class__} %s ${x} {{}} }{",
    "a byte order mark": "\ufefftext\ufffe\uffff",
}
"""Content that some program on the way is known to read otherwise."""

HTML = [
    "",
    "<",
    "<b>" * 3_000 + "deep",
    "</html></body></div></div>",
    "<html><body><p>unclosed <a href='x'>link",
    "<table>" + "<tr><td>x</td></tr>" * 300 + "</table>",
    "<?xml version='1.0' encoding='utf-16'?><p>x</p>",
    "<!-- <body> --><script>if (a < b) {x()}</script><style>p::before {content: '</body>'}</style>",
    "&#0;&#xD800;&#x110000;&nbsp;&unknown;",
    '<img src="cid:logo@x"><img src="data:image/png;base64,AAAA">',
    "<plaintext>everything </body> after",
    "<p>" + "x" * 12_000,
    "<td style='padding-left: 1000000em; white-space: pre'>x",
    "\r\n.\r\n<p>\r.\r</p>\n.\n",
]

ANY = st.text(max_size=60)
"""Every character there is, lone surrogates, line breaks and NUL included."""

LINE = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60)


def visible(text: str) -> list[str]:
    return text.replace("\u2028", "\n").replace("\u2029", "\n").split()


@pytest.mark.parametrize("name", ODD)
def test_odd_plain_text_comes_back(name: str) -> None:
    """Word by word: lines may be broken, and end otherwise."""
    parsed = mail(content=ODD[name], author_id=None)
    assert visible(text_of(parsed)) == visible(ODD[name])


@pytest.mark.parametrize("name", ODD)
def test_odd_text_comes_back_from_html(name: str) -> None:
    """Letter by letter in the HTML part, but for the form of line ends."""
    parsed = mail(content=f"<body><pre>{ODD[name]}</pre></body>", content_format="html", author_id=None)
    kept = ODD[name].replace("\r\n", "\n").replace("\r", "\n")
    assert text_of(parsed, "html") == f"<body><pre>{kept}</pre>\n</body>\n"


@pytest.mark.parametrize("name", ODD)
def test_odd_lines_in_headers_come_back_or_are_refused(name: str) -> None:
    """Design 1.5, header injection; also in names as long as 2,000 characters."""
    value = ODD[name][:2_000]
    if re.search(r"[\r\n]", value):
        for call in ({"subject": value}, {"author_name": value}, {"to": recipient(name=value)}):
            with pytest.raises(Invalid):
                mail(**call)
        return
    parsed = mail(subject=value, author_name=value, to=recipient(name=value))
    assert visible(str(parsed["Subject"])) == visible(value)
    assert [address.addr_spec for address in parsed["To"].addresses] == ["ola@x.example"]
    assert [address.addr_spec for address in parsed["From"].addresses] == ["lucja@uni.example"]
    shown = parsed["To"].addresses[0].display_name  # the parser keeps the space between encoded words, against RFC 2047 section 6.2
    assert "".join(visible(shown)) == "".join(visible(value))


@pytest.mark.parametrize("content", HTML)
def test_odd_html_makes_a_mail_with_a_text_part(content: str) -> None:
    parsed = mail(content=content, content_format="html", links=LINKS)
    kept = content.replace("\r\n", "\n").replace("\r", "\n")
    assert all(line in text_of(parsed, "html") for line in kept.split("</body>"))
    assert LINKS[0].url in text_of(parsed)


def test_any_size_of_file_makes_a_mail() -> None:
    for content in (b"", b".", b"\r\n.\r\n", b"\0" * 57, b"x" * 58, bytes(range(256)) * 300):
        parsed = mail(files=(a_file(1, content),), contents={1: content})
        assert [part.get_payload(decode=True) for part in parsed.iter_attachments()] == [content]


MAILBOXES = st.builds(Mailbox, ANY, st.sampled_from(["", "a@x.example", "A@b", "ż@x", "a@x\r\nBcc: y@z"]))
OPTIONS = st.builds(
    MailOptions,
    sender=st.none() | MAILBOXES,
    reply_to=st.lists(MAILBOXES, max_size=2).map(tuple),
    importance=st.sampled_from([None, "high", "lowest"]),
    read_receipt=st.booleans(),
    automatic=st.sampled_from(["", "replied"]),
    in_reply_to=ANY,
    references=st.lists(st.just("a@b") | ANY, max_size=2).map(tuple),
    text=st.none() | ANY,
    signature=st.booleans(),
    headers=st.lists(st.builds(CustomHeader, st.sampled_from(["X-A", "To", "X-A\r\nBcc"]), ANY), max_size=2).map(tuple),
    calendar=st.none() | st.builds(Calendar, st.just(EVENT) | ANY, ANY),
)
FILES = st.builds(
    a_file,
    st.just(1),
    filename=ANY,
    content_type=st.sampled_from(["text/plain", "message/rfc822", "a b"]),
    description=ANY,
    disposition=st.sampled_from(["attachment", "inline"]),
    content_id=st.none() | st.just("x@y") | ANY,
)


@given(
    st.fixed_dictionaries(
        {"subject": ANY, "content": ANY, "author_name": ANY, "content_format": st.sampled_from(["plain", "html"])},
        optional={
            "mail": OPTIONS,
            "files": st.tuples(FILES),
            "template": st.booleans(),
            "shared": st.booleans(),
            "to": st.lists(st.tuples(ANY, st.just("a@x.example") | ANY), max_size=3).map(tuple),
            "address_id": st.just(4),
        },
    ),
    st.builds(recipient, name=ANY, variables=st.none() | st.just('{"a": "x"}') | ANY),
)
def test_whatever_is_given_makes_a_whole_mail_or_none(changes: dict[str, Any], to: Any) -> None:
    """Fuzz: no other error, nothing but CRLF, no field twice, no defect (``read`` checks them)."""
    try:
        data = wire(skeleton(contents={1: b"x"}, **changes).fill(to))
    except (Invalid, TooLarge):
        return
    read(data)


@given(LINE, LINE, st.lists(st.tuples(LINE, st.sampled_from(["a@x.example", "b.c+d@y.example"])), max_size=4))
def test_whatever_is_one_line_comes_back_from_headers(subject: str, value: str, people: list[tuple[str, str]]) -> None:
    options = MailOptions(headers=(CustomHeader("X-Any", value),))
    parsed = read(wire(skeleton(subject=subject, shared=True, to=tuple(people), mail=options).fill(recipient())))
    assert str(parsed["Subject"]).split() == subject.split()
    assert parsed["X-Any"].split() == value.split()
    assert [address.addr_spec for address in parsed["To"].addresses] == [address for _, address in people]
