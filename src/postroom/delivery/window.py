"""The claimed recipients that wait in this worker for a connection: few, single mails first."""

import asyncio
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from postroom.delivery.composer import Skeleton
from postroom.delivery.records import Due

_END: Final = 2
"""Rank behind both lanes."""


class Job(Struct, frozen=True):
    """A claimed recipient and what it is to get."""

    due: Due
    skeleton: Skeleton


class Window:
    """At most ``capacity`` jobs, at most half of them bulk, so that there is always room for single mails."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._bulk = 0
        self._count = 0
        self._jobs: asyncio.PriorityQueue[tuple[int, int, Job | None]] = asyncio.PriorityQueue()

    @property
    def room(self) -> int:
        """How many jobs of any lane may still be put."""
        return self.capacity - self._jobs.qsize()

    @property
    def bulk_room(self) -> int:
        """How many bulk jobs may still be put; none while many wait, so that claims stay large."""
        return self.capacity // 2 - self._bulk if self._bulk <= self.capacity // 4 else 0

    @property
    def low(self) -> bool:
        """Whether it is time to fetch more."""
        return self._jobs.qsize() <= self.capacity // 4

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs."""
        for job in jobs:
            bulk = job.due.lane == "bulk"
            self._bulk += bulk
            self._push(int(bulk), job)

    async def get(self) -> Job | None:
        """Wait for a job and take it, single mails first; ``None`` says that there will be no more."""
        job = (await self._jobs.get())[2]
        self._bulk -= job is not None and job.due.lane == "bulk"
        return job

    def drain(self) -> list[Job]:
        """Take out all jobs."""
        drained: list[Job] = []
        while not self._jobs.empty():
            job = self._jobs.get_nowait()[2]
            if job is not None:
                drained.append(job)
        self._bulk = 0
        return drained

    def end(self, takers: int) -> None:
        """Tell so many takers that there will be no more."""
        for _ in range(takers):
            self._push(_END, None)

    def _push(self, rank: int, job: Job | None) -> None:
        self._count += 1  # keeps the order of those of one rank, and jobs from being compared
        self._jobs.put_nowait((rank, self._count, job))
