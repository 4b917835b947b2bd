"""The worker: claims windows of due recipients and hands their mail to the relay, until it is told to stop.

    wake-up ─► feeder ─► claim (durable) ─► window ─► senders, one connection each ─► settler ─► group commit
                          │                              │  start the next mail only
                          └── heartbeat renews leases    └─ when the last outcome is durable

Any number of workers run on one store: what one has claimed, the others pass over. A worker holds only its window in
memory, whatever the length of a roll. Nothing that goes wrong with one recipient stops it, and an absent relay or store
is waited for. A clean stop finishes the mails in flight, within ``GRACE``, and puts the rest back as it was.
"""

import asyncio
import os
import random
import secrets
import socket
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from postroom.clock import SECOND, now
from postroom.delivery import contexts, housekeeping, policy, queue
from postroom.delivery.composer import Skeleton, render
from postroom.delivery.contexts import Context
from postroom.delivery.records import Due, Outcome
from postroom.delivery.relay import Relay, goodbye
from postroom.delivery.settling import Settler
from postroom.delivery.smtp import Answer, SmtpConnection, SmtpError
from postroom.delivery.window import Job, Window
from postroom.errors import Invalid, Unavailable
from postroom.storage.store import Store
from postroom.storage.wakeup import Wakeup, open_wakeup

GRACE: Final = 8.0
"""Seconds that mails in flight get when the worker is told to stop, and then their outcomes once more."""

_WINDOW: Final = 25
"""Jobs in the window for each connection."""

_SKELETONS: Final = 64
"""Rendered messages that are kept, beside those that jobs in the window hold."""

_LONGEST_WAIT: Final = 5.0
"""Seconds after which an idle worker looks even if nothing woke it."""

_SHORTEST_WAIT: Final = 0.01
_STORE_PAUSE: Final = 1.0
"""Seconds before the next try when the store is away."""

_IDLE: Final = 5.0
"""Seconds that a connection without work stays open."""

_CLEARING: Final = 60.0
"""Seconds between two rounds of housekeeping."""

_log: Final = structlog.get_logger("postroom.delivery")


async def run(store: Store, stop: asyncio.Event) -> None:
    """Deliver until ``stop`` is set; then finish what is in flight, put the rest back, and return."""
    await _Worker(store).run(stop)


class _Leases:
    """What this worker has claimed, and until when that may be believed."""

    def __init__(self) -> None:
        self._until: dict[int, int] = {}

    @property
    def ids(self) -> list[int]:
        return list(self._until)

    def add(self, ids: Iterable[int], until: int) -> None:
        self._until.update((number, until) for number in ids)

    def renewed(self, asked: Sequence[int], kept: set[int], until: int) -> None:
        """Note the result of a renewal; who was settled or released meanwhile stays out."""
        for number in asked:
            if number in kept and number in self._until:
                self._until[number] = until
            elif number not in kept:
                self._until.pop(number, None)

    def drop(self, ids: Iterable[int]) -> None:
        for number in ids:
            self._until.pop(number, None)

    def holds(self, number: int, at: int) -> bool:
        return self._until.get(number, 0) > at


