"""How fast and how much at once: the pace of a relay or a domain, and the pause after trouble. No clock of their own."""

import random
from typing import Final

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


class Pace:
    """At most ``rate`` messages a second; a tenth of a second's worth may go at once. 0: no limit."""

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._slack = 0.1 if rate > 0 else 0.0
        self._next = 0.0

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._interval > 0

    def wait(self, now: float) -> float:
        """Return the seconds until the next message may go."""
        return max(0.0, self._next - self._slack - now) if self._interval else 0.0

    def spend(self, now: float) -> None:
        """Count one message that goes now."""
        if self._interval:
            self._next = max(self._next, now) + self._interval


class Pause:
    """Grows with each trouble, from a second to a minute, give or take a fifth; ends when something works again."""

    def __init__(self, first: float = _FIRST_PAUSE, longest: float = _LONGEST_PAUSE) -> None:
        """Begin at ``first`` seconds, double up to ``longest``."""
        self._first = first
        self._longest = longest
        self._length = 0.0
        self._until = 0.0

    def left(self, now: float) -> float:
        """Return the seconds until the next try."""
        return max(0.0, self._until - now)

    def trouble(self, now: float) -> float | None:
        """Note trouble and return the seconds to wait; ``None`` for trouble within a pause, which is the same trouble."""
        if self.left(now) > 0:
            return None
        self._length = min(max(self._first, self._length * 2), self._longest)
        wait = self._length * random.uniform(0.8, 1.2)  # noqa: S311 - those who wait only must not come back all at once
        self._until = now + wait
        return wait

    def end(self) -> None:
        """Note that it works."""
        self._length = self._until = 0.0
