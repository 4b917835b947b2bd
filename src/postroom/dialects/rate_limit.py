"""How often one caller may call: so many requests in each window of time, counted by each process for itself."""

from collections.abc import Hashable
from typing import Final

from postroom.clock import SECOND


class RateLimit:
    """Counts the requests of the present window; it knows no more callers than have called in it."""

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit
        """0: none."""
        self._length: Final = window
        """Milliseconds."""
        self._window = 0
        self._counts: dict[Hashable, int] = {}

    def count(self, caller: Hashable, now: int) -> int:
        """Count a request; return 0, or the seconds until the next one is allowed when there are too many."""
        if not self._limit:
            return 0
        window, into = divmod(now, self._length)
        if window != self._window:
            self._window = window
            self._counts.clear()
        count = self._counts.get(caller, 0) + 1
        self._counts[caller] = count
        return -(-(self._length - into) // SECOND) if count > self._limit else 0
