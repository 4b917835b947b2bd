"""Dates (wire/onlyoffice.md §3.5, §8.24)."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.clock import DAY, HOUR
from postroom.dialects.onlyoffice import dates

UTC, WARSAW = ZoneInfo("UTC"), ZoneInfo("Europe/Warsaw")
NOON = 1_772_366_400_000
"""2026-03-01T12:00:00Z"""


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T12:00:00.0000000Z", NOON),
        ("2026-03-01T12:00:00.1234567+00:00", NOON + 123),
        ("2026-03-01T13:00:00.0000000+01:00", NOON),
        ("2026-03-01T13-00-00.000+01:00", NOON),
        ("2026-03-01T13-00-00.000+01-00", NOON),
        ("2026-03-01T07:00:00-0500", NOON),
        ("2026-03-01T12:00:00.5", NOON + 500 - HOUR),
        ("2026-03-01T12:00:00", NOON - HOUR),
        ("2026-03-01", NOON - 13 * HOUR),
        (" 2026-07-01T12:00:00 ", NOON + 122 * DAY - 2 * HOUR),
        ("0001-01-01T00:00:00", 0),
        ("0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_every_form_is_read(text: str, at: int) -> None:
    """Without a zone it is the one of the installation; the first day of all is the date that .NET has for none."""
    assert dates.read(text, WARSAW) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2026-3-1",
        "2026-03-01T12:00",
        "2026-03-01 12:00:00",
        "2026-03-01T25:00:00",
        "2026-03-01T12:00:00.12345678",
        "2026-02-29",
        "2026-03-01T12:00:00+24:00",
    ],
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        dates.read(text, WARSAW)


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00.0000000Z", "0001-01-01T00:00:00+23:59"])
def test_the_default_of_dotnet_is_no_date(text: str) -> None:
    """§3.5: programs send back what an answer had where there is none."""
    assert dates.read(text, WARSAW) == 0
    assert dates.plain(0, WARSAW) == "0001-01-01T00:00:00"


@pytest.mark.parametrize("text", ["0001-01-03", "0001-01-04T00:00:00-23:59", "9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("zone", [WARSAW, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")])
def test_what_is_read_can_be_written_in_any_zone(text: str, zone: ZoneInfo) -> None:
    at = dates.read(text, UTC)
    assert dates.read(dates.moment(at, zone), zone) == at


def test_moments_have_seven_digits_and_an_offset() -> None:
    """Go clients refuse a Z."""
    assert dates.moment(NOON + 7, UTC) == "2026-03-01T12:00:00.0070000+00:00"
    assert dates.moment(NOON, WARSAW) == "2026-03-01T13:00:00.0000000+01:00"
    assert dates.moment(NOON + 122 * DAY, ZoneInfo("America/St_Johns")) == "2026-07-01T09:30:00.0000000-02:30"


def test_old_offsets_are_whole_minutes() -> None:
    """Those of local mean time had seconds: Lisbon was at -00:36:45."""
    written = dates.moment(-2_500_000_000_000, ZoneInfo("Europe/Lisbon"))
    assert written.endswith("-00:37")
    assert dates.read(written, UTC) == -2_500_000_000_000


def test_the_other_forms_have_no_zone() -> None:
    assert dates.plain(NOON, WARSAW) == "2026-03-01T13:00:00"
    assert dates.of_mail(NOON, WARSAW) == "03/01/2026 13:00:00"


def test_what_people_read() -> None:
    assert dates.displayed(NOON, NOON + 10 * HOUR, WARSAW) == "1:00 PM"
    assert dates.displayed(NOON - 11 * HOUR, NOON, UTC) == "1:00 AM"
    assert dates.displayed(NOON, NOON + 11 * HOUR, WARSAW) == "March 01"
    assert dates.displayed(NOON, NOON + 400 * DAY, WARSAW) == "01 March 2026"


@pytest.mark.parametrize("zone", [ZoneInfo("Etc/GMT+12"), UTC, WARSAW, ZoneInfo("Pacific/Kiritimati")])
@pytest.mark.parametrize("text", ["0001-01-02T00:00:00+23:59", "9999-12-31T23:59:59.9999999-23:59", "9999-12-31"])
def test_the_ends_of_time_are_written(text: str, zone: ZoneInfo) -> None:
    """Whoever said that a reply is for ever sees a day of the last year, in every zone."""
    at = dates.read(text, zone)
    assert dates.plain(at, zone)[:7] == dates.moment(at, zone)[:7] == text[:7]


def test_days() -> None:
    assert dates.day_of(NOON, WARSAW) == dates.day_of(NOON + 10 * HOUR, WARSAW)
    assert dates.day_of(NOON, WARSAW) + 1 == dates.day_of(NOON + 11 * HOUR, WARSAW)


@given(st.integers(0, 4_000_000_000_000), st.sampled_from([UTC, WARSAW, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns")]))
def test_what_is_written_is_read_as_it_was(at: int, zone: ZoneInfo) -> None:
    assert dates.read(dates.moment(at, zone), UTC) == at
