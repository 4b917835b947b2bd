"""Templates in mails: each recipient gets their own values, as text and never as markup or header."""

import json
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.errors import Invalid
from postroom.messages.records import MailOptions
from tests.delivery.mails import mail, read, recipient, skeleton, text_of, wire

VALUE = st.text(alphabet=st.sampled_from("aż. \t-{}<>&\"'=\n\r\U0001f600From"), max_size=200)
PLAIN = {"template": True, "author_id": None, "subject": "Result {grade}", "content": "Dear {name},\n\nyour grade: {grade}.\n"}
HTML = {**PLAIN, "content_format": "html", "content": '<p title="{grade}">Dear {name}</p><style>p {{color: red}}</style>\n<p>End</p>'}


def filled(content: dict[str, Any], **variables: str) -> EmailMessage:
    return mail(to=recipient(variables=json.dumps(variables)), **content)


def test_each_recipient_gets_the_own_values() -> None:
    rendered = skeleton(**PLAIN)
    for name, grade in [("Łucja", "4,5"), ("Jan", "5")]:
        parsed = read(wire(rendered.fill(recipient(variables=json.dumps({"name": name, "grade": grade})))))
        assert parsed["Subject"] == f"Result {grade}"
        assert text_of(parsed) == f"Dear {name},\n\nyour grade: {grade}.\n"


def test_values_are_text_in_html() -> None:
    """Values are escaped in HTML, in the title too; the text part has them as they are."""
    parsed = filled(HTML, name="<b>Ola & Co</b>", grade='"5"')
    html = text_of(parsed, "html")
    assert '<p title="&quot;5&quot;">Dear &lt;b&gt;Ola &amp; Co&lt;/b&gt;</p><style>p {color: red}</style>\n<p>End</p>' in html
    assert "<title>Result &quot;5&quot;</title>" in html
    assert "Dear <b>Ola & Co</b>" in text_of(parsed)


def test_a_given_text_part_is_a_template_too() -> None:
    parsed = filled({**HTML, "mail": MailOptions(text="Hello {name}")}, name="Ola", grade="5")
    assert text_of(parsed) == "Hello Ola\n"


def test_braces_and_entities_of_braces_are_no_placeholders() -> None:
    parsed = filled({**HTML, "content": "<p>{{name}} &#123;name&#125; {name}</p>"}, name="Ola", grade="5")
    assert text_of(parsed).strip() == "{name} {name} Ola"
    assert "{name} &#123;name&#125; Ola" in text_of(parsed, "html")


def test_a_message_that_is_no_template_keeps_its_braces() -> None:
    assert text_of(mail(author_id=None, content="{name} {{ }}")) == "{name} {{ }}\n"


@pytest.mark.parametrize("value", ["x\r\nBcc: all@x.example", "x\ny", "x\ry", "x\u2028y", "x\x85y"])
def test_no_line_break_comes_into_the_subject(value: str) -> None:
    """Design 1.5, header injection."""
    with pytest.raises(Invalid, match="variables"):
        filled(PLAIN, name="Ola", grade=value)


@pytest.mark.parametrize("content", [PLAIN, HTML, {**HTML, "mail": MailOptions(text="nobody")}])
def test_a_missing_value_is_named(content: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"no value for \{name\}"):
        filled(content, grade="5")


@pytest.mark.parametrize(("field", "source"), [("subject", "{x.y}"), ("content", "{0}"), ("content", "}")])
def test_a_bad_template_makes_no_mail(field: str, source: str) -> None:
    with pytest.raises(Invalid, match=f"^{field}: "):
        skeleton(**{**PLAIN, field: source})


def test_long_lines_are_wrapped_with_their_values() -> None:
    text = text_of(filled({**PLAIN, "content": "{grade} " + "word " * 20 + "{name}"}, name="word " * 20, grade="https://" + "x" * 90))
    lines = text.split("\n")
    assert lines[0] == "https://" + "x" * 90
    assert max(len(line) for line in lines[1:]) <= 76
    assert text.split() == ["https://" + "x" * 90, *["word"] * 40]


def test_a_paragraph_as_long_as_a_page_is_wrapped_all_the_same() -> None:
    text = text_of(filled({**PLAIN, "content": "word " * 400 + "{name} {grade} " + "word " * 400}, name="long value " * 20, grade="5"))
    assert max(len(line) for line in text.split("\n")) <= 76
    assert text.split() == [*["word"] * 400, *["long", "value"] * 20, "5", *["word"] * 400]


@given(VALUE, VALUE)
def test_any_value_comes_back_in_plain_text(name: str, grade: str) -> None:
    parsed = filled({**PLAIN, "subject": "x", "content": ".{name}\nFrom {grade} end\n{name}"}, name=name, grade=grade)
    assert text_of(parsed).split() == f".{name}\nFrom {grade} end\n{name}".split()


@given(VALUE, VALUE)
def test_any_value_comes_back_in_html(name: str, grade: str) -> None:
    """Letter by letter, but for the form of line ends."""
    parsed = filled({**HTML, "subject": "x", "content": "<body><pre>.{name}\n.{grade}{name}</pre></body>"}, name=name, grade=grade)
    name, grade = (value.replace("\r\n", "\n").replace("\r", "\n") for value in (name, grade))
    expected = f".{name}\n.{grade}{name}"
    for sign, entity in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}.items():
        expected = expected.replace(sign, entity)
    assert text_of(parsed, "html") == f"<body><pre>{expected}</pre>\n</body>\n"


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200))
def test_any_value_comes_back_in_the_subject(value: str) -> None:
    assert " ".join(str(filled(PLAIN, name="x", grade=value)["Subject"]).split()) == " ".join(f"Result {value}".split())
