"""Records out of names (wire/onlyoffice.md §1a.4, §1a.5 rows 0b and 0c, §8.1 to 8.6)."""

import json
from enum import IntEnum
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, field

from postroom.dialects.onlyoffice.binder import Long, Moment, Wrapped, bind
from postroom.dialects.onlyoffice.errors import ARGUMENT, FORMAT, OVERFLOW, ApiError
from postroom.dialects.onlyoffice.names import Names

UTC = ZoneInfo("UTC")
WARSAW = ZoneInfo("Europe/Warsaw")
QUICK = settings(max_examples=300, deadline=None)


class Share(IntEnum):
    """As FileShare."""

    NONE = 0
    ReadWrite = 1
    Read = 2


class Attachment(Struct, frozen=True, rename="camel"):
    file_id: int = 0
    file_name: str | None = None
    size: Long = 0
    need_save_to_temp: bool = False
    content_id: str | None = None
    wrapped: Wrapped = False


class Options(Struct, frozen=True, rename="camel"):
    folders: list[int] = field(default_factory=lambda: [1])
    parts: list[Attachment] = []


class Given(Struct, frozen=True, rename="camel"):
    """Every kind of field."""

    id: int = 0
    sender: str | None = field(default=None, name="from")
    to: list[str] = []
    importance: bool = False
    subject: str | None = None
    tags: list[int] = []
    attachments: list[Attachment] = []
    share: Share = Share.NONE
    folder: int = 1
    unread: bool | None = None
    from_date: Moment | None = None
    options: Options = Options()


def from_json(body: object, zone: ZoneInfo = UTC) -> Given:
    names = Names()
    names.add_json(body if isinstance(body, str) else json.dumps(body))
    return bind(names.root, Given, zone)


def from_form(text: str) -> Given:
    names = Names()
    names.add_pairs(parse_qsl(text, keep_blank_values=True))
    return bind(names.root, Given, UTC)


def from_xml(text: str) -> Given:
    names = Names()
    names.add_xml(text.encode())
    return bind(names.root, Given, UTC)


def refused(body: object) -> ApiError:
    with pytest.raises(ApiError) as error:
        from_json(body)
    assert error.value.status == 400
    return error.value


# -- each row of the table of §1a.4 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["to[]=a&to[]=b", "to=a&to=b", "to[0]=a&to[1]=b", "to=a&to[]=b", "to[1]=b&to[0]=a", "TO[]=a&To=b"])
def test_a_list_in_every_spelling_of_a_form(text: str) -> None:
    assert sorted(from_form(text).to) == ["a", "b"]


def test_numbered_values_are_in_the_order_of_their_numbers() -> None:
    assert from_form("to[10]=c&to[2]=b&to[1]=a&to[99999999999999999999]=z").to == ["a", "b", "c"]


def test_a_list_in_json() -> None:
    assert from_json({"to": ["a", "b"]}).to == ["a", "b"]
    assert from_json({"to": "a"}).to == ["a"]


@pytest.mark.parametrize("body", [{"to": []}, {}])
def test_no_list_is_an_empty_one(body: object) -> None:
    assert from_json(body).to == []


@pytest.mark.parametrize("body", [{"to": ""}, {"to": None}])
def test_an_empty_text_is_a_list_of_it(body: object) -> None:
    """§8.5: refused later, by the call."""
    assert from_json(body).to == [""]


def test_several_addresses_in_one_text_stay_one() -> None:
    """§8.6."""
    assert from_json({"to": "a@b.com,c@d.com"}).to == ["a@b.com,c@d.com"]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"attachments": [{"fileId": 5}]}, [5]),
        ({"attachments": [{"fileId": 5}, {"fileId": 6}]}, [5, 6]),
        ({"attachments": {"fileId": 5}}, [5]),
        ({"Attachments": [{"FILEID": "5"}]}, [5]),
        ({"attachments": [{"fileid": "5"}]}, [5]),
        ({"attachments": []}, []),
        ({"attachments": None}, []),
        ({"attachments": ""}, []),
        ({"attachments": [None, {"fileId": 5}, "x", {}]}, [5]),
        ({"attachments": '[{"fileId": 5}, {"fileId": "6"}]'}, [5, 6]),
        ({"attachments": '{"fileId": 5}'}, [5]),
        ({"attachments": "[{"}, []),
        ({"attachments": "[1]"}, []),
        ({"attachments": "7"}, []),
    ],
)
def test_lists_of_objects_in_json(body: object, ids: list[int]) -> None:
    """§8.1, 8.3, 8.4: one object, any case of letters, JSON in a text."""
    found = from_json(body).attachments
    assert [one.file_id for one in found] == ids
    assert not any(one.wrapped for one in found)


