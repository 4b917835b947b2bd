"""The matrix proper: kill -9 at random moments while mail flows and requests are under way."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from tests.crash.installation import Kind, installation
from tests.crash.running import Progress, Report, Run
from tests.crash.submitting import rolls

_POINT_SECONDS: Final = 60.0
"""How long one point may let wait for itself."""

_JITTER: Final = 0.02
"""Seconds at most between the mail (or request) that is counted and the kill, so that any step of a commit may be met."""

_CALLS: Final = 4
"""Requests for one message."""

VICTIMS: Final = {
    "sqlite": {"worker": ("worker",), "api": ("api",), "database": ("worker", "api")},
    "postgresql": {"worker": ("worker",), "api": ("api",), "database": ("database",)},
}
"""What is killed. SQLite has no process of its own: its database is whoever writes, so both are killed at once."""


class Point(Struct, frozen=True):
    """One moment to kill at."""

    victim: str
    part: float
    """How far the run has come then, from 0 to 1: of the mails, or of the requests when the API is the victim."""
    jitter: float


def plan(victims: Sequence[str], points: int, seed: int) -> list[Point]:
    """Draw the moments of a run; several victims take turns. The same seed gives the same plan."""
    dice = random.Random(seed)
    parts = sorted(dice.uniform(0.01, 0.95) for _ in range(points))
    return [Point(victims[number % len(victims)], part, dice.uniform(0, _JITTER)) for number, part in enumerate(parts)]


def kill_at_random(database: Kind, victims: Sequence[str], moments: Sequence[Point], total: int, seed: int, progress: Progress) -> Report:
    """Submit ``total`` recipients, kill at each of the ``moments``, drain, judge. Raises ``NoPostgresqlError``."""
    report = Report(scenario=f"kill {', '.join(victims)}", database=database)
    messages = rolls(total, random.Random(seed))
    with installation(database) as here, Run(here, report, messages, seed) as run:
        run.start()
        for number, point in enumerate(moments):
            if not run.wait(_reaches(run, point, total, _CALLS * len(messages)), _POINT_SECONDS):
                report.faults.append(f"moment {number} was never reached")
                break
            time.sleep(point.jitter)
            run.kill(*VICTIMS[database][point.victim])
            progress(number, len(moments))
        run.drain(lambda *_: progress(len(moments), len(moments)), total)
        return run.finish()


def _reaches(run: Run, point: Point, mails: int, requests: int) -> Callable[[], bool]:
    if point.victim == "api":

        def requested() -> bool:
            time.sleep(0.001)
            return run.submitter.requests >= point.part * requests

        return requested
    wanted = round(point.part * mails)
    return lambda: run.here.seen.wait(wanted, 0.2)
