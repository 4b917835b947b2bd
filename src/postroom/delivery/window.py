"""The claimed recipients that wait in this worker for a connection of one relay: single mails first, then domains in turn.

A domain may keep so many connections busy as ``domain_connections`` says. Without that setting it may have three quarters
of them, and all of them while no mail for others waits here and it answers: so a domain that never answers leaves a quarter
to the rest. Most of what waits for a slow domain is taken out again (``surplus``), so that it does not
fill the window either. A shared mail counts for the domain of its first recipient.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from postroom.delivery.composer import Skeleton
from postroom.delivery.limits import Pace, Pause
from postroom.delivery.records import Due
from postroom.messages.records import Lane
from postroom.settings import DomainSettings, RelaySettings

SLOW: Final = 3.0
"""Seconds after which a mail that is still not answered makes its domain a slow one; half of the relay's time-out, if that is sooner."""

_PUT_OFF_FIRST: Final = 15.0
_PUT_OFF_LONGEST: Final = 600.0

_TRIED: Final = 8
"""Of so many connections one goes on trying a domain that is put off."""

_LANES: Final[tuple[Lane, ...]] = ("single", "bulk")

_KEPT: Final = 4_096
"""Domains that are remembered; beyond that, those are forgotten of which there is nothing to remember."""


class Job(Struct, frozen=True, eq=False):
    """Claimed recipients who get one mail in one transaction: a single one, or several of a shared message."""

    dues: tuple[Due, ...]
    skeleton: Skeleton
    relays: tuple[str, ...]
    """Names of the relays that may take it."""
    domain: str
    """Of the first recipient, in lower case."""

    @property
    def lane(self) -> Lane:
        """The lane that it waits in."""
        return self.dues[0].lane


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


class _Domain:
    """What is known of one recipient domain at one relay."""

    __slots__ = ("answered_at", "busy", "connections", "name", "pace", "pause", "waiting")

    def __init__(self, name: str, connections: int, rate: float) -> None:
        self.name = name
        self.connections = connections
        self.pace = Pace(rate)
        self.pause = Pause(_PUT_OFF_FIRST, _PUT_OFF_LONGEST)
        self.busy: dict[int, float] = {}  # number of the take → when
        self.answered_at = -math.inf
        self.waiting = {lane: deque[Job]() for lane in _LANES}

    def idle(self, now: float) -> bool:
        """Whether there is nothing to remember of it."""
        return not (self.busy or any(self.waiting.values()) or self.pause.left(now) > 0 or self.pace.wait(now) > 0)

    def slow(self, before: float) -> bool:
        """Whether at least half of its mails in flight began before a time: a single one says little of a large domain."""
        late = sum(since < before for since in self.busy.values())
        return late > 0 and 2 * late >= len(self.busy)


class Taken(Struct, frozen=True, eq=False):
    """A job that a connection works on; to be given back to ``Window.done``."""

    job: Job
    number: int
    domain: str
    """Where it is counted as busy, whoever of the job is left."""


