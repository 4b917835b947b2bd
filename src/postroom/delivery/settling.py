"""Making outcomes durable: those of all connections that wait are written in one transaction (group commit)."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from postroom.clock import now
from postroom.delivery import queue
from postroom.delivery.records import Outcome
from postroom.errors import Unavailable
from postroom.storage.store import Store

_PAUSE: Final = 0.5
"""Seconds before an outcome is written again when the store could not take it."""

_log: Final = structlog.get_logger("postroom.delivery")


class Settler:
    """Writes outcomes for one worker. While one transaction is flushed to disk, the next one gathers."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._waiting: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._closing = False

    async def settle(self, outcome: Outcome) -> None:
        """Return when the outcome is durable. If the caller is cancelled meanwhile, it is written all the same."""
        await self.submit(outcome)

    def submit(self, outcome: Outcome) -> asyncio.Future[None]:
        """Hand over an outcome to be written; the future tells when it is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, future))
        self._wake.set()
        return future

    def close(self) -> None:
        """Let ``run`` return when nothing waits any more."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write what comes until ``close``. A store that is away is waited for: no outcome is forgotten while this runs."""
        while self._waiting or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write([outcome for outcome, _ in batch])
                for _, future in batch:
                    if not future.done():  # its connection may have been told to stop
                        future.set_result(None)

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        while True:
            try:
                lost = await self._store.database.write(queue.settle, self._store.settings, self._owner, outcomes, now())
            except Unavailable as error:
                _log.warning("outcomes_wait_for_store", outcomes=len(outcomes), reason=str(error))
                await asyncio.sleep(_PAUSE)
            except Exception:  # noqa: BLE001 - whatever it was, the outcomes are true and must be kept
                _log.exception("settling_failed", outcomes=len(outcomes))
                await self._write_alone(outcomes)
                return
            else:
                if lost:
                    _log.warning("lease_lost", recipients=lost[:20], count=len(lost))
                return

    async def _write_alone(self, outcomes: Sequence[Outcome]) -> None:
        """One of the outcomes, or the end of one of the messages, broke the transaction: let it not take the others with it."""
        for outcome in outcomes:
            try:
                await self._store.database.write(queue.settle, self._store.settings, self._owner, [outcome], now())
            except Exception:  # noqa: BLE001 - as above
                _log.exception("message_not_settled", message=outcome.message_id)
                await self._record(outcome)

    async def _record(self, outcome: Outcome) -> None:
        try:
            await self._store.database.write(queue.record, self._owner, [outcome], now())
        except Exception:  # noqa: BLE001 - its lease runs out and it is tried again: late, but neither lost nor in the way of others
            _log.exception("outcome_not_recorded", recipient=outcome.recipient_id)
