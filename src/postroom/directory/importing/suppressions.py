"""Imports entries of the suppression list from a CSV file: all of it, or nothing when one line is wrong.

The columns are ``email`` and, if wanted, ``reason``, ``detail`` and ``expires``: what ``postroom suppression export`` writes. A
line merges with what is on the list as a bounce does, and with other lines for the same address: what holds longest stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, BinaryIO, Final

from msgspec import Struct

from postroom.clock import SECOND
from postroom.directory import suppressions
from postroom.directory.importing.formats import Line
from postroom.directory.importing.reading import Columns, CsvFile
from postroom.directory.importing.records import Problems
from postroom.directory.suppressions import LATEST, MAX_DETAIL, REASONS
from postroom.directory.values import chunks
from postroom.errors import TooLarge
from postroom.mailbox import MAX_EMAIL
from postroom.storage.database import Tx

MAX_LINES: Final = 1_000_000

COLUMNS: Final = Columns(("email",), ("reason", "detail", "expires"))

_DATE_LENGTH: Final = len("2026-01-31")


class SuppressionCounts(Struct, frozen=True, kw_only=True):
    """What an import did to the list."""

    lines: int
    added: int
    changed: int
    """Entries that now hold longer, or as long with other words."""
    lapsed: int
    """Lines whose time is over; they were passed over."""


def import_suppressions(tx: Tx, name: str, reopen: Callable[[], BinaryIO], now: int) -> SuppressionCounts:
    """Put the addresses of a CSV file on the list; ``reopen`` opens the file, ``name`` stands in problems.

    Raises ``ImportFailed`` with what is wrong in which line, and ``TooLarge("lines")``: then the unit is to be rolled back.
    """
    problems = Problems()
    file = CsvFile(name, reopen, COLUMNS, problems)
    lines = lapsed = stored = 0
    before = suppressions.size(tx)
    for chunk in chunks(_entries(file, problems, now)):
        lines += len(chunk)
        if lines > MAX_LINES:
            raise TooLarge("lines", MAX_LINES)
        current = [entry for entry in chunk if entry["expires_at"] is None or entry["expires_at"] > now]
        lapsed += len(chunk) - len(current)
        if current and not len(problems):
            stored += suppressions.merge(tx, _each_once(current))
    problems.raise_if_any((name,))
    added = suppressions.size(tx) - before
    return SuppressionCounts(lines=lines, added=added, changed=stored - added, lapsed=lapsed)


def _entries(file: CsvFile, problems: Problems, now: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each line that can be read; what is wrong with it is noted."""
    for number, values in file.records():
        line = Line(number, values, lambda at, reason: problems.add(file.name, at, reason))
        line.text("email", 2 * MAX_EMAIL, required=True)
        yield {
            "email": line.email("email") or "",
            "reason": line.choice("reason", REASONS, "import"),
            "detail": line.text("detail", MAX_DETAIL),
            "message_id": None,
            "created_at": now,
            "expires_at": _end(line),
        }


def _end(line: Line) -> int | None:
    value = line.raw("expires")
    if not value:
        return None
    try:
        at = milliseconds(value)
    except ValueError as error:
        line.reject(f"expires {error}")
        return None
    return at


def milliseconds(value: str) -> int:
    """Read the end of an entry: a date (UTC, its beginning), or a date and time with an offset (RFC 3339).

    Raises ``ValueError``, with words that go on after the name of what holds the value.
    """
    try:
        at = datetime.combine(date.fromisoformat(value), time(), UTC) if len(value) == _DATE_LENGTH else datetime.fromisoformat(value)
        moment = None if at.tzinfo is None else round(at.timestamp()) * SECOND
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise ValueError("must be a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z")
    if not 0 <= moment <= LATEST:
        raise ValueError("must lie between the years 1970 and 9999")
    return moment


def written(at: int | None) -> str:
    """Write the end of an entry as ``milliseconds`` reads it; nothing for an entry without an end."""
    return "" if at is None else f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _each_once(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep of several entries for one address the one that holds longest, the later one of two alike."""
    kept: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        before = kept.get(entry["email"].lower())
        if before is None or _lasting(entry) >= _lasting(before):
            kept[entry["email"].lower()] = entry
    return list(kept.values())


def _lasting(entry: Mapping[str, Any]) -> float:
    return float("inf") if entry["expires_at"] is None else entry["expires_at"]
