"""Reading a record out of a tree (wire/superoffice.md §3.3, §4.3, §7.1)."""

from datetime import UTC
from typing import Any

import pytest

from postroom.dialects.superoffice.binder import bind
from postroom.dialects.superoffice.carriers import EMailAttachment, EMailEntity, EMailFlags, EMailPriority
from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.errors import Refusal
from postroom.dialects.superoffice.wire_types import NEVER
from tests.dialects.superoffice.probes import Numbers

IN_UTC = Dates(UTC)


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (33, 33),
        ("33", 33),
        ("Seen, Answered", 33),
        ("seen,ANSWERED", 33),
        ("Seen,32", 33),
        (0, 0),
        ("None", 0),
        ("", 0),
        (None, 0),
        (63, 63),
    ],
)
def test_flags(given: object, flags: int) -> None:
    """Key facts 3: a name, a list with commas, or a number."""
    assert bind({"flags": given}, EMailEntity, IN_UTC).flags == EMailFlags(flags)


@pytest.mark.parametrize("given", [64, -1, "Unread", "Seen Answered", "Seen,", True, [1], {}, 1.5, "9" * 30])
def test_no_flags(given: object) -> None:
    with pytest.raises(Refusal) as refused:
        bind({"flags": given}, EMailEntity, IN_UTC)
    expected = "Flags: one of None, Seen, Deleted, Recent, Flagged, Draft, Answered is expected."
    assert refused.value.content["MessageDetail"] == expected


@pytest.mark.parametrize("given", ["High", "high", 2, "2"])
def test_a_choice(given: object) -> None:
    assert bind({"PRIORITY": given}, EMailEntity, IN_UTC).priority is EMailPriority.HIGH


@pytest.mark.parametrize("given", ["High,Low", 6, "Urgent"])
def test_no_choice(given: object) -> None:
    """One at a time."""
    with pytest.raises(Refusal):
        bind({"priority": given}, EMailEntity, IN_UTC)


@pytest.mark.parametrize("given", ["AAH/", " AAH/\n", {"0": 0, "1": 1, "2": 255}, [0, 1, 255]])
def test_bytes(given: object) -> None:
    """§4.3: base64, or what the client makes of a Uint8Array."""
    assert bind({"stream": given}, EMailAttachment, IN_UTC).stream == b"\x00\x01\xff"


@pytest.mark.parametrize("given", [{}, [], "AAH", "ó", {"0": 256}, {"1": 0}, {"0": "x"}, 5, True, [None]])
def test_no_bytes(given: object) -> None:
    """§7.1: an ArrayBuffer arrives as {}, and its bytes are lost; that is never taken for an empty file."""
    with pytest.raises(Refusal):
        bind({"stream": given}, EMailAttachment, IN_UTC)


@pytest.mark.parametrize("given", [[1, 2], ["1", 2.0], {"0": "1", "1": "2"}, {"int": ["1", "2"]}, {"1": "2", "0": "1"}, {"": ["1", "2"]}])
def test_lists(given: object) -> None:
    """§3.1: of JSON, of a form, of XML; in the order of their numbers."""
    assert bind({"ids": given}, Numbers, IN_UTC).ids == [1, 2]


@pytest.mark.parametrize(("given", "expected"), [(None, []), ("", []), ("\n  ", []), ({}, []), ([None, 1], [1]), ("7", [7])])
def test_short_lists(given: object, expected: Any) -> None:
    assert bind({"ids": given}, Numbers, IN_UTC).ids == expected


def test_what_is_not_there_is_the_default() -> None:
    """Null as well, and what nobody knows is passed over."""
    given = {"Subject": None, "Size": None, "From": None, "Sent": None, "TableRight": {"Mask": 15}, "FieldProperties": {"x": {}}, "X": [1]}
    assert bind(given, EMailEntity, IN_UTC) == EMailEntity()
    assert bind({}, EMailEntity, IN_UTC).sent == NEVER


def test_a_mail_inside_another_form() -> None:
    """Numbers and truth values as text, text as a number."""
    mail = bind({"size": "5", "isSent": "True", "subject": 5, "hasCalendarData": 1}, EMailEntity, IN_UTC)
    assert (mail.size, mail.is_sent, mail.subject, mail.has_calendar_data) == (5, True, "5", True)
