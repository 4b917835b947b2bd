"""Templates: names in braces and nothing else (wire contract of services/mailing)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.errors import Invalid
from postroom.messages import templates

NAMES = st.from_regex(r"[a-zA-Z_ąż][a-zA-Z0-9_ąż]{0,8}", fullmatch=True)
TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=20)


def filled(source: str, **variables: str) -> str:
    return templates.parse("content", source).fill(variables)


def test_names_stand_for_values_and_double_braces_for_braces() -> None:
    assert filled("Hi {name}, {{x}} {name}{imię}", name="Ola", imię="Ł") == "Hi Ola, {x} OlaŁ"
    assert filled("{{{name}}}", name="x") == "{x}"
    assert filled("no placeholder") == "no placeholder"
    assert filled("") == ""


def test_values_are_never_read_as_templates() -> None:
    assert filled("{a}{b}", a="{b}", b="{{}}") == "{b}{{}}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{x.__class__}", "{x.__class__} at position 0"),
        ("a {x[0]}", "{x[0]} at position 2"),
        ("{x!r}", "{x!r}"),
        ("{x:>10}", "{x:>10}"),
        ("{}", "{} at position 0"),
        ("{0}", "{0}"),
        ("{ name }", "{ name }"),
        ("{first name}", "{first name}"),
        ("{" + "x" * 101 + "}", "x…} at"),
        ("a { b", "a single { at position 2; write {{ for a brace"),
        ("a } b", "a single } at position 2; write }} for a brace"),
        ("{a{b}}", "a single { at position 0"),
        ("{{name}", "a single } at position 6"),
    ],
)
def test_nothing_but_names_is_taken(source: str, reason: str) -> None:
    """Design 1.5, format-string templates: no attribute, index, conversion or width, and no unbalanced brace; the error says which."""
    with pytest.raises(Invalid) as caught:
        templates.parse("subject_template", source)
    assert caught.value.parameter == "subject_template"
    assert reason in caught.value.reason


def test_missing_names_are_told_before_sending_and_refused_after() -> None:
    parsed = [templates.parse("subject", "{b} {a}"), templates.parse("content", "{a} {c} {c}")]
    assert templates.missing(parsed, {"a": "1"}) == ["b", "c"]
    assert templates.missing(parsed, {"a", "b", "c", "d"}) == []
    with pytest.raises(Invalid, match=r"variables: no value for \{c\}"):
        parsed[1].fill({"a": "1"})


def test_variables_of_a_recipient_are_an_object_of_texts() -> None:
    assert templates.decoded(None) == {}
    assert templates.decoded('{"a": "x\\ny"}') == {"a": "x\ny"}


@pytest.mark.parametrize("kept", ["[]", '{"a": 1}', '{"a": null}', "{", '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": {"b": "c"}}'])
def test_variables_of_any_other_form_are_refused(kept: str) -> None:
    with pytest.raises(Invalid, match=r"^variables: "):
        templates.decoded(kept)


@given(st.lists(st.tuples(TEXTS, NAMES), max_size=6), TEXTS)
def test_any_text_can_be_written_as_a_template(pairs: list[tuple[str, str]], end: str) -> None:
    def escaped(text: str) -> str:
        return text.replace("{", "{{").replace("}", "}}")

    source = "".join(f"{escaped(text)}{{{name}}}" for text, name in pairs) + escaped(end)
    values = {name: f"<{name}>" for _, name in pairs}
    assert filled(source, **values) == "".join(f"{text}<{name}>" for text, name in pairs) + end


@given(st.text(alphabet="{}ab_.0! ", max_size=30))
def test_whatever_is_written_is_a_template_or_refused(source: str) -> None:
    try:
        parsed = templates.parse("content", source)
    except Invalid:
        return
    assert all(name.isidentifier() for name in parsed.names)
    assert source == "".join(
        part.replace("{", "{{").replace("}", "}}") + name
        for part, name in zip(parsed.texts, [*(f"{{{name}}}" for name in parsed.names), ""], strict=True)
    )
