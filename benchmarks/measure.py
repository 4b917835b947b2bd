"""How a figure is made: a warm-up that does not count, then several runs, their median, and ratios measured beside them."""

import math
import statistics
from collections.abc import Callable, Iterable

from msgspec import Struct

Setting = str | int | float | bool


class Run(Struct, frozen=True):
    """One run: its figure, and for each bound or peer how the figure relates to it, measured in the same run."""

    figure: float
    ratios: dict[str, float] = {}
    others: dict[str, float] = {}
    """Further figures, named with their unit; their medians stand in the settings."""


class Plan(Struct, frozen=True, kw_only=True):
    """What the command line asks of every measure."""

    runs: int = 5
    connections: int = 20
    """To the relay: of all workers together, and of each peer that has a choice."""


class Measurement(Struct, frozen=True, kw_only=True):
    """One line of the results."""

    unit: str
    median: float
    runs: list[float]
    ratios: dict[str, float]
    """Medians over the runs: the figure divided by that of the bound or peer."""
    settings: dict[str, Setting]
    """What the figure depends on: sizes, versions, how durable."""


Measure = Callable[[Plan], Measurement]


def repeated(once: Callable[[], Run], runs: int, *, unit: str, settings: dict[str, Setting]) -> Measurement:
    """Call ``once`` for warming up, then ``runs`` times, and sum up."""
    once()
    return summed_up([once() for _ in range(runs)], unit=unit, settings=settings)


def summed_up(runs: Iterable[Run], *, unit: str, settings: dict[str, Setting]) -> Measurement:
    """Sum up runs that were made already."""
    made = list(runs)
    return Measurement(
        unit=unit,
        median=_rounded(statistics.median(run.figure for run in made)),
        runs=[_rounded(run.figure) for run in made],
        ratios={name: _rounded(statistics.median(run.ratios[name] for run in made)) for name in made[0].ratios},
        settings=settings | {name: _rounded(statistics.median(run.others[name] for run in made)) for name in made[0].others},
    )


def percentile(ascending: list[float], share: int) -> float:
    """Return the least of the values that at least ``share`` per cent do not exceed."""
    return ascending[math.ceil(len(ascending) * share / 100) - 1]


def _rounded(figure: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{figure:.4g}")
