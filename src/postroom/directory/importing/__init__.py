"""Imports the directory from a folder of CSV files (docs/importing.md): idempotent, and all or nothing.

    import_folder ─► reading ─► formats ─► staging ─► checking ─► merging
                     lines      values     temporary   keys, ids,  what differs,
                                           tables      references  into the store

Everything happens in one transaction. On SQLite it keeps other writers waiting meanwhile (seconds for 100,000 people).
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Final

from sqlalchemy import Table, text

from postroom import clock
from postroom.directory.importing import checking, merging, staging
from postroom.directory.importing.formats import ADDRESSES, FORMATS, GROUPS, MEMBERSHIPS, PEOPLE, Format, Line
from postroom.directory.importing.reading import CsvFile
from postroom.directory.importing.records import FileCounts, ImportFailed, ImportResult, Problem, Problems, Progress
from postroom.storage.database import Database, Tx
from postroom.storage.tables import address_assignments, group_members, groups, institutional_addresses, users

__all__ = ["FileCounts", "ImportFailed", "ImportResult", "Problem", "Progress", "import_folder"]

_NAMES: Final = tuple(format_.name for format_ in FORMATS)
_CHANGED: Final = (users, groups, group_members, institutional_addresses, address_assignments)


def import_folder(database: Database, folder: Path, progress: Progress | None = None) -> ImportResult:
    """Bring the store in line with the files in ``folder``; return what changed, for each file that is there.

    ``progress`` is called on another thread, more than once a file, and from the start again if PostgreSQL makes the
    transaction run again. Raises ``ImportFailed`` when a file is not in order or none is there, ``Unavailable`` when the store
    is not: then nothing was changed. Interrupted (``KeyboardInterrupt``), it changes nothing either.
    """
    formats = [format_ for format_ in FORMATS if (folder / format_.name).exists()]
    if not formats:
        raise ImportFailed([Problem("", 0, f"{folder}: none of {', '.join(_NAMES)} is there")])
    interrupted = Event()
    try:
        return database.write_now(_import, folder, formats, partial(_report, progress, interrupted))
    except KeyboardInterrupt:
        interrupted.set()  # the unit may run on another thread, which has not heard of it
        raise


def _report(progress: Progress | None, interrupted: Event, file: str, done: int, total: int) -> None:
    if interrupted.is_set():
        raise KeyboardInterrupt
    if progress is not None:
        progress(file, done, total)


def _import(tx: Tx, folder: Path, formats: list[Format], report: Progress) -> ImportResult:
    """Stage every file, check everything, then change the store."""
    _exclude_others(tx)
    problems = Problems()
    with staging.stage(tx):
        headers = {format_.name: _stage_file(tx, folder, format_, problems, report) for format_ in formats}
        staging.gather_statistics(tx)
        checking.check_keys(tx, problems)
        checking.check_ids(tx, problems)
        if all(headers.values()):  # else everything that an unreadable file defines would be reported as missing
            checking.check_references(tx, problems)
        problems.raise_if_any(_NAMES)
        return ImportResult(files=[_merge(tx, name, header, clock.now()) for name, header in headers.items()])


def _exclude_others(tx: Tx) -> None:
    """Keep the directory still until the end; whoever reads it, or refers to it, is not in the way. SQLite has one writer anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(text(f"LOCK TABLE {', '.join(table.name for table in _CHANGED)} IN SHARE ROW EXCLUSIVE MODE"))


def _stage_file(tx: Tx, folder: Path, format_: Format, problems: Problems, report: Progress) -> tuple[str, ...]:
    """Stage one file; return the columns that it has, none if its header cannot be used."""
    file = CsvFile(format_.name, lambda: (folder / format_.name).open("rb"), format_.columns, problems)
    total = file.count_lines()
    done = 0

    def staged(number: int) -> None:
        nonlocal done
        done += number
        report(file.name, done, total)

    report(file.name, 0, total)
    staging.fill(tx, _rows(file, format_, problems), staged)
    return file.header


def _rows(file: CsvFile, format_: Format, problems: Problems) -> Iterator[tuple[Table, dict[str, Any]]]:
    def reject(line: int, reason: str) -> None:
        problems.add(file.name, line, reason)

    for number, values in file.records():
        yield from format_.stage(Line(number, values, reject))


def _merge(tx: Tx, name: str, header: tuple[str, ...], now: int) -> FileCounts:
    mergers: dict[str, Callable[[], FileCounts]] = {
        PEOPLE: lambda: merging.merge_people(tx, header, now),
        GROUPS: lambda: merging.merge_groups(tx, header, now),
        MEMBERSHIPS: lambda: merging.merge_memberships(tx),
        ADDRESSES: lambda: merging.merge_addresses(tx, header, now),
    }
    return mergers[name]()
