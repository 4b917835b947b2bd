"""The worker: claims due recipients and hands their mail to the relays, until it is told to stop.

    wake-up ─► feeder ─► claim (durable) ─► windows of the relays ─► senders, one connection each ─► settler ─► group commit
                          │                                             │  start the next mail only
                          └── heartbeat renews leases                   └─ when the last outcome is durable

Any number of workers run on one store: what one has claimed, the others pass over. A worker holds only its windows in
memory, whatever the length of a roll. Nothing that goes wrong with one recipient stops it, and an absent relay or store
is waited for. A clean stop finishes the mails in flight, within ``GRACE``, and puts the rest back as it was.
"""

import asyncio
import functools
import os
import secrets
import socket
from collections.abc import Coroutine, Iterable
from typing import Final

import structlog

from postroom.clock import SECOND, now
from postroom.delivery import housekeeping, presence, queue
from postroom.delivery.bounces.listener import listening
from postroom.delivery.dispatch import LATEST, Dispatch
from postroom.delivery.records import Due
from postroom.delivery.relay import Relay
from postroom.delivery.rendering import Renderer
from postroom.delivery.sender import Sender
from postroom.delivery.sent_copies import keep_copying
from postroom.errors import Unavailable
from postroom.storage.store import Store
from postroom.storage.wakeup import Wakeup, open_wakeup

GRACE: Final = 8.0
"""Seconds that mails in flight get when the worker is told to stop, and then their outcomes once more."""

_LONGEST_WAIT: Final = 5.0
"""Seconds after which an idle worker looks even if nothing woke it."""

_SHORTEST_WAIT: Final = 0.01
_STORE_PAUSE: Final = 1.0
"""Seconds before the next try when the store is away."""

_TENDING: Final = 1.0
"""Seconds between two looks at the windows for domains that are slow, or whose time has come."""

_CLEARING: Final = 60.0
"""Seconds between two rounds of housekeeping."""

_TELLING: Final = 10.0
"""Seconds between two reports of this worker; one that misses three is taken for gone."""

_log: Final = structlog.get_logger("postroom.delivery")


async def run(store: Store, stop: asyncio.Event) -> None:
    """Deliver until ``stop`` is set; then finish what is in flight, put the rest back, and return."""
    await _Worker(store).run(stop)