@pytest.mark.parametrize(
    "text", ["attachments[0][fileId]=5", "attachments[fileId]=5", "attachments[][fileId]=5", "ATTACHMENTS[0][FILEID]=5"]
)
def test_lists_of_objects_in_a_form(text: str) -> None:
    assert from_form(text).attachments == [Attachment(file_id=5)]


@pytest.mark.parametrize("several", [False, True])
def test_objects_inside_value_are_unwrapped_and_marked(several: bool) -> None:  # noqa: FBT001 - parametrised
    """§8.1, 8.2: the example of the documentation, values as texts."""
    one = {"value": {"fileId": "1234", "fileName": "fileName", "size": "1234", "needSaveToTemp": "true", "contentId": "contentId"}}
    wanted = Attachment(file_id=1234, file_name="fileName", size=1234, need_save_to_temp=True, content_id="contentId", wrapped=True)
    assert from_json({"attachments": [one] * (2 if several else 1)}).attachments == [wanted] * (2 if several else 1)
    assert from_form("attachments[0][value][fileId]=5").attachments == [Attachment(file_id=5, wrapped=True)]
    assert from_json({"attachments": json.dumps([one])}).attachments == [wanted]


def test_the_mark_is_not_the_clients() -> None:
    assert from_json({"attachments": [{"fileId": 5, "wrapped": True}]}).attachments == [Attachment(file_id=5)]


def test_null_in_an_object_is_an_empty_text() -> None:
    assert from_json({"attachments": [{"fileId": 5, "contentId": None}]}).attachments == [Attachment(file_id=5, content_id="")]


@pytest.mark.parametrize("body", [{"tags": [1, 2]}, {"tags": ["1", "2"]}, {"TAGS": [" 1", "+2"]}])
def test_lists_of_numbers(body: object) -> None:
    assert from_json(body).tags == [1, 2]


def test_a_list_of_numbers_in_a_text_is_refused() -> None:
    """§8.3 keeps it."""
    assert refused({"tags": "[1,2]"}).message == "Input string was not in a correct format."


def test_no_numbers_in_a_text_are_none() -> None:
    """§5: automatic replies write their lists so; a list of texts has such a text."""
    assert from_json({"tags": "[]"}).tags == from_json({}).tags
    assert from_json({"to": "[]"}).to == ["[]"]


def test_empty_texts_are_no_numbers() -> None:
    assert from_json({"tags": ["", 3, None]}).tags == [3]
    assert from_json({"tags": ""}).tags == []


def test_xml() -> None:
    """§1a.4: the children of the root."""
    text = "<r><Id>7</Id><to>a</to><to>b</to><attachments><fileId>5</fileId></attachments><attachments><fileId>6</fileId></attachments></r>"
    given = from_xml(text)
    assert (given.id, given.to, [one.file_id for one in given.attachments]) == (7, ["a", "b"], [5, 6])
    assert from_xml("<r><attachments><fileId>5</fileId></attachments></r>").attachments == [Attachment(file_id=5)]


def test_the_first_value_of_a_scalar_wins() -> None:
    assert from_form("id=1&ID=2").id == 1
    assert from_json('{"id": [3, 4], "subject": ["a", "b"]}') == Given(id=3, subject="a")


@pytest.mark.parametrize("body", [{"id": ""}, {"id": None}, {"id": []}, {"id": {}}, {"id": {"a": 1}}])
def test_an_empty_number_is_the_default(body: object) -> None:
    assert from_json(body) == Given()


def test_other_empty_values_are_the_default() -> None:
    assert from_form("importance=&share=&folder=&unread=&fromDate=&subject=&from=") == Given(subject="", sender="")


def test_unknown_names_are_ignored() -> None:
    """§1a.2: isReceipt, streamId, __ and the like."""
    assert from_form("__=0.123&isReceipt=false&streamId=x&id=5") == Given(id=5)


def test_records_in_records() -> None:
    assert from_json({"options": {"folders": [2, 5], "parts": [{"fileId": 1}]}}).options == Options(
        folders=[2, 5], parts=[Attachment(file_id=1)]
    )
    assert from_form("options[folders][]=2&options[parts][0][fileId]=1").options == Options(folders=[2], parts=[Attachment(file_id=1)])
    assert from_json({"options": '{"folders": [2]}'}).options.folders == [2]
    assert from_json({"options": {"parts": []}}).options.folders == [1]