class _Worker:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._settings = store.settings
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lease_ms = round(store.settings.delivery.lease * SECOND)
        self._relay = Relay(store.settings)
        self._settler = Settler(store, self._owner)
        self._window = Window(max(8, _WINDOW * store.settings.relay.connections))
        self._leases = _Leases()
        self._skeletons: OrderedDict[tuple[Context, bool], Skeleton] = OrderedDict()
        self._look = asyncio.Event()
        self._look_at = 0  # when the feeder means to look again, in milliseconds
        self._more = False  # whether the last claim left due recipients behind

    async def run(self, stop: asyncio.Event) -> None:
        _log.info("worker_started", owner=self._owner, relay=self._relay.name, connections=self._settings.relay.connections)
        settling = asyncio.create_task(self._settler.run(), name="settler")
        senders = [asyncio.create_task(self._send(), name=f"sender {n}") for n in range(self._settings.relay.connections)]
        async with open_wakeup(self._settings) as wakeup:
            feeding = [
                asyncio.create_task(work, name=name)
                for name, work in (("feeder", self._feed()), ("watcher", self._watch(wakeup)), ("housekeeper", self._keep_house()))
            ]
            heartbeat = asyncio.create_task(self._renew(), name="heartbeat")
            tasks = [*feeding, *senders, heartbeat, settling]
            stopping = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            broken = [task for task in tasks if task.done()]
            await self._wind_up(feeding, senders, settling)
            await _cancelled([heartbeat, settling])
        _log.info("worker_stopped", owner=self._owner)
        for task in broken:
            task.result()  # a task that ended by itself met something unforeseen: the process is to end, and to be started anew

    async def _wind_up(self, feeding: list[asyncio.Task[None]], senders: list[asyncio.Task[None]], settling: asyncio.Task[None]) -> None:
        await _cancelled(feeding)
        self._window.drain()
        self._window.end(len(senders))
        await asyncio.wait(senders, timeout=GRACE)
        await _cancelled(senders)
        self._settler.close()
        await asyncio.wait([settling], timeout=GRACE)
        try:
            async with asyncio.timeout(GRACE):
                await self._release(self._leases.ids)
        except (TimeoutError, Unavailable) as error:
            _log.warning("leases_left", recipients=len(self._leases.ids), reason=str(error))

    # -- feeding the window ------------------------------------------------------------------------------------------

    async def _watch(self, wakeup: Wakeup) -> None:
        while True:
            if await wakeup.wait(_LONGEST_WAIT):
                self._look.set()

    async def _feed(self) -> None:
        while True:
            self._look.clear()
            try:
                pause = await self._feed_once()
            except Unavailable as error:
                _log.warning("store_unavailable", reason=str(error))
                await asyncio.sleep(_STORE_PAUSE)
                continue
            self._look_at = now() + round(pause * SECOND)
            try:
                async with asyncio.timeout(pause):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def _feed_once(self) -> float:
        """Fill the window; return the seconds until there is a reason to look again, if nothing wakes us before."""
        if self._relay.down:
            await asyncio.sleep(self._relay.wait_left())
            if not await self._relay.probe():
                return 0.0
        room, bulk = self._window.room, self._window.bulk_room
        claimed = await self._claim(room, bulk)
        try:
            self._window.put(await self._jobs(claimed))
        except Unavailable:
            self._leases.drop(due.id for due in claimed)  # they run out
            raise
        self._more = len(claimed) >= room or sum(due.lane == "bulk" for due in claimed) >= bulk
        if self._more:
            return _LONGEST_WAIT  # the senders call when the window gets low
        earliest = await self._store.database.read(queue.next_due)
        if earliest is None:
            return _LONGEST_WAIT
        return min(max((earliest - now()) / SECOND, _SHORTEST_WAIT), _LONGEST_WAIT)

    async def _claim(self, room: int, bulk: int) -> list[Due]:
        at = now()
        claim = asyncio.ensure_future(self._store.database.write(queue.claim, self._owner, room, at, self._lease_ms, bulk=bulk))
        try:
            claimed = await asyncio.shield(claim)
        except asyncio.CancelledError:  # what is claimed must be known, to be put back
            claimed = await claim
            raise
        finally:
            if claim.done() and not claim.cancelled() and claim.exception() is None:
                self._leases.add((due.id for due in claim.result()), at + self._lease_ms)
        return claimed

    async def _jobs(self, claimed: Sequence[Due]) -> list[Job]:
        """Render what is not rendered yet. A message that no mail can be made of fails for its recipients, not for the others."""
        if not claimed:
            return []
        ids = {due.message_id for due in claimed}
        found = await self._store.database.read(contexts.load, self._settings, self._store.vault, ids)
        jobs: list[Job] = []
        reasons: dict[int, str] = {}
        for due in claimed:
            context = found.get(due.message_id)
            if context is None or due.message_id in reasons:
                self._refuse(due, reasons.get(due.message_id, "the message is gone"))
                continue
            try:
                jobs.append(Job(due, await self._rendered(context, mailing=due.lane == "bulk")))
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the message's own fault
                reasons[due.message_id] = _refusal(error, due)
                self._refuse(due, reasons[due.message_id])
        return jobs

    async def _rendered(self, context: Context, *, mailing: bool) -> Skeleton:
        key = (context, mailing)
        found = self._skeletons.get(key)
        if found is None:
            found = self._skeletons[key] = await render(self._store, context, mailing=mailing)
            if len(self._skeletons) > _SKELETONS:
                self._skeletons.popitem(last=False)
        self._skeletons.move_to_end(key)
        return found

    def _refuse(self, due: Due, reason: str) -> None:
        """Let a recipient fail whose mail cannot be made."""
        refused = policy.outcome(due, "failed", None, reason, self._relay.name)
        self._settler.submit(refused).add_done_callback(lambda _: self._leases.drop([due.id]))

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        """Send one mail after the other over one connection, until the window says that there will be no more."""
        connection: SmtpConnection | None = None
        try:
            while True:
                job, connection = await self._next(connection)
                if job is None:
                    return
                if self._more and self._window.low:
                    self._look.set()
                if self._leases.holds(job.due.id, now()):
                    connection = await self._deliver(job, connection)
                else:
                    self._leases.drop([job.due.id])  # whoever recovers it will send it
        finally:
            if connection is not None:
                await goodbye(connection)

    async def _next(self, connection: SmtpConnection | None) -> tuple[Job | None, SmtpConnection | None]:
        """Wait for a job; a connection that waits for long is closed meanwhile."""
        if connection is not None:
            try:
                async with asyncio.timeout(_IDLE):
                    return await self._window.get(), connection
            except TimeoutError:
                await goodbye(connection)
        return await self._window.get(), None

    async def _deliver(self, job: Job, connection: SmtpConnection | None) -> SmtpConnection | None:
        """Send one mail and wait until its outcome is durable; return the connection for the next one."""
        try:
            content = b"".join(job.skeleton.fill(job.due).chunks)
        except Exception as error:  # noqa: BLE001 - a name or address that breaks the composer fails alone
            await self._settle(policy.outcome(job.due, "failed", None, _refusal(error, job.due), self._relay.name))
            return connection
        try:
            connection, result = await self._hand_over(job.due, content, connection)
        except Invalid as error:
            await self._settle(policy.outcome(job.due, "failed", None, _refusal(error, job.due), self._relay.name))
            return connection if connection is not None and connection.usable else None
        if policy.relay_trouble(result):
            await self._wait_for_relay(job, result)
            return connection
        delivery = self._settings.delivery
        await self._settle(policy.judge(job.due, result, delivery, self._relay.name, now=now(), dice=random.random()))  # noqa: S311 - jitter
        return connection

    async def _hand_over(
        self, due: Due, content: bytes, connection: SmtpConnection | None
    ) -> tuple[SmtpConnection | None, Answer | SmtpError]:
        """Return the answer for one mail. A connection that went stale while it was idle is replaced once: nothing was taken over it."""
        reused = connection is not None and 0 < connection.sent < self._settings.relay.messages_per_connection
        try:
            connection = await self._connected(connection)
            return connection, await self._answer(connection, due, content)
        except SmtpError as error:
            if not reused or error.phase != "transaction":
                return None, error
        try:
            connection = await self._connected(None)
            return connection, await self._answer(connection, due, content)
        except SmtpError as error:
            return None, error

    async def _answer(self, connection: SmtpConnection, due: Due, content: bytes) -> Answer:
        try:
            return (await connection.send(self._settings.return_path, [due.email or ""], content, ready=True))[0]
        except asyncio.CancelledError:
            if connection.phase == "outcome":  # the worker stops, and nobody knows what the relay would have said
                stopped = SmtpError("outcome", "the worker stopped before the relay answered")
                judged = policy.judge(due, stopped, self._settings.delivery, self._relay.name, now=now(), dice=0.5)
                self._settler.submit(judged).add_done_callback(lambda _: self._leases.drop([due.id]))
            connection.close()
            raise

    async def _connected(self, connection: SmtpConnection | None) -> SmtpConnection:
        if connection is not None:
            if connection.usable and connection.sent < self._settings.relay.messages_per_connection:
                return connection
            await goodbye(connection)
        return await self._relay.connect()

    async def _settle(self, outcome: Outcome) -> None:
        await self._settler.settle(outcome)
        self._leases.drop([outcome.recipient_id])
        if outcome.due_at is not None and outcome.due_at < self._look_at:
            self._look.set()  # PostgreSQL does not wake us for what we write ourselves
        if outcome.state != "delivered":
            _log.info(
                "not_delivered", message=outcome.message_id, recipient=outcome.recipient_id, state=outcome.state, code=outcome.reply_code
            )

    async def _wait_for_relay(self, job: Job, trouble: Answer | SmtpError) -> None:
        """Put everybody back who waits for the relay; none of them has been tried."""
        if isinstance(trouble, Answer):
            self._relay.failed(str(trouble.reply))
        waiting = [job.due.id, *(other.due.id for other in self._window.drain())]
        try:
            await self._release(waiting)
        except Unavailable as error:  # then their leases run out
            self._leases.drop(waiting)
            _log.warning("store_unavailable", reason=str(error))
        self._look.set()

    # -- leases and housekeeping -------------------------------------------------------------------------------------

    async def _release(self, ids: Sequence[int]) -> None:
        if ids:
            await self._store.database.write(queue.release, self._owner, ids)
            self._leases.drop(ids)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._settings.delivery.lease / 3)
            ids, until = self._leases.ids, now() + self._lease_ms
            if not ids:
                continue
            try:
                kept = await self._store.database.write(queue.renew, self._owner, ids, until)
            except Unavailable as error:
                _log.warning("leases_not_renewed", recipients=len(ids), reason=str(error))
            else:
                self._leases.renewed(ids, kept, until)

    async def _keep_house(self) -> None:
        clear_at = 0.0
        while True:
            try:
                recovered = await self._store.database.write(queue.recover, now())
                if recovered:
                    _log.warning("recovered", recipients=recovered)
                    self._look.set()
                if asyncio.get_running_loop().time() >= clear_at:
                    clear_at = asyncio.get_running_loop().time() + _CLEARING
                    await housekeeping.clear(self._store, now())
            except Unavailable as error:
                _log.warning("store_unavailable", reason=str(error))
            except Exception:  # noqa: BLE001 - mail goes out even if something cannot be cleared away
                _log.exception("housekeeping_failed")
            await asyncio.sleep(self._settings.delivery.lease / 2)


def _refusal(error: Exception, due: Due) -> str:
    """Return in words why no mail could be made; what was not foreseen is logged."""
    if isinstance(error, Invalid):
        return f"no mail could be made: {error.parameter}: {error.reason}"
    _log.error("composing_failed", message=due.message_id, recipient=due.id, exc_info=error)
    return f"no mail could be made: {type(error).__name__}"


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended; what they raised is looked at elsewhere."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
