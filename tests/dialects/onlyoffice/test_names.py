"""The one map of names (wire/onlyoffice.md §1a.4): what each spelling of a body becomes, and where it ends."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.dialects.onlyoffice.errors import ARGUMENT, ApiError
from postroom.dialects.onlyoffice.names import MAX_DEPTH, MAX_VALUES, Names, Node

QUICK = settings(max_examples=200, deadline=None)
TEXTS = st.text(max_size=8)
KEYS = st.one_of(
    st.sampled_from(["to", "TO", "to[]", "to[0]", "attachments", "attachments[0][fileId]", "value", "a[b]c", "[]", "["]), TEXTS
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def tree(node: Node) -> object:
    """Show a node: its values, and what is below it where there is anything."""
    return (node.values, {name: tree(inner) for name, inner in node.below.items()}) if node.below else node.values


def of_json(content: bytes | str) -> object:
    names = Names()
    names.add_json(content)
    return tree(names.root)


def of_pairs(*pairs: tuple[str, str]) -> object:
    names = Names()
    names.add_pairs(pairs)
    return tree(names.root)


def of_xml(content: str) -> object:
    names = Names()
    names.add_xml(content.encode())
    return tree(names.root)


def test_names_are_the_same_in_any_case_of_letters() -> None:
    assert of_pairs(("TO", "a"), ("to", "b"), ("Attachments[0][FileId]", "5")) == (
        [],
        {"to": ["a", "b"], "attachments": ([], {"0": ([], {"fileid": ["5"]})})},
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("to", {"to": ["x"]}),
        ("to[]", {"to": ([], {"": ["x"]})}),
        ("to[0]", {"to": ([], {"0": ["x"]})}),
        ("a[0][b]", {"a": ([], {"0": ([], {"b": ["x"]})})}),
        ("a[b]c", {"a[b]c": ["x"]}),
        ("a[", {"a[": ["x"]}),
        ("[]", {"[]": ["x"]}),
        ("", {"": ["x"]}),
    ],
)
def test_brackets_lead_downwards_where_they_are_whole(name: str, shown: object) -> None:
    assert of_pairs((name, "x")) == ([], shown)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"to": ["a", "b"]}, {"to": ["a", "b"]}),
        ({"to": "a"}, {"to": ["a"]}),
        ({"to": []}, {"to": []}),
        ({"to": None}, {"to": [""]}),
        ({"to": [None, "a"]}, {"to": ["", "a"]}),
        ({"importance": True, "x": False}, {"importance": ["true"], "x": ["false"]}),
        ({"id": 7, "x": -1.50, "y": 10**400}, {"id": ["7"], "x": ["-1.5"], "y": [str(10**400)]}),
        (
            {"attachments": [{"fileId": 5}, {"fileId": 6}]},
            {"attachments": ([], {"0": ([], {"fileid": ["5"]}), "1": ([], {"fileid": ["6"]})})},
        ),
        ({"a": {"b": {"c": "x"}}}, {"a": ([], {"b": ([], {"c": ["x"]})})}),
        ({"to": [["a", "b"], "c"]}, {"to": (["c"], {"0": ["a", "b"]})}),
        ({"to[]": "a"}, {"to": ([], {"": ["a"]})}),
    ],
)
def test_json_becomes_what_a_form_would_have_said(body: object, shown: object) -> None:
    assert of_json(json.dumps(body)) == ([], shown)


def test_no_member_of_a_json_object_is_lost() -> None:
    assert of_json(b'{"to": "a", "to": "b", "TO": "c"}') == ([], {"to": ["a", "b", "c"]})


@pytest.mark.parametrize("content", [b"", b" \r\n", b"\xef\xbb\xbf{}"])
def test_an_empty_body_says_nothing(content: bytes) -> None:
    assert of_json(content) == []


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "7", "null", '"x"', "{'a': 1}", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1,}', '{"a": "\\ud800"}', '{"a": "\\u0000"}'],
)
def test_what_is_no_json_object_is_refused(content: str) -> None:
    """§1a.5 row 0b."""
    with pytest.raises(ApiError) as refused:
        of_json(content)
    assert (refused.value.status, refused.value.hresult) == (400, ARGUMENT)
    assert refused.value.message


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"a": "\xff"}'])
def test_json_is_utf_8(content: bytes) -> None:
    with pytest.raises(ApiError):
        of_json(content)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("<r><to>a</to><to>b</to></r>", {"to": ["a", "b"]}),
        ("<r><to/><Id> 5 </Id></r>", {"to": [""], "id": [" 5 "]}),
        ("<r><a><b>x</b></a></r>", {"a": ([], {"b": ["x"]})}),
        ("<r><a><b>x</b></a><a><b>y</b></a></r>", {"a": ([], {"0": ([], {"b": ["x"]}), "1": ([], {"b": ["y"]})})}),
        ("<n:r xmlns:n='u'><n:to>a</n:to><!-- b --><?c d?></n:r>", {"to": ["a"]}),
        ('<?xml version="1.0" encoding="utf-8"?><r><to>ż&lt;</to></r>', {"to": ["ż<"]}),
    ],
)
def test_the_children_of_the_root_of_xml_are_names(content: str, shown: object) -> None:
    assert of_xml(content) == ([], shown)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<r>",
        "x",
        "<r><to></r>",
        '<?xml version="1.0" encoding="nonsense"?><r/>',
        "<!DOCTYPE r><r/>",
        '<!DOCTYPE r [<!ENTITY a "b">]><r><to>&a;</to></r>',
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r><to>&a;</to></r>',
        '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><r><to>&b;&b;&b;</to></r>',
        "<r>" + "<a>" * 50_000 + "</a>" * 50_000 + "</r>",
    ],
)
def test_broken_and_wicked_xml_is_refused(content: str) -> None:
    """§8.9: 400, where the original breaks down; entities are never opened."""
    with pytest.raises(ApiError) as refused:
        of_xml(content)
    assert (refused.value.status, refused.value.hresult) == (400, ARGUMENT)


def nested(depth: int, form: str) -> None:
    names = Names()
    match form:
        case "json":
            names.add_json('{"a":' * depth + "1" + "}" * depth)
        case "json lists":
            names.add_json('{"a":' + "[" * (depth - 1) + "[1]" + "]" * (depth - 1) + "}")
        case "xml":
            names.add_xml(("<r>" + "<a>" * depth + "1" + "</a>" * depth + "</r>").encode())
        case _:
            names.add_pairs([("a" + "[b]" * (depth - 1), "1")])


@pytest.mark.parametrize("form", ["json", "json lists", "xml", "form"])
def test_depth_is_bounded_in_every_form(form: str) -> None:
    nested(MAX_DEPTH, form)
    for depth in (MAX_DEPTH + 1, 5_000, 50_000):
        with pytest.raises(ApiError):
            nested(depth, form)


def test_the_number_of_values_is_bounded_over_all_sources() -> None:
    names = Names()
    names.add_pairs([("to", "x")] * (MAX_VALUES // 2 - 10))
    with pytest.raises(ApiError, match="10,000"):
        names.add_json(json.dumps({"to": ["x"] * 50}))


def check(error: ApiError) -> None:
    assert error.status == 400


@pytest.mark.parametrize(
    "content", [b'{"a": [' + b"[]," * 300_000 + b"[]]}", b'{"a": [' + b"{}," * 300_000 + b"{}]}", b'{"a": [' + b"11," * 300_000 + b"1]}"]
)
def test_a_crowd_in_json_is_not_even_parsed(content: bytes) -> None:
    with pytest.raises(ApiError, match="10,000"):
        of_json(content)


def test_a_crowd_in_xml_is_not_even_parsed() -> None:
    with pytest.raises(ApiError, match="10,000"):
        of_xml("<r>" + "<a/>" * 300_000 + "</r>")


def test_a_long_text_is_no_crowd() -> None:
    text = "<p>Yes, [indeed]</p>" * 50_000
    assert of_json(json.dumps({"body": text})) == ([], {"body": [text]})
    assert of_xml(f"<r><body><![CDATA[{text}]]></body></r>") == ([], {"body": [text]})


@QUICK
@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        of_json(json.dumps(value))
    except ApiError as error:
        check(error)


@QUICK
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for add in ("add_json", "add_xml"):
        try:
            getattr(Names(), add)(content)
        except ApiError as error:
            check(error)


@QUICK
@given(st.lists(st.tuples(KEYS, TEXTS.filter(lambda text: "\0" not in text)), max_size=10))
def test_any_form_is_read(pairs: list[tuple[str, str]]) -> None:
    of_pairs(*pairs)
