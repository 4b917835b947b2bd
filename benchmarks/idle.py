"""What a worker costs that has nothing to do, and how soon it starts when there is something: on SQLite and on PostgreSQL.

The figure is the processor time of an idle worker on SQLite as a share of one core; what else was seen stands in the settings.
"""

import contextlib
import time
from pathlib import Path
from typing import Final

from benchmarks import sink
from benchmarks.latency import SAMPLES, sampled
from benchmarks.mailings import Crowd, crowd
from benchmarks.measure import Measurement, Plan, Run, Setting, percentile, repeated
from benchmarks.place import Place, place, process
from benchmarks.processes import family
from benchmarks.sink import Arrivals
from benchmarks.versions import of_database
from tests.postgres import throwaway_database, throwaway_server

_SETTLE: Final = 6.0
"""Seconds until what a worker does after its last mail, such as closing connections, is over."""
_WATCHED: Final = 15.0


class _Idler:
    """A worker with nothing to do, and its place."""

    def __init__(self, name: str, here: Place, arrivals: Arrivals, pid: int) -> None:
        self.name = name
        self.here = here
        self.arrivals = arrivals
        self.pid = pid
        self.people: Crowd = crowd(here, 1)


def worker(plan: Plan) -> Measurement:
    """Measure a worker on each database, side by side."""
    with (
        sink.telling_sink() as arrivals,
        throwaway_server(durable=True) as server,
        throwaway_database(server) as url,
        contextlib.ExitStack() as stack,
    ):
        idlers = []
        for name, database in (("SQLite", ""), ("PostgreSQL", url)):
            here = stack.enter_context(place(database, arrivals.port, plan.connections))
            idlers.append(_Idler(name, here, arrivals, stack.enter_context(process(here, "postroom", "worker"))))
        settings: dict[str, Setting] = {
            "samples": SAMPLES,
            "seconds watched": _WATCHED,
            "connections": plan.connections,
            "DKIM": "off",
            "TLS": "off",
            "log": idlers[0].here.store.settings.log_level,
            **of_database(idlers[0].here.store),
            "other database": "; ".join(str(value) for value in of_database(idlers[1].here.store).values()),
        }
        return repeated(lambda: _run(idlers), plan.runs, unit="% of a core", settings=settings)


def _run(idlers: list[_Idler]) -> Run:
    time.sleep(_SETTLE)
    before = [_nanoseconds(idler.pid) for idler in idlers]
    time.sleep(_WATCHED)
    shares = [(_nanoseconds(idler.pid) - used) / _WATCHED / 1e7 for idler, used in zip(idlers, before, strict=True)]
    others = {f"{idler.name} % of a core": share for idler, share in zip(idlers, shares, strict=True)}
    for idler in idlers:
        times = sampled(idler.here, idler.arrivals, idler.people.author, SAMPLES).to_sink
        others |= {f"{idler.name} commit to sink p{share} ms": percentile(times, share) for share in (50, 99)}
    return Run(shares[0], {}, others)


def _nanoseconds(pid: int) -> int:
    """Return the processor time that the threads of a process and its children have used (Linux only)."""
    files = [file for member in family(pid) for file in Path(f"/proc/{member}/task").glob("*/schedstat")]
    return sum(int(file.read_text(encoding="ascii").split()[0]) for file in files)
