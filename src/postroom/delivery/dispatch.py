"""What the senders of a worker share: whom it holds, where outcomes go, and which relay takes whom."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from msgspec import structs

from postroom.clock import SECOND, now
from postroom.delivery import policy, queue, verp
from postroom.delivery.leases import Leases
from postroom.delivery.own_connections import OwnServers
from postroom.delivery.records import DomainReport, Due, Outcome, WorkerReport
from postroom.delivery.relay import Relay
from postroom.delivery.routing import Routes
from postroom.delivery.settling import Settler
from postroom.delivery.window import Job
from postroom.errors import Invalid, TooLarge, Unavailable
from postroom.storage.store import Store

BACKLOG: Final = 60
"""Jobs of each lane that may wait for each connection."""

_REPORTED: Final = 100
"""Domains that a worker tells of at most."""

LATEST: Final = 2**63 - 1
"""Later than any time."""

_log: Final = structlog.get_logger("postroom.delivery")


class Dispatch:
    """Hands jobs to relays, and takes back what cannot go now."""

    def __init__(self, store: Store, owner: str) -> None:
        self.store = store
        self.settings = store.settings
        self.owner = owner
        self.leases = Leases()
        self.settler = Settler(store, owner, self.leases)
        self.look = asyncio.Event()
        """Set when there may be something to claim."""
        self.look_at = LATEST
        """When the feeder means to look again, in milliseconds."""
        self.more = False
        """Whether the last claim left due recipients behind."""
        self.left_behind = False
        """Whether there are claims of this worker in the store that it forgot, to be recovered when they run out."""
        self.relays = {name: Relay(name, store.settings, self.look.set) for name in store.settings.all_relays}
        self.routes = Routes(store.settings)
        self.own = OwnServers(self)
        self._capacity = BACKLOG * self.connections

    @property
    def all_down(self) -> bool:
        """Whether no relay could take anything."""
        return all(relay.down for relay in self.relays.values() if not relay.own)

    @property
    def wait_left(self) -> float:
        """Seconds until the first of the relays that are down is tried again."""
        return min((relay.wait_left for relay in self.relays.values() if relay.down), default=0.0)

    def room(self) -> tuple[int, int]:
        """Return how many single and how many bulk recipients may be claimed; no bulk while much waits, so that claims stay large."""
        free = [self._capacity - sum(relay.window.waiting(lane) for relay in self.relays.values()) for lane in ("single", "bulk")]
        return free[0], free[1] if free[1] > self._capacity // 2 else 0

    @property
    def connections(self) -> int:
        """Connections of all relays together."""
        return sum(relay.settings.connections for relay in self.relays.values())

    def call_for_more(self) -> None:
        """Wake the feeder when more recipients are due and the windows get low."""
        if self.more and not self.look.is_set() and sum(len(relay.window) for relay in self.relays.values()) < self._capacity // 2:
            self.look.set()

    def assign(self, jobs: Iterable[Job]) -> list[Job]:
        """Let each job wait at a relay that is up, by weight; return those for which there is none."""
        waiting: dict[str, list[Job]] = {}
        left: list[Job] = []
        for job in jobs:
            relay = self._choose(job.relays)
            if relay is None or (relay.own and len(relay.window) >= BACKLOG):
                left.append(job)
            else:
                waiting.setdefault(relay.name, []).append(job)
        for name, theirs in waiting.items():
            self.relays[name].put(theirs)
        return left

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """Find relays for what could not go out; what finds none waits in the store until the first is tried again, no attempt burnt."""
        self.settler.not_sent(due.id for job in jobs for due in job.dues)
        await self.release(self.assign(jobs), self.wait_left)
        self.look.set()

    async def put_off(self) -> None:
        """Put back what waits for domains that are slow, so that it does not fill the windows."""
        for relay in self.relays.values():
            jobs, seconds = relay.window.surplus(asyncio.get_running_loop().time())
            if jobs:
                _log.info("domain_slow", relay=relay.label, recipients=sum(len(job.dues) for job in jobs), put_off=round(seconds))
                await self.release(jobs, seconds)

    async def release(self, jobs: Sequence[Job], seconds: float | None = None) -> None:
        """Put recipients back as if never tried, due in so many seconds (``None``: as before)."""
        await self.release_ids(self.leases.give_up(due for job in jobs for due in job.dues), seconds)

    async def release_unsent(self) -> None:
        """Put back everybody that is held, but for those whose mail is, or may have been, on the wire: their outcomes may still wait."""
        on_wire = self.settler.on_wire
        await self.release_ids([number for number in self.leases.ids if number not in on_wire])

    async def release_ids(self, ids: Sequence[int], seconds: float | None = None) -> None:
        """See ``release``. When the store is away their leases run out."""
        if not ids:
            return
        due_at = None if seconds is None else now() + round(seconds * SECOND)
        self.leases.drop(ids)  # before they can be claimed anew
        try:
            await self.store.database.write(queue.release, self.owner, ids, due_at)
        except Unavailable as error:
            self.left_behind = True
            _log.warning("store_unavailable", reason=str(error))

    def still_held(self, job: Job) -> Job | None:
        """Return the job with those who are still ours, ``None`` if nobody is; whoever recovers the others will send to them."""
        at = now()
        dues = tuple(due for due in job.dues if self.leases.holds(due, at))
        if len(dues) == len(job.dues):
            return job
        self.leases.give_up(due for due in job.dues if due not in dues)
        return structs.replace(job, dues=dues) if dues else None

    def return_path(self, job: Job) -> str:
        """Return the envelope sender of a job's mail; empty where nothing may come back."""
        if job.skeleton.null_sender:
            return ""
        if job.skeleton.common is not None:
            return verp.of_message(self.settings, self.store.vault, job.dues[0].message_id)
        return verp.of_recipient(self.settings, self.store.vault, job.dues[0].id)

    def refuse(self, dues: Sequence[Due], error: Exception, relay: str = "") -> None:
        """Let recipients fail for whom no mail can be made."""
        if isinstance(error, TooLarge):
            error = Invalid(error.parameter, f"more than {error.limit}")
        if not isinstance(error, Invalid):
            _log.error("composing_failed", message=dues[0].message_id, recipient=dues[0].id, exc_info=error)
            error = Invalid("mail", type(error).__name__)
        delivery = self.settings.delivery
        outcomes = [policy.judge(due, error, delivery, relay, now=now(), dice=0.5) for due in dues]
        self.settler.submit(outcomes)
        self.told(outcomes)

    def told(self, outcomes: Iterable[Outcome]) -> None:
        """Log who was not delivered to, and look for them in time."""
        for outcome in outcomes:
            if outcome.due_at is not None and outcome.due_at < self.look_at:
                self.look.set()  # PostgreSQL does not wake us for what we write ourselves
            if outcome.state != "delivered":
                _log.info(
                    "not_delivered",
                    message=outcome.message_id,
                    recipient=outcome.recipient_id,
                    state=outcome.state,
                    code=outcome.reply_code,
                )

    def report(self) -> WorkerReport:
        """Tell how the relays do, and which domains are held back."""
        at = asyncio.get_running_loop().time()
        held = [
            DomainReport(name=name, relay=relay.name, busy=busy, waiting=waiting, put_off=put_off)
            for relay in self.relays.values()
            for name, busy, waiting, put_off in relay.window.domains(at)
        ]
        return WorkerReport(relays=[relay.report() for relay in self.relays.values()], domains=held[:_REPORTED])

    def _choose(self, names: Sequence[str]) -> Relay | None:
        up = [relay for name in names if (relay := self.relays.get(name)) is not None and not relay.down]
        if len(up) <= 1:
            return up[0] if up else None
        weights = [relay.settings.weight for relay in up]
        return random.choices(up, weights if any(weights) else None)[0]  # noqa: S311 - a share of the mail
