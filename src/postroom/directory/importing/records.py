"""What an import says of itself: counts when it is done, problems when nothing of it is."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from postroom.errors import PostroomError

MAX_PROBLEMS: Final = 50
"""Problems that are told one by one; of the rest only the number is."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a file, the lines done and the lines in all (0: not known)."""


class Problem(Struct, frozen=True):
    """One thing that is wrong with a file."""

    file: str
    """Name within the folder; empty when the folder itself is meant."""
    line: int
    """Counted from 1, the header; 0 when the whole file is meant."""
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.reason}" if place else self.reason


class ImportFailed(PostroomError):
    """The files are not in order, so nothing was imported.

    ``problems`` holds the first ones, at most ``MAX_PROBLEMS``, file by file in the order of lines; ``omitted`` counts the rest.
    """

    def __init__(self, problems: list[Problem], omitted: int = 0) -> None:
        rest = [f"and {omitted} more"] if omitted else []
        super().__init__("\n".join([*map(str, problems), *rest]))
        self.problems = problems
        self.omitted = omitted


class FileCounts(Struct, frozen=True, kw_only=True):
    """What one file did to the store."""

    file: str
    created: int
    updated: int
    """Lines of ``addresses.csv`` count as updated, too, when only the people who are assigned changed."""
    unchanged: int
    removed: int
    """Members that are not listed any more, and revoked assignments; people, groups and addresses are never removed."""


class ImportResult(Struct, frozen=True, kw_only=True):
    """What an import did, for each file that was in the folder."""

    files: list[FileCounts]

    @property
    def changed(self) -> bool:
        """Whether anything in the store is different now."""
        return any(counts.created or counts.updated or counts.removed for counts in self.files)


class Problems:
    """Collects problems without keeping more of them than are told."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._count = 0

    def add(self, file: str, line: int, reason: str) -> None:
        """Note one problem."""
        self._count += 1
        if len(self._kept) < MAX_PROBLEMS:
            self._kept.append(Problem(file, line, reason))

    def add_uncounted(self, more: int) -> None:
        """Count problems that nobody will be told of one by one."""
        self._count += more

    def __len__(self) -> int:
        return self._count

    def raise_if_any(self, order: tuple[str, ...]) -> None:
        """Raise ``ImportFailed`` unless everything is in order; files come in the order given."""
        if self._count:
            ranks = {name: rank for rank, name in enumerate(order)}
            told = sorted(self._kept, key=lambda problem: (ranks.get(problem.file, -1), problem.line))
            raise ImportFailed(told, self._count - len(told))
