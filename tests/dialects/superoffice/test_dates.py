"""Dates (wire/superoffice.md §3.2, key facts 4)."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.dialects.superoffice.dates import Dates, wanted
from postroom.dialects.superoffice.wire_types import NEVER

WARSAW = Dates(ZoneInfo("Europe/Warsaw"))
MOMENT = 1_704_164_645_000
"""2024-01-02T03:04:05Z."""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-02T03:04:05.000Z", MOMENT),
        ("2024-01-02T04:04:05", MOMENT),
        (" 2024-01-02 04:04:05 ", MOMENT),
        ("2024-01-02T04:04:05.2660122", MOMENT + 266),
        ("2024-01-02T04:04:05.2660122+01:00", MOMENT + 266),
        ("2024-01-01T22:04:05-0500", MOMENT),
        ("2024-01-02T04:04", MOMENT - 5_000),
        ("2024-01-02", 1_704_150_000_000),
        ("0001-01-01T00:00:00", NEVER),
        ("0001-01-01T00:00:00.000Z", NEVER),
        ("0001-01-01T01:00:00+01:00", NEVER),
        ("0000-12-31T19:00:00-05:00", NEVER),
    ],
)
def test_reading(text: str, moment: int) -> None:
    assert WARSAW.read(text) == moment


@pytest.mark.parametrize(
    "text", ["", "x", "2024-02-30", "2024-01-02T25:00:00", "24-01-02", "2024-01-02T03:04:05+25:00", "9999-12-31T23:59:59Z"]
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        WARSAW.read(text)


@pytest.mark.parametrize("code", ["UTC", "Europe/Warsaw", "America/New_York", "Pacific/Kiritimati", "Asia/Kolkata"])
@given(second=st.integers(0, 4_000_000_000))
def test_with_an_offset_a_moment_is_read_as_it_was_written(code: str, second: int) -> None:
    """In every zone, through both ends of its summer time."""
    assert WARSAW.read(wanted(f"{code},includeTZOffset", "Europe/Oslo").write(second * 1_000)) == second * 1_000


def test_the_end_of_summer_time() -> None:
    """The same hour twice, told apart by its offset."""
    dates = wanted("PL,includeTZOffset", "UTC")
    hour = 3_600_000
    first = 1_729_987_200_000  # 2024-10-27T00:00:00Z
    assert dates.write(first) == "2024-10-27T02:00:00+02:00"
    assert dates.write(first + hour) == "2024-10-27T02:00:00+01:00"


def test_the_zone_of_the_installation() -> None:
    assert wanted(None, "Europe/Warsaw") == WARSAW
    assert wanted("", "Europe/Warsaw") == WARSAW
    assert wanted("gmt", "Europe/Warsaw") == Dates(UTC)
    assert wanted("no", "Europe/Warsaw") == Dates(ZoneInfo("Europe/Oslo"))
