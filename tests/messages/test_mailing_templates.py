"""One text with values for each recipient: contract section 1.5, row 3, and section 7, below the dialect."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from postroom.directory import suppressions
from postroom.errors import Invalid, TooLarge
from postroom.messages import mailing_templates
from postroom.messages.mailing_templates import Addressee, Sheet, TemplateMailing
from postroom.storage.tables import messages, recipients
from tests.messages.conftest import NOW, Office
from tests.messages.test_mailings import LETTER, program


def sheet(subject: str = "Hello {name}", content: str = "Dear {name}, {{you}} have {points} points.") -> Sheet:
    return Sheet(structs.replace(LETTER, subject=subject, content=content))


def made(of: Sheet, *people: tuple[str, dict[str, str]]) -> TemplateMailing:
    return of.mailing([of.addressee(place, email, values) for place, (email, values) in enumerate(people, 1)])


def test_a_template_is_one_message_with_a_line_for_each_mail(office: Office) -> None:
    """The same address twice gets two mails."""
    people = [("a@x.example", {"name": "Anna", "points": "1"}), ("a@x.example", {"name": "Ola", "points": "2", "other": "x"})]
    ids = office.run(mailing_templates.send, office.settings, program(office), made(sheet(), *people), NOW)
    (message,) = office.rows(messages)
    assert (message.template, message.subject, message.status) == (True, "Hello {name}", "pending")
    lines = office.rows(recipients)
    assert ids == [f"{message.id}-{line.id}" for line in lines]
    assert [(line.email, line.state, json.loads(line.variables)) for line in lines] == [
        ("a@x.example", "queued", {"name": "Anna", "points": "1"}),
        ("a@x.example", "queued", {"name": "Ola", "points": "2"}),
    ]


def test_identifiers_come_in_the_order_of_the_recipients(office: Office) -> None:
    """Those on the suppression list included; by COPY and by INSERT."""
    office.run(suppressions.suppress, "p7@x.example", "manual", "", NOW, expires_at=None)
    of = sheet("Hello", "{n}")
    ids = office.run(
        mailing_templates.send,
        office.settings,
        program(office),
        made(of, *((f"p{place}@x.example", {"n": str(place)}) for place in range(300))),
        NOW,
    )
    lines = {f"{line.message_id}-{line.id}": line for line in office.rows(recipients)}
    assert [lines[one].email for one in ids] == [f"p{place}@x.example" for place in range(300)]
    assert lines[ids[7]].state == "suppressed"
    assert {line.lane for line in lines.values()} == {"bulk"}


@pytest.mark.parametrize(
    ("parameter", "texts"),
    [
        ("subject_template", ("{x.y}", "c")),
        ("subject_template", ("{", "c")),
        ("subject_template", ("a\nb", "c")),
        ("subject_template", ("x" * 201, "c")),
        ("subject_template", ("{a}" * 700, "c")),
        ("content_template", ("s", "}")),
        ("content_template", ("s", "{0}")),
        ("content_template", ("s", "\0")),
        ("content_template", ("s", "x" * 15_001)),
        ("content_template", ("s", "{a}" * 40_000)),
    ],
)
def test_templates_that_cannot_be_are_refused(parameter: str, texts: tuple[str, str]) -> None:
    with pytest.raises((Invalid, TooLarge)) as caught:
        sheet(*texts)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("parameter", "words", "email", "values"),
    [
        ("recipients", r"recipient 2: not an address: 'nobody'", "nobody", {}),
        ("recipients", r"recipient 2: no value for \{points\}", "a@x.example", {"name": "A"}),
        ("recipients", r"recipient 2: a control .* value of \{name\}", "a@x.example", {"name": "A\nB", "points": "1"}),
        ("recipients", r"recipient 2: a control .* value of \{points\}", "a@x.example", {"name": "A", "points": "\0"}),
        ("subject_template", r"recipient 2 is longer than 200", "a@x.example", {"name": "x" * 195, "points": "1"}),
        ("content_template", r"recipient 2 is longer than 15000", "a@x.example", {"name": "x", "points": "1" * 15_000}),
    ],
)
def test_what_is_wrong_with_a_recipient_is_told_with_the_place(parameter: str, words: str, email: str, values: dict[str, str]) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        made(sheet(), ("a@x.example", {"name": "A", "points": "1"}), (email, values))
    assert caught.value.parameter == parameter


def test_a_subject_or_content_of_nothing_is_refused() -> None:
    of = sheet("{a}{b}", "{a} ")
    assert made(of, ("a@x.example", {"a": "x", "b": " "})).addressees
    with pytest.raises(Invalid, match=r"^subject_template: .*recipient 1.*empty"):
        made(of, ("a@x.example", {"a": " ", "b": ""}))


def test_content_may_hold_line_breaks_where_the_subject_may_not() -> None:
    (one,) = made(sheet("s {a}", "{b}"), ("a@x.example", {"a": "x", "b": "y\r\n\tz"})).addressees
    assert json.loads(one.variables) == {"a": "x", "b": "y\r\n\tz"}


def test_nobody_and_more_than_50000_are_refused() -> None:
    of = sheet("s", "c")
    with pytest.raises(Invalid, match="it is empty"):
        of.mailing([])
    one = Addressee("a@x.example", "{}")
    assert len(of.mailing([one] * 50_000).addressees) == 50_000
    with pytest.raises(TooLarge, match="50000"):
        of.mailing([one] * 50_001)


TEXT = st.text(alphabet="aż{}x \n", max_size=300)


@given(st.lists(st.sampled_from(["{a}", "{b}", "x", "{{", "}}", "żż"]), max_size=20), TEXT, TEXT)
def test_the_length_is_that_of_the_result(pieces: list[str], first: str, second: str) -> None:
    """Against Python's own format: what is too long by it is refused, and nothing else."""
    source = "c" + "".join(pieces)
    limit = len(source.format(a=first, b=second)) > 15_000 - 14_000
    values: dict[str, Any] = {"a": first, "b": second}
    of = sheet("s", source + "f" * 14_000)
    if limit:
        with pytest.raises(Invalid, match="longer than 15000"):
            made(of, ("a@x.example", values))
    else:
        made(of, ("a@x.example", values))


def test_results_are_never_all_in_memory() -> None:
    """2,000 mails of 14 KB are 28 MB; checking them takes as much as their values."""
    of = sheet("s", "x" * 14_000 + "{n}")
    tracemalloc.start()
    try:
        made(of, *((f"p{place}@x.example", {"n": str(place)}) for place in range(2_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