class _Worker:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._settings = store.settings
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lease_ms = round(store.settings.delivery.lease * SECOND)
        self._dispatch = Dispatch(store, self._owner)
        self._renderer = Renderer(self._dispatch)
        self._senders: list[Sender] = []
        self._copies = asyncio.Event()
        self._started_at = now()

    async def run(self, stop: asyncio.Event) -> None:
        relays = self._dispatch.relays.values()
        _log.info("worker_started", owner=self._owner, relays=[relay.label for relay in relays])
        settling = asyncio.create_task(self._dispatch.settler.run(), name="settler")
        self._senders = [Sender(relay, self._dispatch) for relay in relays for _ in range(relay.settings.connections)]
        senders = [asyncio.create_task(sender.run(), name="sender") for sender in self._senders]
        self._dispatch.own.employ = functools.partial(self._employ, senders)
        async with open_wakeup(self._settings) as wakeup, listening(self._store):
            feeding = _started(feeder=self._feed(), watcher=self._watch(wakeup), housekeeper=self._keep_house(), recoverer=self._recover())
            copying = _started(copier=keep_copying(self._store, self._owner, self._copies))
            telling = _started(heartbeat=self._renew(), reporter=self._tell())
            tasks = [*feeding, *copying, *senders, *telling, settling]
            stopping = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            broken = [task for task in tasks if task.done()]
            await asyncio.gather(self._wind_up(feeding, senders, settling), _cancelled(copying))
            await _cancelled([*telling, settling])
        await self._forget_me()
        _log.info("worker_stopped", owner=self._owner)
        for task in broken:
            task.result()  # a task that ended by itself met something unforeseen: the process is to end, and to be started anew

    def _employ(self, senders: list[asyncio.Task[None]], relay: Relay) -> None:
        """Let senders work for a server that the author of letters named, until it is dismissed."""
        for done in [number for number, task in enumerate(senders) if task.done()][::-1]:
            senders[done].result()
            del senders[done]
        self._senders = [sender for sender in self._senders if not sender.ended]
        for sender in [Sender(relay, self._dispatch) for _ in range(relay.settings.connections)]:
            self._senders.append(sender)
            senders.append(asyncio.create_task(sender.run(), name="sender"))

    async def _wind_up(self, feeding: list[asyncio.Task[None]], senders: list[asyncio.Task[None]], settling: asyncio.Task[None]) -> None:
        await _cancelled(feeding)
        for relay in self._dispatch.relays.values():
            relay.window.drain()
            relay.end()
        await asyncio.wait(senders, timeout=GRACE)
        await _cancelled(senders)
        self._dispatch.settler.close()
        await asyncio.wait([settling], timeout=GRACE)
        try:
            async with asyncio.timeout(GRACE):
                await self._dispatch.release_unsent()
        except TimeoutError:
            self._dispatch.left_behind = True
        if self._dispatch.left_behind or self._dispatch.leases:
            _log.warning("leases_left", recipients=len(self._dispatch.leases))

    # -- feeding the windows -----------------------------------------------------------------------------------------

    async def _watch(self, wakeup: Wakeup) -> None:
        while True:
            if await wakeup.wait(_LONGEST_WAIT):
                self._dispatch.look.set()
                self._copies.set()

    async def _feed(self) -> None:
        while True:
            self._dispatch.look.clear()
            self._dispatch.look_at = LATEST  # whatever is deferred meanwhile may have been missed
            try:
                pause = await self._feed_once()
            except Unavailable as error:
                _log.warning("store_unavailable", reason=str(error))
                await asyncio.sleep(_STORE_PAUSE)
                continue
            self._dispatch.look_at = now() + round(pause * SECOND)
            try:
                async with asyncio.timeout(pause):
                    await self._dispatch.look.wait()
            except TimeoutError:
                pass

    async def _feed_once(self) -> float:
        """Fill the windows; return the seconds until there is a reason to look again, if nothing wakes us before."""
        dispatch = self._dispatch
        if dispatch.all_down:  # a relay that is back says so
            return max(dispatch.wait_left, _LONGEST_WAIT)
        tended = await self._tend()
        due = await self._store.database.read_briefly(queue.next_due)
        at = now()
        single, bulk = (room if when is not None and when <= at else 0 for room, when in zip(dispatch.room(), due, strict=True))
        if not single and not bulk:
            dispatch.more = any(when is not None and when <= at for when in due)  # but there is no room
            return min([tended, *(max((when - at) / SECOND, _SHORTEST_WAIT) for when in due if when is not None and when > at)])
        claimed = await self._claim(single, bulk)
        try:
            left = dispatch.assign(await self._renderer.jobs(claimed))
        except Unavailable:
            dispatch.leases.drop(due.id for due in claimed)  # they run out
            raise
        await dispatch.release(left, max(dispatch.wait_left, _TENDING))  # a route whose relays are all down
        return _SHORTEST_WAIT if claimed else tended  # to see what is due next

    async def _tend(self) -> float:
        """Look after what is held back; return the seconds until the next look."""
        for sender in self._senders:
            sender.reconsider()
        await self._dispatch.put_off()
        self._dispatch.own.dismiss_idle()
        held = any(relay.window or relay.busy for relay in self._dispatch.relays.values())
        for relay in self._dispatch.relays.values():
            relay.wake()
        return _TENDING if held else _LONGEST_WAIT

    async def _claim(self, single: int, bulk: int) -> list[Due]:
        at = now()
        claim = asyncio.ensure_future(
            self._store.database.write_briefly(queue.claim, self._owner, at, self._lease_ms, single=single, bulk=bulk)
        )
        try:
            claimed = await asyncio.shield(claim)
        except asyncio.CancelledError:  # what is claimed must be known, to be put back
            claimed = await claim
            raise
        finally:
            if claim.done() and not claim.cancelled() and claim.exception() is None:
                self._dispatch.leases.add(claim.result(), at + self._lease_ms)
        return claimed

    # -- leases and housekeeping -------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._settings.delivery.lease / 3)
            ids, until = self._dispatch.leases.ids, now() + self._lease_ms
            if not ids:
                continue
            try:
                kept = await self._store.database.write(queue.renew, self._owner, ids, until)
            except Unavailable as error:
                _log.warning("leases_not_renewed", recipients=len(ids), reason=str(error))
            else:
                self._dispatch.leases.renewed(ids, kept, until)

    async def _keep_house(self) -> None:
        while True:
            await housekeeping.clear(self._store, now())
            await asyncio.sleep(_CLEARING)

    async def _recover(self) -> None:
        """Put back what workers that died have left behind; in a task of its own, since clearing away may take long."""
        while True:
            try:
                back, unknown, parked = await self._store.database.write(
                    queue.recover, self._settings.delivery, now(), self._owner, self._dispatch.leases.ids
                )
            except Unavailable as error:
                _log.warning("store_unavailable", reason=str(error))
            else:
                if back or unknown or parked:
                    _log.warning("recovered", recipients=back, unknown=unknown, parked=parked)
                    self._dispatch.look.set()
            await asyncio.sleep(self._settings.delivery.lease / 2)

    async def _tell(self) -> None:
        """Let ``postroom queue`` know that this worker lives, and how its relays do."""
        while True:
            report = self._dispatch.report()
            try:
                await self._store.database.write(presence.put_report, self._owner, report, self._started_at, now())
            except Unavailable as error:
                _log.warning("store_unavailable", reason=str(error))
            await asyncio.sleep(_TELLING)

    async def _forget_me(self) -> None:
        """Take back what this worker told; not while it leaves leases, since whoever recovers those asks whom it was sending to."""
        if self._dispatch.left_behind or self._dispatch.leases:
            return
        try:
            async with asyncio.timeout(GRACE):
                await self._store.database.write(presence.drop_report, self._owner)
        except (TimeoutError, Unavailable):
            pass  # the others see that it tells nothing any more


def _started(**work: Coroutine[None, None, None]) -> list[asyncio.Task[None]]:
    """Run coroutines as tasks with these names."""
    return [asyncio.create_task(each, name=name) for name, each in work.items()]


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended; what they raised is looked at elsewhere."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
