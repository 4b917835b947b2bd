"""What is printed: each figure, what was measured beside it, and whether it is what it must be. Losses look like wins."""

from collections.abc import Mapping

from rich import box
from rich.table import Table

from benchmarks.goals import FIGURE, GOALS, Goal
from benchmarks.measure import Measurement


def table(results: Mapping[str, Measurement]) -> Table:
    """Draw the table of these results, at most 80 columns wide."""
    drawn = Table(box=box.SIMPLE_HEAD, caption="÷: times what was measured beside it, in the same run", caption_justify="left")
    for column in ("measure", "median", "least-most", "goal"):
        drawn.add_column(column, justify="right" if column in {"median", "least-most"} else "left", no_wrap=True)
    for name, made in results.items():
        goals = GOALS.get(name, {})
        spread = f"{short(min(made.runs))}-{short(max(made.runs))}"
        drawn.add_row(f"{name}, {made.unit}", short(made.median), spread, _verdict(goals.get(FIGURE), made.median), style="bold")
        for peer, ratio in made.ratios.items():
            drawn.add_row(f"  ÷ {peer}", f"{ratio:.3g}", "", _verdict(goals.get(peer), ratio))
    return drawn


def missing_peers(results: Mapping[str, Measurement]) -> list[str]:
    """Say which peers were not measured, and why."""
    settings = ((name, peer, value) for name, made in results.items() for peer, value in made.settings.items())
    return [f"{name}: {peer} {value}" for name, peer, value in settings if isinstance(value, str) and value.startswith("NOT MEASURED")]


def short(figure: float) -> str:
    """Return a figure with as many digits as are worth reading."""
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.1f}" if figure >= 1 else f"{figure:.2g}"


def _verdict(goal: Goal | None, number: float) -> str:
    if goal is None:
        return ""
    sign = "≤" if goal.below else "≥"
    bounds = (("must", goal.must), ("aim", goal.aim))
    return "\n".join(
        f"{word} {sign} {bound:g} {'met' if goal.met(bound, number) else 'MISSED'}" for word, bound in bounds if bound is not None
    )