# -- converters (§1a.5 row 0c) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"), [("1234", 1234), (" 7 ", 7), ("+7", 7), ("-7", -7), ("007", 7), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31))]
)
def test_numbers(text: str, value: int) -> None:
    assert from_json({"id": text}).id == value


@pytest.mark.parametrize("value", ["abc", "1.5", 1.5, "1e3", "1_000", "٣", "0x10", "--1", " ", "1 2", True, "9" * 30 + "x"])
def test_what_is_no_number(value: object) -> None:
    error = refused({"id": value})
    assert (error.message, error.hresult) == ("Input string was not in a correct format.", FORMAT)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, "9" * 5_000, "-" + "9" * 5_000, 10**400])
def test_numbers_beyond_32_bits(value: object) -> None:
    error = refused({"id": value})
    assert (error.message, error.hresult) == ("Value was either too large or too small for an Int32.", OVERFLOW)


def test_sizes_have_64_bits() -> None:
    assert from_json({"attachments": [{"size": 2**63 - 1}]}).attachments[0].size == 2**63 - 1
    assert refused({"attachments": [{"size": 2**63}]}).message == "Value was either too large or too small for an Int64."
    assert from_json({"id": "0" * 60 + "5"}).id == 5


@pytest.mark.parametrize(
    ("value", "truth"), [("true", True), ("True", True), (True, True), (" TRUE ", True), ("false", False), (False, False)]
)
def test_truth_values(value: object, truth: bool) -> None:  # noqa: FBT001 - parametrised
    assert from_json({"importance": value, "unread": value}) == Given(importance=truth, unread=truth)


@pytest.mark.parametrize("value", ["yes", 1, "1", 0, "t"])
def test_what_is_no_truth_value(value: object) -> None:
    error = refused({"importance": value})
    assert (error.message, error.hresult) == ("String was not recognized as a valid Boolean.", FORMAT)


@pytest.mark.parametrize(
    ("value", "share"), [(2, Share.Read), ("2", Share.Read), ("read", Share.Read), ("ReadWrite", Share.ReadWrite), (0, Share.NONE)]
)
def test_enumerations(value: object, share: Share) -> None:
    assert from_json({"share": value}).share is share


@pytest.mark.parametrize("value", [9, "Write", "2.0"])
def test_what_is_none_of_an_enumeration(value: object) -> None:
    error = refused({"share": value})
    assert (error.message, error.hresult) == (f"Requested value '{value}' was not found.", ARGUMENT)


def test_dates() -> None:
    assert from_json({"fromDate": "2026-03-01T12:00:00"}, WARSAW).from_date == 1_772_362_800_000
    assert from_json({"fromDate": "2026-03-01T12:00:00Z"}, WARSAW).from_date == 1_772_366_400_000


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "2026-02-30", "01/02/2026", 5])
def test_what_is_no_date(value: object) -> None:
    error = refused({"fromDate": value})
    assert (error.message, error.hresult) == ("String was not recognized as a valid DateTime.", FORMAT)


def test_a_field_that_nothing_can_read_is_a_mistake_of_ours() -> None:
    class Odd(Struct):
        value: float = 0.0

    with pytest.raises(TypeError):
        bind(Names().root, Odd, UTC)


# -- whatever is sent ------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *Given.__struct_encode_fields__,
        "attachments[0][fileId]",
        "attachments[size]",
        "attachments[][value][size]",
        "to[]",
        "to[1]",
        "options[folders]",
    ]
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        ["", "0", "1", "true", "[1]", '[{"fileId": "x"}]', "2026-01-01T00-00-00.000+23:59", "0001-01-01", "9999-12-31T23:59:59.9999999"]
    ),
    st.text(max_size=10),
    st.none() | st.booleans() | st.integers() | st.floats(),
)
BODIES = st.dictionaries(
    NAMES,
    st.recursive(
        VALUES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "fileId", "size", "0", ""]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=6,
)


def check(error: ApiError) -> None:
    assert error.status == 400
    assert error.hresult in {ARGUMENT, FORMAT, OVERFLOW}


@QUICK
@given(BODIES)
def test_any_body_is_a_record_or_the_documented_error(body: object) -> None:
    try:
        assert isinstance(from_json(body, WARSAW), Given)
    except ApiError as error:
        check(error)


@QUICK
@given(st.lists(st.tuples(NAMES, VALUES.map(str)), max_size=8))
def test_any_form_is_a_record_or_the_documented_error(pairs: list[tuple[str, str]]) -> None:
    names = Names()
    try:
        names.add_pairs(pairs)
        assert isinstance(bind(names.root, Given, WARSAW), Given)
    except ApiError as error:
        check(error)
