"""Output formats (contract §3.2): exact bodies and content types."""

from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.dialects.usos import formats
from postroom.dialects.usos.formats import Form, ListBuilder, Output
from tests.dialects.usos.conftest import Installation

JSON = Output("json", None)
JSONP = Output("jsonp", "cb")
XML = Output("xmlmap2", None)

VALUE = {"id": "1", "size": 3, "valid": True, "user": None, "list": ["<&>", {}]}


def encode(value: object, output: Output) -> bytes:
    return formats.encode(value, output).content


def test_a_form_is_urlencoded_whatever_format_was_asked_for() -> None:
    """RFC 5849 §2.1; contract §2.2: the answers of services/oauth."""
    encoded = formats.encode(Form((("oauth_token", "a b"), ("oauth_callback_confirmed", "true"))), XML)
    assert encoded.content == b"oauth_token=a+b&oauth_callback_confirmed=true"
    assert encoded.content_type == "application/x-www-form-urlencoded"


def test_json_is_compact_utf_8() -> None:
    assert encode({"a": "ż"}, JSON) == '{"a":"ż"}'.encode()


def test_jsonp_calls_the_callback() -> None:
    assert encode(VALUE, JSONP) == b"cb(" + encode(VALUE, JSON) + b");"


def test_jsonp_escapes_the_line_breaks_of_old_javascript() -> None:
    assert encode("a\u2028b\u2029c", JSONP) == b'cb("a\\u2028b\\u2029c");'


def test_xmlmap2_has_an_element_for_each_kind_of_value() -> None:
    assert encode(VALUE, XML).decode() == (
        '<?xml version="1.0" encoding="utf-8"?>\n<object><string key="id">1</string><number key="size">3</number>'
        '<boolean key="valid">true</boolean><null key="user" /><array key="list"><string>&lt;&amp;&gt;</string><object /></array></object>'
    )


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda below: st.lists(below) | st.dictionaries(st.text(), below))
)
def test_whatever_is_encoded_is_well_formed(value: object) -> None:
    assert msgspec.json.decode(encode(value, JSON)) == value
    ET.fromstring(encode(value, XML))
    assert encode(value, JSONP).startswith(b"cb(")


@pytest.mark.parametrize("sizes", [(), (1,), (2, 3), (0, 1, 0)])
@pytest.mark.parametrize("output", [JSON, JSONP, XML])
def test_a_list_encoded_piece_by_piece_is_the_same(output: Output, sizes: tuple[int, ...]) -> None:
    builder = ListBuilder(output)
    whole: list[dict[str, object]] = []
    for size in sizes:
        page: list[dict[str, object]] = [{"id": str(number), "user": None} for number in range(size)]
        builder.extend(page)
        whole += page
    pieces, at_once = encode(builder.finish(), output), encode(whole, output)
    if output is XML:
        assert ET.canonicalize(pieces.decode()) == ET.canonicalize(at_once.decode())
    else:
        assert pieces == at_once


@pytest.mark.parametrize(
    ("parameters", "content_type", "start"),
    [
        ({}, "application/json; charset=utf-8", '{"id":'),
        ({"format": "json", "callback": "unused"}, "application/json; charset=utf-8", '{"id":'),
        ({"format": "jsonp", "callback": "cb_1"}, "application/javascript; charset=utf-8", 'cb_1({"id":'),
        ({"format": "xmlmap2"}, "text/xml; charset=utf-8", '<?xml version="1.0" encoding="utf-8"?>\n<object><string key="id">'),
    ],
)
def test_content_types_over_http(sqlite_usos: Installation, parameters: dict[str, str], content_type: str, start: str) -> None:
    response = sqlite_usos.send("message", message_id=sqlite_usos.draft(), **parameters)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == content_type
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.text.startswith(start)


@pytest.mark.parametrize(
    ("parameters", "error", "name"),
    [
        ({"format": "xml"}, "param_invalid", "format"),
        ({"format": ""}, "param_invalid", "format"),
        ({"format": "jsonp"}, "param_missing", "callback"),
        ({"format": "jsonp", "callback": "1a"}, "param_invalid", "callback"),
        ({"format": "jsonp", "callback": "alert(1)//"}, "param_invalid", "callback"),
        ({"format": "jsonp", "callback": "cb\n"}, "param_invalid", "callback"),
        ({"format": "jsonp", "callback": "a" * 101}, "param_invalid", "callback"),
    ],
)
def test_bad_formats_are_refused_before_anything_happens(
    sqlite_usos: Installation, parameters: dict[str, str], error: str, name: str
) -> None:
    """§3.2; and nothing is half-done: no message was made."""
    body = sqlite_usos.refused("create_message", **parameters)
    assert (body["error"], body["param_name"]) == (error, name)
    assert sqlite_usos.ask("user") == []


def test_errors_are_json_whatever_was_asked_for(sqlite_usos: Installation) -> None:
    """§3.4."""
    for parameters in ({"format": "jsonp", "callback": "cb"}, {"format": "xmlmap2"}):
        assert sqlite_usos.refused("message", message_id="999", **parameters)["error"] == "object_not_found"


def test_lists_come_in_every_format(usos: Installation) -> None:
    message_id = usos.ready()
    assert usos.send("user", format="xmlmap2").text.endswith(
        f'<array><object><string key="id">{message_id}</string><string key="subject">Subject</string></object></array>'
    )
    jsonp = usos.send("recipients", message_id=message_id, fields="email", format="jsonp", callback="f")
    assert jsonp.text == 'f([{"email":"guest@else.example"}]);'
