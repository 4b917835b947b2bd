"""The time, as the store keeps it: whole milliseconds since 1970-01-01 UTC.

One integer sorts, compares and indexes alike in every database; dialects turn it into their own form of date.
"""

import time
from typing import Final

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def now() -> int:
    """Return the present time in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
