"""How long a single mail takes, from its commit to the sink: while nothing else is to do, and while a long mailing drains.

Mails are sent at a steady pace, whatever became of those before (else a slow one would hide the others that it held up).
Commit and arrival are read from the monotonic clock that all processes of a machine share.
"""

import random
import time
from typing import Final

from msgspec import Struct

from benchmarks import sink
from benchmarks.mailings import CONTENT, Crowd, await_end, crowd, draft, is_pending, submit
from benchmarks.measure import Measurement, Plan, Run, Setting, percentile, repeated
from benchmarks.own_sink import MARK
from benchmarks.place import Place, place, process
from benchmarks.sink import Arrivals
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.messages import audience, drafts, roll
from postroom.messages.records import AudienceChange, DraftContent
from postroom.storage.database import Tx

PEOPLE: Final = 100_000
SAMPLES: Final = 250
ENOUGH: Final = 200
"""Samples that must have been sent before the mailing was done."""

_PAUSE: Final = 0.02
"""Seconds from one mail to the next, give or take half of it, so that no rhythm of a worker is hit each time at the same point."""

_SECONDS: Final = 120.0


class Latencies(Struct, frozen=True):
    """Milliseconds of each sample, in ascending order."""

    to_sink: list[float]
    """From the commit until the sink had the final dot."""
    acceptance: list[float]
    """Of the call that sends, until its commit."""
    pending: int
    """How many were sent while the mailing was not done."""


def under_bulk(plan: Plan) -> Measurement:
    """Measure on SQLite, with one worker: idle, then while a mailing to 100,000 people drains."""
    with sink.telling_sink() as arrivals, place("", arrivals.port, plan.connections) as here, process(here, "postroom", "worker"):
        everybody = crowd(here, PEOPLE)

        def once() -> Run:
            return _run(here, arrivals, everybody)

        settings: dict[str, Setting] = {
            "bulk recipients": PEOPLE,
            "samples": SAMPLES,
            "pause ms": _PAUSE * 1000,
            "connections": plan.connections,
            "workers": 1,
            "sink": "asyncio, telling the time",
            "DKIM": "off",
            "TLS": "off",
            "log": here.store.settings.log_level,
            **of_database(here.store),
        }
        return repeated(once, plan.runs, unit="ms", settings=settings)


def _run(here: Place, arrivals: Arrivals, everybody: Crowd) -> Run:
    database = here.store.database
    mailing = database.write_now(draft, everybody)
    idle = sampled(here, arrivals, everybody.author, SAMPLES)
    singles = database.write_now(single_drafts, everybody.author, SAMPLES)
    database.write_now(submit, here.store.settings, everybody.author, mailing)
    busy = _sampled(here, arrivals, everybody.author, singles, mailing)
    if busy.pending < ENOUGH:
        raise AssertionError(f"the mailing was done when {busy.pending} single mails had been sent")
    await_end(here, mailing, time.perf_counter() + _SECONDS)
    p99 = percentile(busy.to_sink, 99)
    others = {
        "p50 ms": percentile(busy.to_sink, 50),
        "idle p50 ms": percentile(idle.to_sink, 50),
        "idle p99 ms": percentile(idle.to_sink, 99),
        "acceptance p99 ms": percentile(busy.acceptance, 99),
        "idle acceptance p99 ms": percentile(idle.acceptance, 99),
    }
    return Run(p99, {"idle": p99 / percentile(idle.to_sink, 99)}, others)


def sampled(here: Place, arrivals: Arrivals, author: int, number: int) -> Latencies:
    """Send so many single mails while nothing else goes on."""
    return _sampled(here, arrivals, author, here.store.database.write_now(single_drafts, author, number), None)


def _sampled(here: Place, arrivals: Arrivals, author: int, singles: list[tuple[int, str]], mailing: int | None) -> Latencies:
    committed: dict[str, int] = {}
    acceptance: list[float] = []
    pending = 0
    due = time.monotonic()
    for message_id, recipient in singles:
        time.sleep(max(0.0, due - time.monotonic()))
        due += _PAUSE * random.uniform(0.5, 1.5)
        asked = time.monotonic_ns()
        here.store.database.write_now(submit, here.store.settings, author, message_id)
        committed[recipient] = time.monotonic_ns()
        acceptance.append((committed[recipient] - asked) / 1e6)
        pending += mailing is not None and here.store.database.read_now(is_pending, mailing)
    arrived = dict(arrivals.next(_SECONDS) for _ in singles)
    # a worker may be quicker than the return of the call that committed: no time at all
    to_sink = [max(0.0, (arrived[recipient] - at) / 1e6) for recipient, at in committed.items()]
    return Latencies(sorted(to_sink), sorted(acceptance), pending)


def single_drafts(tx: Tx, author: int, number: int) -> list[tuple[int, str]]:
    """Write drafts to one marked address each; return their numbers and addresses."""
    return [_single_draft(tx, author) for _ in range(number)]


def _single_draft(tx: Tx, author: int) -> tuple[int, str]:
    message_id = drafts.create(tx, author, DraftContent(subject="Jedna osoba", content=CONTENT), now(), "usos")
    address = f"{MARK}{message_id}@example.org"
    audience.update(tx, author, message_id, AudienceChange(emails=[address]), strict=True, now=now())
    roll.refresh(tx, author, message_id, "primary_only", now())
    return message_id, address
