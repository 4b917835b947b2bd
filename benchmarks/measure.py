"""How a figure is made: a warm-up that does not count, then several runs, their median, and ratios measured beside them."""

import statistics
from collections.abc import Callable, Iterable

from msgspec import Struct

Setting = str | int | float | bool


class Run(Struct, frozen=True):
    """One run: its figure, and for each bound or peer how the figure relates to it, measured in the same run."""

    figure: float
    ratios: dict[str, float] = {}


class Measurement(Struct, frozen=True, kw_only=True):
    """One line of the results."""

    unit: str
    median: float
    runs: list[float]
    ratios: dict[str, float]
    """Medians over the runs: the figure divided by that of the bound or peer."""
    settings: dict[str, Setting]
    """What the figure depends on: sizes, versions, how durable."""


Measure = Callable[[int], Measurement]
"""Takes the number of runs."""


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
        settings=settings,
    )


def _rounded(figure: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{figure:.4g}")
