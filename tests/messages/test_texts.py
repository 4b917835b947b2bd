"""What foreign text may hold: contract section 4.5 (limits), design section 1.5 (header injection)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.directory.values import storable
from postroom.errors import Invalid, TooLarge
from postroom.messages.texts import check_line, check_text


@pytest.mark.parametrize("bad", ["\r\nBcc: x@y.example", "\n", "\0", "\t", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
def test_nothing_that_could_break_a_header_line_passes(bad: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_line("subject", f"Hello{bad}", 200)
    assert caught.value.parameter == "subject"


@pytest.mark.parametrize("bad", ["\0", "\x1b", "\x7f", "\x9f", "\udfff"])
def test_text_of_many_lines_holds_no_control_characters(bad: str) -> None:
    with pytest.raises(Invalid):
        check_text("content", f"Hello{bad}", 200)


def test_text_of_many_lines_keeps_tabs_and_line_breaks() -> None:
    check_text("content", "a\tb\r\nc\n", 200)


def test_limits_count_characters_not_bytes() -> None:
    check_line("subject", "ż😀" * 100, 200)
    with pytest.raises(TooLarge) as caught:
        check_line("subject", "ż" * 201, 200)
    assert (caught.value.parameter, caught.value.limit) == ("subject", 200)


@given(st.text(st.characters(), max_size=50))
def test_what_passes_as_a_line_is_one_line_of_utf_8(text: str) -> None:
    """Whatever Python, and with it every library that writes headers, takes for a line break is refused."""
    if storable(text):
        assert len(text.splitlines()) <= 1
        assert "\0" not in text
        text.encode()
