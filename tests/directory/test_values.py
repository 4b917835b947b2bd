"""What foreign values must be like before they are kept (``directory.values``)."""

from hypothesis import given
from hypothesis import strategies as st

from postroom.directory.values import one_line, storable


def test_foreign_text_comes_onto_one_line_of_bounded_length() -> None:
    """So that it can forge no line of a report, and no header. Design 1.5."""
    assert one_line("550 no\r\n- everybody: delivered\x00\u2028x\x1b", 200) == "550 no - everybody: delivered x"
    assert one_line("{0.__class__} {}", 200) == "{0.__class__} {}"
    assert one_line("x" * 300, 200) == "x" * 199 + "…"


@given(st.text(alphabet=st.characters(), max_size=40))
def test_whatever_is_brought_onto_one_line_can_be_kept(text: str) -> None:
    line = one_line(text, 20)
    assert storable(line)
    assert len(line) <= 20
    assert one_line(line, 20) == line
