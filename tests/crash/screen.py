"""What the crash matrix shows: a bar while it runs, a table and the sentences behind it, and one line for programs."""

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.crash.running import Report

_COLUMNS: Final = (
    "kills",
    "recip-\nients",
    "lost",
    "dupli-\ncated",
    "stuck",
    "misre-\nported",
    "marked",
    "worst",
    "back\nseconds",
    "took\nseconds",
)


class Summary(Struct, frozen=True):
    """The last line of the output: sums over all rows, and the worst kill."""

    kills: int
    recipients: int
    lost: int
    duplicated: int
    stuck: int
    misreported: int
    max_duplicates_per_kill: int


def summary(reports: Sequence[Report]) -> Summary:
    """Sum up."""
    return Summary(
        kills=sum(report.kills for report in reports),
        recipients=sum(report.verdict.recipients for report in reports),
        lost=sum(report.verdict.lost for report in reports),
        duplicated=sum(report.verdict.duplicated for report in reports),
        stuck=sum(report.verdict.stuck for report in reports),
        misreported=sum(report.verdict.misreported for report in reports),
        max_duplicates_per_kill=max((report.worst for report in reports), default=0),
    )


@contextlib.contextmanager
def bar(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar, and yield the function that moves it: (done, total)."""
    columns = (TextColumn("{task.description:<44}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def show(console: Console, reports: Sequence[Report], caption: str) -> None:
    """Print the table, what is to be said beside it, and the line for programs."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in ("", "scenario", "database"):
        table.add_column(name, vertical="bottom", no_wrap=True)
    for name in _COLUMNS:
        table.add_column(name, justify="right", vertical="bottom", no_wrap=True)
    for report in reports:
        table.add_row(*_row(report), style="dim" if report.skipped else "" if report.good else "bold red")
    console.print(table)
    for report in reports:
        wrongs = [*report.faults, *report.verdict.findings]
        if report.verdict.unexplained:
            wrongs.append(f"{report.verdict.unexplained} superfluous mails that nothing explains")
        sentences = [*([f"skipped: {report.skipped}"] if report.skipped else []), *report.notes, *(f"WRONG: {wrong}" for wrong in wrongs)]
        for sentence in sentences:
            console.print(f"{report.scenario}, {report.database}: {sentence}", highlight=False, markup=False, soft_wrap=True)
    console.file.write(msgspec.json.encode(summary(reports)).decode() + "\n")


def _row(report: Report) -> list[str]:
    if report.skipped:
        return ["-", report.scenario, report.database, *("-" for _ in _COLUMNS)]
    verdict = report.verdict
    figures = (report.kills, verdict.recipients, verdict.lost, verdict.duplicated, verdict.stuck, verdict.misreported, verdict.marked)
    back = f"{statistics.median(report.back):.1f} / {max(report.back):.1f}" if report.back else "-"
    worst = str(report.worst) if report.blows else "-"
    mark = "✓" if report.good else "✗"
    return [mark, report.scenario, report.database, *(f"{figure:,}" for figure in figures), worst, back, f"{report.seconds:.0f}"]
