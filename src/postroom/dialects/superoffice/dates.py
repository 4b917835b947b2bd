"""Dates as the interface reads and writes them (wire/superoffice.md §3.2), from and to milliseconds since the epoch.

Without SO-TimeZone they are in the base time zone of the installation and carry no offset. With it they are in that zone, and carry one
if ``includeTZOffset`` is added. The codes that the header may name beyond countries are not published; ours are countries (the zone that
the time zone database lists first), names of that database, and UTC.
"""

import re
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from postroom.dialects.superoffice.errors import Refusal, malformed
from postroom.dialects.superoffice.wire_types import NEVER

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(1, 1, 1)  # noqa: DTZ001 - in any zone
_MILLISECOND: Final = timedelta(milliseconds=1)
_FORM: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_INCLUDE_OFFSET: Final = "includetzoffset"
_OF_NORWAY: Final = "261"
"""The one number that is documented, beside the country that it stands for."""


class Dates(Struct, frozen=True):
    """The dates of one call."""

    zone: tzinfo
    with_offset: bool = False

    def read(self, text: str) -> int:
        """Read a date; one without an offset is in the zone, one of the year 1 is unset. Raises ``ValueError``, ``OverflowError``."""
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise ValueError("no date")
        if found["day"][:4] in {"0000", "0001"}:  # with an offset the unset date is perhaps one that Python cannot tell
            return NEVER
        moment = datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00'}")
        if moment.year == MAXYEAR:
            raise OverflowError("in another zone it may be none")
        milliseconds = int((found["fraction"] or "0").ljust(3, "0")[:3])
        return (moment.replace(tzinfo=self._zone_of(found["zone"])) - _EPOCH) // _MILLISECOND + milliseconds

    def write(self, moment: int) -> str:
        """Write a date, to the second."""
        if moment == NEVER:
            return self._unset()
        there = (_EPOCH + moment * _MILLISECOND).astimezone(self.zone).replace(microsecond=0, tzinfo=None)
        return there.isoformat() + (_offset(there.replace(tzinfo=self.zone)) if self.with_offset else "")

    def _unset(self) -> str:
        """Write the unset date: with an offset it is later east of Greenwich, and the same west of it, as nothing can be before it."""
        if not self.with_offset:
            return _FIRST.isoformat()
        there = datetime(2000, 1, 1, tzinfo=self.zone)  # in the year 1 zones have the local mean time of a city
        return (_FIRST + max(there.utcoffset() or timedelta(), timedelta())).isoformat() + _offset(there)

    def _zone_of(self, text: str | None) -> tzinfo:
        if text is None:
            return self.zone
        if text == "Z":
            return UTC
        offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
        return timezone(-offset if text[0] == "-" else offset)


def wanted(header: str | None, base: str) -> Dates:
    """Return the dates that SO-TimeZone asks for. Raises ``Refusal`` 400 for a zone that nobody knows."""
    parts = [part.strip() for part in (header or "").split(",") if part.strip()]
    with_offset = any(part.lower() == _INCLUDE_OFFSET for part in parts)
    codes = [part for part in parts if part.lower() != _INCLUDE_OFFSET]
    if len(codes) > 1:
        raise malformed("SO-TimeZone: one time zone is expected.")
    return Dates(_zone(codes[0]) if codes else ZoneInfo(base), with_offset)


def _zone(code: str) -> tzinfo:
    if code.upper() in {"UTC", "GMT", "Z"}:
        return UTC
    name = _zones_of_countries().get("NO" if code == _OF_NORWAY else code.upper(), code)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _unknown(code) from None


def _unknown(code: str) -> Refusal:
    return malformed(f"SO-TimeZone: {code[:40]!r} is no time zone that is known here.")


@cache
def _zones_of_countries() -> dict[str, str]:
    """Return the first zone of each country."""
    lines = (files("tzdata.zoneinfo") / "zone.tab").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: row[2] for row in reversed(rows)}


def _offset(there: datetime) -> str:
    offset = there.utcoffset() or timedelta()
    if there.tzinfo is UTC:
        return "Z"
    minutes = offset // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
