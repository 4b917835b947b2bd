"""Making outcomes durable: those of all connections that wait are written in one transaction (group commit).

In the same transaction stands for each connection whom it sends to next, so that after a crash it is known whose mail may
have been on the wire, and whose was not.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from msgspec import Struct, structs

from postroom.clock import now
from postroom.delivery import queue
from postroom.delivery.leases import Leases
from postroom.delivery.records import Batch, Outcome
from postroom.errors import Unavailable
from postroom.storage.store import Store

_PAUSE: Final = 0.5
"""Seconds before an outcome is written again when the store could not take it."""

_QUIET_TURNS: Final = 2
"""Turns of the event loop that bring nothing, some microseconds each, after which there is nothing more to wait for."""

_LARGEST: Final = 500
"""Entries of one transaction."""

_log: Final = structlog.get_logger("postroom.delivery")


class _Entry(Struct, frozen=True, eq=False):
    outcomes: Sequence[Outcome]
    starts: Sequence[int]
    written: "asyncio.Future[frozenset[int]]"


class Settler:
    """Writes outcomes for one worker. While one transaction is flushed to disk, the next one gathers."""

    def __init__(self, store: Store, owner: str, leases: Leases) -> None:
        self._store = store
        self._owner = owner
        self._leases = leases
        self._waiting: list[_Entry] = []
        self._writing: list[_Entry] = []
        self._on_wire: set[int] = set()
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def on_wire(self) -> frozenset[int]:
        """Recipients whose mail may be on the wire, or whose outcome waits to be written."""
        unwritten = (outcome.recipient_id for entry in (*self._writing, *self._waiting) for outcome in entry.outcomes)
        return frozenset(self._on_wire).union(unwritten)

    def submit(self, outcomes: Sequence[Outcome], starts: Sequence[int] = ()) -> "asyncio.Future[frozenset[int]]":
        """Hand over what became of recipients, and who is sent to next.

        The future is done when it is durable; its result is those of ``starts`` that this worker does not hold any more, and so
        must not send to. If the caller is cancelled meanwhile, it is written all the same.
        """
        written: asyncio.Future[frozenset[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(outcomes, starts, written))
        self._wake.set()
        return written

    def not_sent(self, ids: Iterable[int]) -> None:
        """Take back that recipients are being sent to: nothing of their mail went out. Written with the next outcomes."""
        self._on_wire.difference_update(ids)

    def close(self) -> None:
        """Let ``run`` return when nothing waits any more."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write what comes until ``close``. A store that is away is waited for: no outcome is forgotten while this runs."""
        while self._waiting or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            await self._gather()
            while self._waiting:
                self._writing, self._waiting = self._waiting[:_LARGEST], self._waiting[_LARGEST:]
                entries = self._writing
                lost = await self._write(entries)
                self._writing = []
                self._leases.drop(outcome.recipient_id for entry in entries for outcome in entry.outcomes)
                for entry in entries:
                    if not entry.written.done():  # its connection may have been told to stop
                        entry.written.set_result(lost.intersection(entry.starts) if lost else lost)

    async def _gather(self) -> None:
        """Let every connection hand over its outcome that is being answered just now: one commit for twenty costs what one for two does."""
        quiet = 0
        while quiet < _QUIET_TURNS:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == before else 0

    async def _write(self, entries: Sequence[_Entry]) -> frozenset[int]:
        batch = self._batch(entries)
        try:
            lost = await self._persist(batch)
        except Exception:  # noqa: BLE001 - whatever it was, the outcomes are true and must be kept
            _log.exception("settling_failed", outcomes=len(batch.outcomes))
            return await self._write_alone(batch)
        if lost:
            _log.warning("lease_lost", recipients=sorted(lost)[:20], count=len(lost))
        return lost

    async def _persist(self, batch: Batch) -> frozenset[int]:
        """Write a batch; a store that is away is waited for. Raises what the transaction raises."""
        database = self._store.database
        write = database.write if batch.ended else database.write_briefly  # the end of a message may have a report to write
        while True:
            try:
                return await write(queue.settle, self._store.settings, self._owner, batch, now())
            except Unavailable as error:
                _log.warning("outcomes_wait_for_store", outcomes=len(batch.outcomes), reason=str(error))
                await asyncio.sleep(_PAUSE)

    def _batch(self, entries: Sequence[_Entry]) -> Batch:
        outcomes = tuple(outcome for entry in entries for outcome in entry.outcomes)
        starts = tuple(number for entry in entries for number in entry.starts)
        self._on_wire.difference_update(outcome.recipient_id for outcome in outcomes)
        self._on_wire.update(starts)
        return Batch(outcomes=outcomes, starts=starts, on_wire=tuple(self._on_wire), ended=self._ended(outcomes))

    def _ended(self, outcomes: Iterable[Outcome]) -> tuple[int, ...]:
        """Return the messages that may be done: those of which this worker holds nobody else, who would be open still."""
        settled = Counter(outcome.message_id for outcome in outcomes)
        return tuple(message for message, count in settled.items() if self._leases.held_of(message) <= count)

    async def _write_alone(self, batch: Batch) -> frozenset[int]:
        """One of the outcomes, or the end of one of the messages, broke the transaction: let it not take the others with it.

        Nobody is started: whoever was to be sent to next is given up by this worker, and recovered when the lease runs out.
        """
        self._on_wire.difference_update(batch.starts)
        for outcome in batch.outcomes:
            alone = Batch(outcomes=(outcome,), starts=(), on_wire=tuple(self._on_wire), ended=(outcome.message_id,))
            try:
                await self._persist(alone)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("message_not_settled", message=outcome.message_id)
                await self._record(structs.replace(alone, ended=()))
        return frozenset(batch.starts)

    async def _record(self, alone: Batch) -> None:
        """Write an outcome without a look at its message, which housekeeping settles later."""
        try:
            await self._persist(alone)
        except Exception:  # noqa: BLE001 - its lease runs out and it is tried again: late, but neither lost nor in the way of others
            _log.exception("outcome_not_recorded", recipient=alone.outcomes[0].recipient_id)
