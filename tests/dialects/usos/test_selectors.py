"""Field selectors (contract §3.3, §3.4)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.dialects.endpoint import Field, ObjectType, by_name
from postroom.dialects.usos.objects import USER
from postroom.dialects.usos.selectors import InvalidField, SelectorError, UnknownField, parse
from postroom.dialects.usos.wire import MESSAGE, RECIPIENT, RECIPIENTS_GROUP

INNER = ObjectType[int](
    method="services/inner",
    fields=by_name(
        Field[int](name="id", description="", value=str),
        Field[int](name="200x200", description="", value=lambda number: number * 2),
        Field[int](name="secret", description="", value=lambda number: -number, primary=False),
    ),
    default="id",
)
OUTER = ObjectType[int](
    method="services/outer",
    fields=by_name(
        Field[int](name="plain", description="", value=lambda number: number),
        Field[int](name="one", description="", value=lambda number: number, target=INNER),
        Field[int](name="none", description="", value=lambda _: None, target=INNER),
        Field[int](name="many", description="", value=lambda number: [number, number], target=INNER),
        Field[int](name="some", description="", value=lambda number: number, target=INNER, only_primary=True),
        Field[int](name="second", description="", value=lambda number: number, primary=False),
    ),
    default="plain",
)


@pytest.mark.parametrize(
    ("selector", "answer"),
    [
        ("plain", {"plain": 7}),
        ("second|plain", {"second": 7, "plain": 7}),
        ("one", {"one": {"id": "7"}}),
        ("one[id|200x200]|none", {"one": {"id": "7", "200x200": 14}, "none": None}),
        ("many[secret]", {"many": [{"secret": -7}, {"secret": -7}]}),
        ("some[id]", {"some": {"id": "7"}}),
        ("plain|plain", {"plain": 7}),
        ("one[id]|one[secret]", {"one": {"id": "7", "secret": -7}}),
    ],
)
def test_selected_fields_are_rendered_in_the_order_asked_for(selector: str, answer: dict[str, object]) -> None:
    """§3.3: nesting; a bare reference gives the default fields of its target; names below may begin with a digit."""
    rendered = parse(selector, OUTER).render(7)
    assert rendered == answer
    assert list(rendered) == list(answer)


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "*",
        "id|*",
        "|",
        "plain|",
        "|plain",
        "one[",
        "one[]",
        "one[id",
        "one]",
        "one[id]]",
        "one[id]x",
        "a b",
        "a,b",
        "ż",
        "plain\n",
        "-1",
    ],
)
def test_anything_but_names_pipes_and_brackets_is_an_error(selector: str) -> None:
    """§3.3: the * is a convenience of one client, not of the server."""
    with pytest.raises(ValueError, match=r"\w"):
        parse(selector, OUTER)


@pytest.mark.parametrize("selector", ["x" * 5_000, "one[" * 20 + "id" + "]" * 20])
def test_length_and_depth_are_bounded(selector: str) -> None:
    with pytest.raises(ValueError, match=r"longer|deeper"):
        parse(selector, OUTER)


@pytest.mark.parametrize(
    ("selector", "kind", "field", "method"),
    [
        ("nope", UnknownField, "nope", None),
        ("one[nope]", UnknownField, "nope", "services/inner"),
        ("plain[id]", InvalidField, "plain", None),
        ("one[id[x]]", InvalidField, "id", "services/inner"),
        ("some[secret]", InvalidField, "secret", "services/inner"),
    ],
)
def test_a_field_that_cannot_be_selected_is_named(selector: str, kind: type[SelectorError], field: str, method: str | None) -> None:
    """§3.4: field_not_found and field_invalid, each with field_name and method_name."""
    with pytest.raises(kind) as caught:
        parse(selector, OUTER)
    assert (caught.value.field, caught.value.method) == (field, method)


def test_secondary_fields_are_refused_where_only_primary_ones_are_allowed() -> None:
    with pytest.raises(InvalidField):
        parse("second", OUTER, only_primary=True)
    assert "plain" in parse("plain", OUTER, only_primary=True)


def test_message_fields_are_split_as_the_contract_has_it() -> None:
    """§4.1."""
    primary = {name for name, field in MESSAGE.fields.items() if field.primary}
    assert primary == {"id", "from_inst_address", "subject", "status", "date"}
    assert set(MESSAGE.fields) - primary == {
        "send_summary",
        "send_to_myself",
        "content",
        "content_format",
        "attachments_lifetime",
        "recipients_valid",
        "recipients_count",
        "emails_count",
        "attachments",
    }


def test_references_allow_what_the_contract_allows() -> None:
    """§4.1 to §4.4: addresses and groups only primary fields; users and attachments any."""
    parse("from_inst_address[id|name|email]|attachments[id|filename|size|description|url]", MESSAGE)
    parse("email|user[first_name|last_name|titles|email|photo_urls[200x200]]|status", RECIPIENT)
    parse("primary_groups[id|name]|custom_groups[id|name]|users[alt_email]|emails", RECIPIENTS_GROUP)
    for field in ("primary_groups", "custom_groups", "users", "emails"):
        with pytest.raises(InvalidField):
            parse(f"custom_groups[{field}]", RECIPIENTS_GROUP)
    for field in ("parent", "subgroups", "users"):
        with pytest.raises(InvalidField):
            parse(f"primary_groups[{field}]", RECIPIENTS_GROUP)
    for selector in ("custom_groups[members]", "primary_groups[emails]"):
        with pytest.raises(UnknownField):
            parse(selector, RECIPIENTS_GROUP)


def test_primary_fields_of_users_are_those_known() -> None:
    """§4.6: the certain ones of 2014."""
    assert {name for name, field in USER.fields.items() if field.primary} == {
        "id",
        "first_name",
        "last_name",
        "sex",
        "profile_url",
        "homepage_url",
        "phone_numbers",
        "mobile_numbers",
        "room",
    }


@given(st.text(alphabet="ab_id|[]plainone02x*é \n", max_size=60))
def test_any_text_is_a_selection_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(ValueError, SelectorError):
        parse(text, OUTER)
