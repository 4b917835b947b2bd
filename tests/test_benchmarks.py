"""The results of the benchmarks have the promised shape, and figures are summed up as docs/benchmarks.md says."""

import statistics
from pathlib import Path

import msgspec
import pytest

from benchmarks.measure import Measurement, Run, repeated

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "latest.json"
NAMES = {
    "signed_message",
    "signed_create_message",
    "roll_refresh_sqlite",
    "roll_refresh_postgresql",
    "drain_sqlite",
    "memory_server",
    "memory_worker",
}


@pytest.fixture(scope="module")
def results() -> dict[str, Measurement]:
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Measurement])


def test_the_committed_results_hold_every_promised_measure(results: dict[str, Measurement]) -> None:
    assert results.keys() >= NAMES


def test_each_is_the_median_of_five_runs_or_more(results: dict[str, Measurement]) -> None:
    for name, made in results.items():
        assert len(made.runs) >= 5, name
        assert made.median == pytest.approx(statistics.median(made.runs), rel=1e-3), name
        assert made.median > 0, name


def test_each_says_what_it_depends_on_and_nothing_about_places(results: dict[str, Measurement]) -> None:
    for name, made in results.items():
        assert {"python", "postroom", "processors", "database", "durability"} <= made.settings.keys(), name
        assert not any(isinstance(value, str) and value.startswith("/") for value in made.settings.values()), name


def test_rates_are_compared_with_something_measured_beside_them(results: dict[str, Measurement]) -> None:
    assert all(made.ratios for name, made in results.items() if made.unit.endswith("/s")), "a rate without a bound says nothing"


def test_the_warm_up_does_not_count() -> None:
    figures = iter([1_000.0, 1.0, 2.0, 6.0])
    made = repeated(lambda: Run(next(figures), {"of x": 0.5}), 3, unit="x/s", settings={})
    assert (made.runs, made.median, made.ratios) == ([1.0, 2.0, 6.0], 2.0, {"of x": 0.5})
