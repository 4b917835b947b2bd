"""Whose turn it is to write, among the processes that share one SQLite file.

SQLite lets one write at a time; who comes too late sleeps, up to a tenth of a second, and looks again, while the other
begins its next transaction. Beside a process that writes without pause that can take seconds. So processes queue for the
lock before they ask SQLite for it: whoever holds ``next`` gets ``now`` as soon as it is free, and who gives ``now`` back cannot
have it again before that. This is courtesy only: without it SQLite's own lock still keeps everything right. The
locks go with the process that holds them, however it ends.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

_PAUSE: Final = 0.000_5
"""Seconds between two looks at a lock that another process holds."""


class Turn:
    """One process's, or one store's, place in the queue; for one thread at a time."""

    def __init__(self, database: Path) -> None:
        """Open the two files beside the database, making them when they are missing. Raises ``OSError``."""
        self._next = _opened(database, "next")
        try:
            self._now = _opened(database, "now")
        except OSError:
            os.close(self._next)
            raise

    def take(self, seconds: float) -> bool:
        """Wait so long for the turn; ``False``: others did not let go in time."""
        end = time.monotonic() + seconds
        if not _locked(self._next, end):
            return False
        try:
            return _locked(self._now, end)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)

    def give_back(self) -> None:
        """Let others write."""
        fcntl.flock(self._now, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave the queue."""
        for file in (self._next, self._now):
            os.close(file)


def _opened(database: Path, name: str) -> int:
    return os.open(database.with_name(f"{database.name}-{name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(file: int, end: float) -> bool:
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)
