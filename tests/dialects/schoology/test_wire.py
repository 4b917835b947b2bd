"""Bodies in JSON and XML: wire/schoology.md sections 3.2, 3.3, 4.3 and 7.1."""

import json
import time
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from postroom.dialects.schoology.errors import SchoologyError
from postroom.dialects.schoology.wire import MAX_DEPTH, MAX_ELEMENTS, encode, read_body, wants_xml

CREATE = {"subject": "The subject of the message", "message": "The body of the message", "recipient_ids": "534342,678887,88923"}
CREATE_XML = b"""<body> <subject>The subject of the message</subject> <message>The body of the message</message>
<recipient_ids>534342,678887,88923</recipient_ids> </body>"""


def refused(content_type: str | None, body: bytes) -> int:
    """Read a body that cannot be read; return the status."""
    with pytest.raises(SchoologyError) as caught:
        read_body(content_type, body)
    assert caught.value.text
    return caught.value.status


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "Application/JSON; charset=UTF-8", None, ""])
def test_json_bodies_of_the_documentation(content_type: str | None) -> None:
    """§3.3."""
    assert read_body(content_type, json.dumps(CREATE).encode()) == CREATE


@pytest.mark.parametrize("content_type", ["application/xml", "text/xml", "text/xml; charset=utf-8", 'TEXT/XML;Charset="UTF-8"'])
def test_xml_bodies_of_the_documentation(content_type: str) -> None:
    """§3.3; and §3.2: the name of the root is arbitrary."""
    assert read_body(content_type, CREATE_XML) == CREATE
    assert read_body(content_type, b"<message> <message_status>read</message_status> </message>") == {"message_status": "read"}
    assert read_body(content_type, b"<result><message_status>read</message_status></result>") == {"message_status": "read"}


def test_the_trailing_comma_of_the_documentation_is_malformed() -> None:
    """§3.3, §7.1."""
    assert refused("application/json", b'{ "message_status": "read", }') == 400


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b"\xff",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"<a><b>1</b></a>",
        b"\"{'subject': 'Sub', 'recipient_ids': '1'}\"",  # as schoolopy 0.3.1 sends (§6.2)
    ],
    ids=range(11),
)
def test_malformed_json(body: bytes) -> None:
    """§7.1."""
    assert refused("application/json", body) == 400
    assert refused(None, body) == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        ";",
        "text/xml; charset=utf-7",
        "text/json; charset=x",
    ],
)
def test_other_types_and_charsets_are_415(content_type: str) -> None:
    """§2.1 and §3.1."""
    assert refused(content_type, b"subject=x") == 415


@pytest.mark.parametrize("content_type", [None, "application/json", "text/xml"])
def test_no_body_holds_nothing(content_type: str | None) -> None:
    assert read_body(content_type, b"") == {}


def test_charsets() -> None:
    text = '{"a": "Ż"}'
    assert read_body("application/json; charset=utf-16", text.encode("utf-16")) == {"a": "Ż"}
    assert read_body("application/json", text.encode("utf-8-sig")) == {"a": "Ż"}
    assert read_body("text/xml; charset=iso-8859-1", "<r><a>é</a></r>".encode("latin-1")) == {"a": "é"}
    assert read_body("text/xml", "<?xml version='1.0' encoding='iso-8859-2'?><r><a>Ż</a></r>".encode("iso-8859-2")) == {"a": "Ż"}
    assert read_body("text/xml; charset=utf-8", "<?xml version='1.0' encoding='utf-16'?><r><a>Ż</a></r>".encode()) == {"a": "Ż"}
    assert read_body("text/xml", "<?xml version='1.0' encoding='utf-16'?><r><a>Ż</a></r>".encode("utf-16")) == {"a": "Ż"}
    assert refused("application/json; charset=us-ascii", text.encode()) == 400


def test_repeated_elements_are_a_list_and_others_are_not() -> None:
    """§3.2: one item and a single object look alike."""
    assert read_body("text/xml", b"<r><a>1</a><a/><a><b>2</b></a><c><id>3</id></c></r>") == {"a": ["1", "", {"b": "2"}], "c": {"id": "3"}}
    assert read_body("text/xml", b"<r><file-attachment><id>88433</id></file-attachment></r>") == {"file-attachment": {"id": "88433"}}


def test_xml_text_is_kept_as_it_is() -> None:
    read = read_body("text/xml", b"<r xmlns='u:x' k='v'><a> x\ny &lt;b&gt; &amp; &#13;<![CDATA[<i>]]><!-- no --></a><?p no?></r>")
    assert read == {"a": " x\ny <b> & \r<i>"}


@pytest.mark.parametrize(
    "body",
    [
        b"<",
        b"<r>",
        b"<r></s>",
        b"<r/>",
        b"<r>text</r>",
        b"<r><message>Hi <b>you</b></message></r>",
        b"<r><a>&unknown;</a></r>",
        b"<r><a>\x00</a></r>",
        b"<r><a>&#0;</a></r>",
        b"<?xml version='1.0' encoding='unheard-of'?><r><a/></r>",
        b"<?xml version='1.0' encoding='utf-7'?><r><a/></r>",
        b"<?xml version='1.0' encoding='big5'?><r><a/></r>",
        b"<r><a>\xff</a></r>",
        b"<r><a/></r><r/>",
        b'{"subject": "x"}',
        b"<!DOCTYPE r><r><a/></r>",
        b"<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/x.dtd'><r><a/></r>",
        b"<!DOCTYPE r [<!ENTITY e 'x'>]><r><a>&e;</a></r>",
        b"<!DOCTYPE r [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><r><a>&e;</a></r>",
        b"<!DOCTYPE r [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/p'> %p;]><r><a/></r>",
        b"<!DOCTYPE r [<!ENTITY a '" + b"x" * 1000 + b"'>]><r><a>" + b"&a;" * 1000 + b"</a></r>",
    ],
    ids=range(21),
)
def test_malformed_and_malicious_xml(body: bytes) -> None:
    """§7.1; entities, DTDs, bombs and external references: design.md §1 promise 5."""
    assert refused("text/xml", body) == 400


