"""Dates as the interface reads and writes them (wire/onlyoffice.md §3.5), from and to milliseconds since the epoch."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TICKS: Final = 10_000
"""Of .NET, in a millisecond."""
_NO_DAY: Final = "0001-01-01"
"""What .NET has where there is no date."""
_FIRST: Final = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND - 1
"""What has a date in every zone."""
_FORM: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T(?P<time>[0-9]{2}[:-][0-9]{2}[:-][0-9]{2})(?:\.(?P<fraction>[0-9]{1,7}))?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<hours>[0-9]{2})[:-]?(?P<minutes>[0-9]{2}))?)?"
)


def read(text: str, zone: tzinfo) -> int:
    """Read a date in any of the forms of §3.5; one without a zone is in ``zone``. Raises ``ValueError``.

    The first day of all, which programs of .NET write where they have no date, is 0 as when none is given.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("no date")
    if found["day"] == _NO_DAY:
        return 0
    time = (found["time"] or "00-00-00").replace(":", "-")
    moment = datetime.strptime(f"{found['day']} {time}", "%Y-%m-%d %H-%M-%S").replace(tzinfo=_zone(found, zone))
    return _within((moment - _EPOCH) // _MILLISECOND + int((found["fraction"] or "0").ljust(7, "0")) // _TICKS)


def moment(at: int, zone: tzinfo) -> str:
    """Write an ApiDateTime: seven digits of the second and a numeric offset, ``+00:00`` instead of ``Z`` (§8.24)."""
    there = _there(at, zone)
    return f"{_to_the_second(there)}.{at % 1000:03}0000{there.isoformat()[-6:]}"


def plain(at: int, zone: tzinfo) -> str:
    """Write a DateTime of .NET, which names no zone; 0 is no date."""
    return f"{_NO_DAY}T00:00:00" if at == 0 else _to_the_second(_there(at, zone))


def of_mail(at: int, zone: tzinfo) -> str:
    """Write the ``date`` of a message."""
    return f"{_there(at, zone):%m/%d/%Y %H:%M:%S}"


def displayed(at: int, now: int, zone: tzinfo) -> str:
    """Write the ``dateDisplay`` of a message in English: the time if today, else the day, with the year unless it is this one."""
    there, here = _there(at, zone), _there(now, zone)
    if there.date() == here.date():
        return f"{there:%I:%M %p}".removeprefix("0")
    return f"{there:%B %d}" if there.year == here.year else f"{there:%d %B %Y}"


def day_of(at: int, zone: tzinfo) -> int:
    """Return the number of the day that it is in a zone: two moments with the same one are on one day."""
    return _there(at, zone).toordinal()


def _zone(found: re.Match[str], zone: tzinfo) -> tzinfo:
    if found["zone"] is None:
        return zone
    if found["zone"] == "Z":
        return UTC
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return timezone(-offset if found["sign"] == "-" else offset)


def _within(at: int) -> int:
    return min(max(at, _FIRST), _LAST)


def _to_the_second(there: datetime) -> str:
    return there.replace(tzinfo=None).isoformat(timespec="seconds")


def _there(at: int, zone: tzinfo) -> datetime:
    """Return the date and the time in a zone, whose offset is brought to whole minutes: in old ones there were seconds, too.

    Whatever lies beyond the first and the last day is on one of these: other dialects have dates, too.
    """
    there = (_EPOCH + _within(at) * _MILLISECOND).astimezone(zone)
    offset = there.utcoffset() or timedelta()
    return there.astimezone(timezone(offset // timedelta(minutes=1) * timedelta(minutes=1)))
