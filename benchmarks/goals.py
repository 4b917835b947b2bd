"""What the figures must reach, and what they aim at: of the figure itself, or of its ratio to a peer."""

from typing import Final

from msgspec import Struct

FIGURE: Final = "figure"
"""Names the figure itself, where else the name of a ratio stands."""


class Goal(Struct, frozen=True):
    """Bounds of one number; above is better unless ``below`` is set. ``None``: nothing is demanded."""

    must: float | None = None
    aim: float | None = None
    below: bool = False

    def met(self, bound: float, number: float) -> bool:
        """Tell whether ``number`` is on the right side of ``bound``."""
        return number <= bound if self.below else number >= bound


_PAGES: Final = {FIGURE: Goal(must=25, below=True), "deepest of first page": Goal(must=3, below=True)}

GOALS: Final[dict[str, dict[str, Goal]]] = {
    "verify_signature": {FIGURE: Goal(must=200, below=True)},
    "send_simple_message": {"of disk syncs": Goal(must=1)},
    "drain_sqlite": {"postfix": Goal(must=10), "smtp_source": Goal(aim=0.6)},
    "drain_template_sqlite": {"postfix": Goal(must=6), "smtp_source": Goal(aim=0.4)},
    "drain_postgresql": {"postfix": Goal(must=6), "smtp_source": Goal(aim=0.5)},
    "peers": {"django_post_office": Goal(must=20), "django_mailer": Goal(must=20)},
    "single_under_bulk": {FIGURE: Goal(must=1000, below=True), "idle": Goal(must=10, aim=3, below=True)},
    "worker_memory": {FIGURE: Goal(must=200, aim=120, below=True)},
    "schoology_sqlite": _PAGES,
    "schoology_postgresql": _PAGES,
    "onlyoffice_file": {FIGURE: Goal(must=150, below=True)},
    "onlyoffice_lists_sqlite": {FIGURE: Goal(must=50, below=True)},
    "onlyoffice_lists_postgresql": {FIGURE: Goal(must=50, below=True)},
    "superoffice_send": {FIGURE: Goal(must=2, below=True)},
    "superoffice_file": {FIGURE: Goal(must=300, below=True)},
}