def test_billion_laughs() -> None:
    entities = "".join(f"<!ENTITY e{number} '{f'&e{number - 1};' * 10}'>" for number in range(1, 10))
    body = f"<!DOCTYPE r [<!ENTITY e0 'ha'>{entities}]><r><a>&e9;</a></r>".encode()
    started = time.monotonic()
    assert refused("text/xml", body) == 400
    assert time.monotonic() - started < 1


def test_depth_and_size_of_xml_are_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"<a>" * depth + b"</a>" * depth

    def many(count: int) -> bytes:
        return b"<r>" + b"<a/>" * (count - 1) + b"</r>"

    assert "a" in read_body("text/xml", nested(MAX_DEPTH))
    assert refused("text/xml", nested(MAX_DEPTH + 1)) == 400
    assert refused("text/xml", b"<a>" * 300_000) == 400
    assert len(read_body("text/xml", many(MAX_ELEMENTS))["a"]) == MAX_ELEMENTS - 1  # type: ignore[arg-type]
    assert refused("text/xml", many(MAX_ELEMENTS + 1)) == 400


# -- out -------------------------------------------------------------------------------------------------------------


class Inner(Struct):
    id: int
    mid: None = None
    flag: bool | UnsetType = UNSET


class Outer(Struct):
    message: list[Inner]
    text: str = ""
    links: dict[str, str] | None = None


@pytest.mark.parametrize(
    ("accept", "xml"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json, text/plain, */*", False),
        ("application/json", False),
        ("text/html", False),
        ("text/xml", True),
        ("TEXT/XML; charset=utf-8", True),
        ("application/xml", True),
        ("text/*", True),
        ("application/*", False),
        ("text/xml, application/json", False),
        ("text/xml;q=0.5, application/json;q=0.9", False),
        ("application/json;q=0.5,text/xml", True),
        ("application/json;q=0,*/*;q=0.1", True),
        ("application/json;q=0,application/*", True),
        ("text/xml;q=0", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/xml;q=9,application/json", False),
        (",;=,q=1", False),
    ],
)
def test_accept(accept: str | None, *, xml: bool) -> None:
    """§3.2: a weighted list; §7.1: JSON without the header."""
    assert wants_xml(accept) is xml
    kind = encode(Outer([]), accept)[1]
    assert kind == ("text/xml; charset=UTF-8" if xml else "application/json")


def test_json_keeps_order_types_and_nulls() -> None:
    """§4.2."""
    content, _ = encode(Outer([Inner(1)], "é/", {"self": "u"}), None)
    assert content.decode() == '{"message":[{"id":1,"mid":null}],"text":"é/","links":{"self":"u"}}'


def test_xml_repeats_lists_and_leaves_nothing_empty() -> None:
    """§3.2 and §4.3: null, false and empty are empty elements; an empty list is no element; ``&`` is escaped."""
    content, _ = encode(Outer([Inner(1), Inner(2, flag=False), Inner(0, flag=True)], "a<b>&", {"self": "u?a=1&b=2"}), "text/xml")
    assert content.decode() == (
        '<?xml version="1.0" encoding="utf-8" ?>\n'
        "<result><message><id>1</id><mid /></message><message><id>2</id><mid /><flag /></message><message><id>0</id><mid /><flag>1</flag>"
        "</message><text>a&lt;b&gt;&amp;</text><links><self>u?a=1&amp;b=2</self></links></result>"
    )
    assert encode(Outer([]), "text/xml")[0].decode().endswith("<result><text /><links /></result>")


def test_a_text_is_a_literal_in_json_and_the_result_in_xml() -> None:
    """§1.4 and §7.1."""
    assert encode("You must enter a message subject", "application/json")[0] == b'"You must enter a message subject"'
    assert encode("a & b", "text/xml")[0].endswith(b"<result>a &amp; b</result>")
    assert encode("", "text/xml")[0].endswith(b"<result />")


def test_nothing_is_no_bytes_with_the_negotiated_type() -> None:
    """§3.2: 204 shows the negotiated type."""
    assert encode(None, "text/xml") == (b"", "text/xml; charset=UTF-8")
    assert encode(None, None) == (b"", "application/json")


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_every_text_makes_xml_that_parsers_read_back(text: str) -> None:
    """Carriage returns included; characters that XML cannot hold become the replacement character."""
    content, _ = encode(Outer([], text), "application/xml")
    found = ET.fromstring(content).findtext("text") or ""
    assert len(found) == len(text)
    assert all(after in {before, "\ufffd"} for before, after in zip(text, found, strict=True))
    assert read_body("text/xml", content).get("text") == found


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), TEXTS.map(str.encode), st.text("<>/&;a![]-'\" ?=xml\n", max_size=60).map(str.encode)),
    st.sampled_from(["application/json", "text/xml", "text/xml; charset=utf-16", None]),
)
def test_any_body_is_read_or_refused(body: bytes, content_type: str | None) -> None:
    try:
        outcome: object = read_body(content_type, body)
    except SchoologyError as error:
        outcome = error.status
    assert isinstance(outcome, dict) or outcome == 400


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("*/;,=q01. applicationjsontextxml", max_size=60)))
def test_any_accept_header_is_answered(accept: str) -> None:
    assert encode("x", accept)[1] in {"application/json", "text/xml; charset=UTF-8"}
