"""Calendar messages: one thing with a method, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.errors import Invalid
from postroom.messages import calendars

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Uni//Timetable//EN
METHOD:REQUEST
BEGIN:VEVENT
UID:17@uni.example
DTSTAMP:20260105T090000Z
DTSTART:20260110T090000Z
DTEND:20260110T103000Z
SUMMARY:Egzamin z algebry, część 2
ORGANIZER:mailto:dean@uni.example
ATTENDEE:mailto:ola@x.example
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("method", ["REQUEST", "REPLY", "CANCEL", "publish"])
def test_the_method_is_read(method: str) -> None:
    assert calendars.method(EVENT.replace("REQUEST", method)) == method.upper()


def test_a_series_and_its_exception_are_one_thing() -> None:
    event = EVENT[EVENT.index("BEGIN:VEVENT") : EVENT.index("END:VCALENDAR")]
    exception = event.replace("DTSTAMP", "RECURRENCE-ID:20260117T090000Z\nDTSTAMP")
    assert calendars.method(EVENT.replace("END:VCALENDAR", exception + "END:VCALENDAR")) == "REQUEST"
    with pytest.raises(Invalid, match="no other UID"):
        calendars.method(EVENT.replace("END:VCALENDAR", exception.replace("17@", "18@") + "END:VCALENDAR"))


@pytest.mark.parametrize(
    ("ics", "reason"),
    [
        ("", "exactly one VCALENDAR"),
        ("hello", "cannot be read"),
        (EVENT + EVENT, "exactly one VCALENDAR"),
        (EVENT[EVENT.index("BEGIN:VEVENT") : EVENT.index("END:VCALENDAR")], "exactly one VCALENDAR"),
        (EVENT.replace("VERSION:2.0\n", ""), "VERSION:2.0"),
        (EVENT.replace("METHOD:REQUEST\n", ""), "METHOD is needed"),
        (EVENT.replace("REQUEST", "REQUEST; x=y"), "METHOD is needed"),
        (EVENT.replace("UID:17@uni.example\n", ""), "UID"),
        (EVENT.replace("SUMMARY:", "SUMMARY:\0"), "control character"),
        (EVENT.replace("SUMMARY:", "SUMMARY:" + "x" * 200_000), "longer than"),
    ],
)
def test_what_is_no_calendar_message_is_refused(ics: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        calendars.method(ics)
    assert caught.value.parameter == "calendar"


@given(
    st.lists(
        st.sampled_from([*EVENT.splitlines(), "X", ":", ";", "BEGIN:VEVENT", "RRULE:FREQ=DAILY", "END:", "\ud800", "É:É"]), max_size=14
    )
)
def test_whatever_is_given_is_refused_or_read(lines: list[str]) -> None:
    try:
        assert calendars.method("\n".join(lines)) in calendars.METHODS
    except Invalid:
        pass
