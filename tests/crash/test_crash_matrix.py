"""Design 1.3, in short: nobody is lost, stuck or mis-reported when worker, API and database are killed, and few get anything twice.

The whole matrix is ``make crash-matrix``.
"""

import pytest

from tests.crash.installation import CONNECTIONS, Kind
from tests.crash.killing import kill_at_random, plan
from tests.crash.running import Report
from tests.crash.screen import summary
from tests.postgres import NoPostgresqlError

POINTS = 5
RECIPIENTS = 600


def told(report: Report) -> str:
    return "; ".join([*report.faults, *report.verdict.findings, *report.notes])


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_crash_loses_nobody(database: Kind) -> None:
    victims = ["worker", "api", "database"]
    try:
        report = kill_at_random(database, victims, plan(victims, POINTS, seed=1), RECIPIENTS, 1, lambda *_: None)
    except NoPostgresqlError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    total = summary([report])
    assert (total.lost, total.stuck, total.misreported) == (0, 0, 0), told(report)
    assert total.kills == POINTS
    assert total.recipients > RECIPIENTS / 2, "most were accepted"
    assert total.max_duplicates_per_kill <= CONNECTIONS
    assert report.good, told(report)


def test_the_same_seed_gives_the_same_moments() -> None:
    assert plan(["worker"], 50, seed=7) == plan(["worker"], 50, seed=7) != plan(["worker"], 50, seed=8)
    assert [point.victim for point in plan(["worker", "api"], 4, seed=7)] == ["worker", "api", "worker", "api"]
