"""Work on long texts, in a thread of its own: other requests go on meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONG: Final = 65_536
"""Characters, or bytes, from which a thread is worth its while."""


async def aside(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do ``work`` on a text of that size; a short one is done with at once. Raises what ``work`` raises."""
    return await asyncio.to_thread(work, *args, **kwargs) if size > LONG else work(*args, **kwargs)
