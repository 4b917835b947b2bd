"""How often one client may call: so many requests in each five seconds, counted by each process for itself (wire/schoology.md §3.1)."""

from typing import Final

from postroom.clock import SECOND
from postroom.dialects.schoology import errors

WINDOW: Final = 5 * SECOND
"""Milliseconds."""


class RateLimit:
    """Counts the requests of the present window; it knows no more clients than have called in it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = 0
        self._counts: dict[int, int] = {}

    def count(self, client_id: int, now: int) -> None:
        """Count a request. Raises ``SchoologyError`` (429) beyond the limit; 0 is none."""
        if not self._limit:
            return
        window, into = divmod(now, WINDOW)
        if window != self._window:
            self._window = window
            self._counts.clear()
        count = self._counts.get(client_id, 0) + 1
        self._counts[client_id] = count
        if count > self._limit:
            raise errors.too_often(-(-(WINDOW - into) // SECOND))
