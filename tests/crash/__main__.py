"""The crash matrix: ``python -m tests.crash --points 50``, or ``make crash-matrix POINTS=50``; see ``docs/crash-matrix.md``."""

import argparse
import random
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, get_args

from rich.console import Console

from tests.crash import screen
from tests.crash.installation import CONNECTIONS, Kind
from tests.crash.killing import VICTIMS, kill_at_random, plan
from tests.crash.running import Progress, Report
from tests.crash.scenarios import SCENARIOS
from tests.postgres import NoPostgresqlError

WIDTH: Final = 116
KILLS: Final = tuple(f"kill-{victim}" for victim in VICTIMS["sqlite"])


def main() -> int:
    """Run what the command line asks for; return the exit code: 0 when every row is good, 1 when one is not, 130 when it was broken off."""
    arguments = _arguments()
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    console = Console()
    console.width = max(console.width, WIDTH)  # a table that is wrapped by the terminal is read more easily than one that is cut
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to clean up then, too
    reports: list[Report] = []
    try:
        for scenario, database, run in _runs(arguments, seed):
            with screen.bar(console, f"{scenario}, {database}") as progress:
                reports.append(_report(scenario, database, run, progress))
    except KeyboardInterrupt:
        console.print("Broken off; every process and folder is gone.")
        return 130
    caption = f"seed {seed}, {CONNECTIONS} connections; worst: superfluous mails of the worst kill; back: median and longest"
    screen.show(console, reports, caption)
    return 0 if all(report.skipped or report.good for report in reports) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill at random moments; count what became of everybody.")
    parser.add_argument("--points", type=int, default=50, help="kills of each victim on each database (default: 50)")
    parser.add_argument("--recipients", type=int, default=10_000, help="recipients of each run (default: 10,000)")
    parser.add_argument("--database", choices=get_args(Kind), help="only on this one")
    parser.add_argument("--scenario", choices=(*KILLS, *SCENARIOS), metavar="NAME", help=", ".join((*KILLS, *SCENARIOS)))
    parser.add_argument("--seed", type=int, help="repeat a run: the caption of its table names it")
    parser.add_argument("--point", type=int, metavar="N", help="kill at the moment with this number only, counted from 0")
    return parser.parse_args()


def _runs(arguments: argparse.Namespace, seed: int) -> Iterator[tuple[str, Kind, Callable[[Progress], Report]]]:
    """Yield what is to be run, in the order of the table."""
    for name in [arguments.scenario] if arguments.scenario else [*KILLS, *SCENARIOS]:
        for database in [arguments.database] if arguments.database else get_args(Kind):
            if name in SCENARIOS:
                yield name, database, partial(SCENARIOS[name], database, arguments.recipients, seed)
                continue
            victims = [name.removeprefix("kill-")]
            moments = plan(victims, arguments.points, seed)
            chosen = moments if arguments.point is None else moments[arguments.point : arguments.point + 1]
            yield name, database, partial(kill_at_random, database, victims, chosen, arguments.recipients, seed)


def _report(scenario: str, database: Kind, run: Callable[[Progress], Report], progress: Progress) -> Report:
    try:
        return run(progress)
    except NoPostgresqlError as error:
        return Report(scenario=scenario, database=database, skipped=f"no PostgreSQL: {error}")


if __name__ == "__main__":
    sys.exit(main())