class Window:
    """What waits for one relay. It knows no clock and no event loop: ``now`` is in seconds of any steady clock."""

    def __init__(self, relay: RelaySettings, domains: Mapping[str, DomainSettings]) -> None:
        """Keep the limits of ``relay``, and of single ``domains`` (by lower-case name) where they have some."""
        self._relay = relay
        self._limits = domains
        self._slow = min(SLOW, relay.timeout / 2)
        self._share = max(1, math.ceil(relay.connections * 3 / 4))
        self._domains: dict[str, _Domain] = {}
        self._ready = {lane: deque[_Domain]() for lane in _LANES}  # each domain once, while it waits in that lane and may start
        self._blocked: dict[str, _Domain] = {}
        self._count = dict.fromkeys(_LANES, 0)
        self._takes = 0

    def __len__(self) -> int:
        return self._count["single"] + self._count["bulk"]

    @property
    def ready(self) -> bool:
        """Whether some domain may start, as far as is known."""
        return any(self._ready.values())

    def waiting(self, lane: Lane) -> int:
        """Return how many jobs wait in ``lane``."""
        return self._count[lane]

    def put(self, jobs: Iterable[Job], now: float) -> None:
        """Add jobs."""
        for job in jobs:
            domain = self._domains.get(job.domain) or self._new_domain(job.domain, now)
            queue = domain.waiting[job.lane]
            if not queue and domain.name not in self._blocked:
                self._ready[job.lane].append(domain)
            queue.append(job)
            self._count[job.lane] += 1

    def take(self, now: float, lanes: Sequence[Lane] = _LANES) -> Taken | None:
        """Take the next job of these lanes that may start now, single mails first; ``None`` when there is none."""
        for lane in lanes:
            ready = self._ready[lane]
            while ready:
                domain = ready[0]
                if not self._may_start(domain, now):
                    self._block(domain)
                    continue
                return self._taken(domain, lane, now)
        return None

    def begun(self, taken: Taken, now: float) -> None:
        """Note that a job which was taken ahead goes out only now: until then its domain had no part in the waiting."""
        busy = self._domains[taken.domain].busy
        del busy[taken.number]
        busy[taken.number] = now

    def done(self, taken: Taken, now: float, *, works: bool) -> None:
        """Give back what was taken; ``works`` says that the relay gave an answer for it in time."""
        domain = self._domains[taken.domain]
        domain.busy.pop(taken.number, None)
        if works:
            domain.answered_at = now
            domain.pause.end()
        self._unblock(domain)

    def look_again(self, now: float) -> float | None:
        """Let domains start again whose time has come; return in how many seconds the next one may, ``None`` if none waits for time."""
        waits: list[float] = []
        for domain in list(self._blocked.values()):
            wait = domain.pace.wait(now)
            if wait > 0:
                waits.append(wait)
            elif self._has_room(domain, now):
                self._unblock(domain)
        return min(waits, default=None)

    def surplus(self, now: float) -> tuple[list[Job], float]:
        """Take out what waits for domains that are slow, but for a few that go on trying.

        Returns the jobs, and for how many seconds they should be left alone: longer each time, as long as nothing is answered.
        """
        taken: list[Job] = []
        longest = 0.0
        for domain in list(self._blocked.values()):
            if domain.pause.left(now) <= 0:  # else it is left alone already, whatever is on its way to it just now
                if not domain.slow(now - self._slow):
                    continue
                domain.pause.trouble(now)
            longest = max(longest, domain.pause.left(now))
            taken += self._emptied(domain, keep=2 * self._relay.connections)
        return taken, longest

    def drain(self) -> list[Job]:
        """Take out all jobs."""
        return [job for domain in list(self._domains.values()) for job in self._emptied(domain, keep=0)]

    def domains(self, now: float) -> list[tuple[str, int, int, bool]]:
        """Return name, connections busy, jobs waiting, and whether it is put off, of each domain that is held back."""
        return [
            (domain.name, len(domain.busy), sum(map(len, domain.waiting.values())), domain.pause.left(now) > 0)
            for domain in self._domains.values()
            if domain.name in self._blocked or domain.pause.left(now) > 0
        ]

    def _new_domain(self, name: str, now: float) -> _Domain:
        if len(self._domains) >= _KEPT:
            self._domains = {name: domain for name, domain in self._domains.items() if not domain.idle(now)}
        own = self._limits.get(name, DomainSettings())
        domain = _Domain(name, own.connections or self._relay.domain_connections, own.rate or self._relay.domain_rate)
        self._domains[name] = domain
        return domain

    def _may_start(self, domain: _Domain, now: float) -> bool:
        return (not domain.pace.limited or domain.pace.wait(now) <= 0) and self._has_room(domain, now)

    def _has_room(self, domain: _Domain, now: float) -> bool:
        busy = len(domain.busy)
        if domain.pause.left(now) > 0:  # it is only tried
            return busy < max(1, min(self._relay.connections // _TRIED, domain.connections or self._share))
        if domain.connections:
            return busy < domain.connections
        return busy < self._share or (now - domain.answered_at < self._slow and not self._others_wait(domain))

    def _others_wait(self, domain: _Domain) -> bool:
        return sum(map(len, domain.waiting.values())) < len(self)

    def _taken(self, domain: _Domain, lane: Lane, now: float) -> Taken:
        queue, ready = domain.waiting[lane], self._ready[lane]
        job = queue.popleft()
        self._count[lane] -= 1
        if not queue:
            ready.popleft()
        elif len(ready) > 1:
            ready.rotate(-1)
        self._takes += 1
        domain.busy[self._takes] = now
        if domain.pace.limited:
            domain.pace.spend(now)
        return Taken(job, self._takes, domain.name)

    def _block(self, domain: _Domain) -> None:
        self._blocked[domain.name] = domain
        for ready in self._ready.values():
            if domain in ready:
                ready.remove(domain)

    def _unblock(self, domain: _Domain) -> None:
        if self._blocked.pop(domain.name, None) is not None:
            for lane, queue in domain.waiting.items():
                if queue:
                    self._ready[lane].append(domain)

    def _emptied(self, domain: _Domain, *, keep: int) -> list[Job]:
        """Take out the jobs of a domain that came last, all but ``keep`` of each lane."""
        jobs: list[Job] = []
        for lane, queue in domain.waiting.items():
            while len(queue) > keep:
                jobs.append(queue.pop())
                self._count[lane] -= 1
            if not queue and domain in self._ready[lane]:
                self._ready[lane].remove(domain)
        if not any(domain.waiting.values()):
            self._blocked.pop(domain.name, None)
        return jobs
