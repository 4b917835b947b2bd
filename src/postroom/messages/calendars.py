"""Calendar messages (iTIP, RFC 5546): one event, task or the like with a method, as it travels in a mail (iMIP, RFC 6047)."""

from typing import Final

from icalendar import Calendar, Component

from postroom.errors import Invalid
from postroom.messages.texts import has_control

MAX_CALENDAR: Final = 100_000
"""Bytes of a calendar message in UTF-8."""

METHODS: Final = frozenset({"PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"})
_FILENAMES: Final = {"REQUEST": "invite.ics", "REPLY": "reply.ics", "CANCEL": "cancel.ics"}
_SUBJECTS: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})


def method(ics: str) -> str:
    """Return the method of a calendar message.

    Raises ``Invalid("calendar", …)`` unless it is one VCALENDAR of version 2.0 with a method and at least one component,
    all with the same UID (a series of events and its exceptions are one thing).
    """
    if len(ics.encode("utf-8", "replace")) > MAX_CALENDAR:
        raise Invalid("calendar", f"longer than {MAX_CALENDAR} bytes")
    if has_control(ics):
        raise Invalid("calendar", "a control character")
    calendar = _only_calendar(ics)
    if str(calendar.get("VERSION", "")) != "2.0":
        raise Invalid("calendar", "VERSION:2.0 is needed")
    found = str(calendar.get("METHOD", "")).upper()
    if found not in METHODS:
        raise Invalid("calendar", f"METHOD is needed, one of {', '.join(sorted(METHODS))}")
    uids = {str(part.get("UID", "")) for part in calendar.subcomponents if part.name in _SUBJECTS}
    if len(uids) != 1 or "" in uids:
        raise Invalid("calendar", "an event with a UID is needed, and no other UID beside it")
    return found


def scheduling_method(ics: str) -> str:
    """Return the method of a message that invites to one event, answers an invitation, or cancels one: what a letter may carry.

    Raises ``Invalid("calendar", …)`` as ``method``, for other methods, and unless there is exactly one event (ONLYOFFICE contract §1a.6
    step 8).
    """
    found = method(ics)
    if found not in _FILENAMES:
        raise Invalid("calendar", f"METHOD is needed, one of {', '.join(sorted(_FILENAMES))}")
    if sum(part.name == "VEVENT" for part in _only_calendar(ics).subcomponents) != 1:
        raise Invalid("calendar", "exactly one event is needed")
    return found


def filename(ics: str) -> str:
    """Return what a file with this calendar message is called in a letter; whatever the text is like."""
    try:
        return _FILENAMES[scheduling_method(ics)]
    except Invalid:
        return "calendar.ics"


def _only_calendar(ics: str) -> Component:
    try:
        calendars = Calendar.from_ical(ics, multiple=True)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:  # the parser's ways to give up
        raise Invalid("calendar", f"cannot be read: {str(error)[:100]}") from None
    if len(calendars) != 1 or calendars[0].name != "VCALENDAR":
        raise Invalid("calendar", "exactly one VCALENDAR is needed")
    return calendars[0]
