"""Room for tests that measure time: the suite runs on several workers at once, and what one measures the others must not disturb.

Many tests may be in the room together, or one that is marked ``alone``. Whoever comes takes the door first: a test that waits to be alone
holds it, so those that come later wait behind it, and those that are in leave in time. The two locks go with the process that holds them.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_DOOR: Final = Path(__file__)
_ROOM: Final = Path(__file__).with_name("conftest.py")
"""Any two files that all workers see: nothing is written to them."""


@contextlib.contextmanager
def room(*, alone: bool) -> Iterator[None]:
    """Be in the room, with other workers of this checkout or alone."""
    with _ROOM.open("rb") as inside:
        with _DOOR.open("rb") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
