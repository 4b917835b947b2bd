"""Answers in XML (dialects/xml.py)."""

from xml.etree.ElementTree import fromstring

from hypothesis import given
from hypothesis import strategies as st

from postroom.dialects import xml


def in_words(value: object) -> str:
    return "" if value is None else str(value)


def document(value: object) -> str:
    return xml.document("result", value, in_words).decode().removeprefix(xml.DECLARATION)


def test_members_items_and_nothing() -> None:
    value = {"id": 5, "to": ["a", "b"], "none": None, "empty": {}, "list": [], "part": {"name": "x"}}
    assert document(value) == "<result><id>5</id><to>a</to><to>b</to><none /><empty /><part><name>x</name></part></result>"


def test_markup_is_text() -> None:
    assert document("<a href='x'>&</a>") == "<result>&lt;a href='x'&gt;&amp;&lt;/a&gt;</result>"


@given(st.text())
def test_any_text_is_a_document(text: str) -> None:
    """Characters that XML cannot hold are replaced; lone surrogates among them."""
    read = fromstring(xml.document("result", {"a": text}, in_words)).findtext("a") or ""
    assert len(read) == len(text)
    assert all(one in {other, "\ufffd"} for one, other in zip(read, text, strict=True))
