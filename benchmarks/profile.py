"""Where the worker's time goes: ``python -m benchmarks.profile drain [--people 10000] [--connections 20] [--postgresql]``.

Drains one message by an ordinary worker, for its rate and the processor time of each mail and thread as the system counts
it; then another one by a worker under ``cProfile``, one profile a thread, all by the processor time of the thread. Known
limits: profiling costs about a microsecond a call, so whatever calls many small functions looks dearer than it is; it needs
Python 3.11, since later ones profile one thread at a time.
"""

import argparse
import contextlib
import cProfile
import io
import os
import pstats
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks import sink
from benchmarks.mailings import crowd, drained
from benchmarks.measure import Plan
from benchmarks.place import place, process
from benchmarks.processes import family
from postroom import cli
from tests.postgres import throwaway_database, throwaway_server

_PLACES: Final = re.compile(r"/\S*/(?=lib/python|src/)")
_LINES: Final = 30
_PROFILE: Final = "worker.{}.profile"


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Return the processor time that a process and its children have used so far: in user mode, in the kernel."""
    times = [_cpu_seconds(Path(f"/proc/{member}/stat")) for member in family(pid)]
    return sum(user for user, _ in times), sum(system for _, system in times)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Tell where the worker's time goes.")
    parser.add_argument("what", choices=["drain", "profiled-worker"], help="drain; the other one is run by it")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=Plan().connections)
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    if sys.version_info >= (3, 12):
        parser.error("profiling several threads needs Python 3.11")
    if arguments.what == "profiled-worker":
        _work_profiled()
    else:
        _drain(arguments.people, arguments.connections, on_postgresql=arguments.postgresql)


def _drain(people: int, connections: int, *, on_postgresql: bool) -> None:
    with _url(on_postgresql=on_postgresql) as url, sink.sink() as port, place(url, port, connections) as here:
        everybody = crowd(here, people)
        with process(here, "postroom", "worker") as pid:
            drained(here, everybody)
            before, threads = cpu_seconds(pid), _threads(pid)
            seconds = drained(here, everybody)
            user, system = (after - earlier for after, earlier in zip(cpu_seconds(pid), before, strict=True))
            used = [after - threads.get(number, 0) for number, after in _threads(pid).items()]
        print(f"{people / seconds:,.0f} mails/s over {connections} connections; µs of the worker's processor time for each mail:")
        print(f"{user / people * 1e6:,.0f} in user mode, {system / people * 1e6:,.0f} in the kernel; of each thread, the first one first:")
        print(", ".join(f"{each / people * 1e6:,.0f}" for each in used if each))
        with process(here, "benchmarks.profile", "profiled-worker"):
            drained(here, everybody)
        for order in ("tottime", "cumulative"):
            for file in sorted(here.folder.glob(_PROFILE.format("*"))):
                _print(file, order, people)


@contextlib.contextmanager
def _url(*, on_postgresql: bool) -> Iterator[str]:
    if not on_postgresql:
        yield ""
        return
    with throwaway_server(durable=True) as server, throwaway_database(server) as url:
        yield url


def _cpu_seconds(stat: Path) -> tuple[float, float]:
    fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK"), int(fields[12]) / os.sysconf("SC_CLK_TCK")


def _threads(pid: int) -> dict[str, float]:
    folders = sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda folder: int(folder.name))
    return {folder.name: sum(_cpu_seconds(folder / "stat")) for folder in folders}


def _print(file: Path, order: str, people: int) -> None:
    output = io.StringIO()
    stats = pstats.Stats(str(file), stream=output).sort_stats(order)
    total: float = stats.total_tt  # type: ignore[attr-defined]
    stats.print_stats(_LINES)
    lines = [line for line in output.getvalue().splitlines() if line.strip()]
    print(f"\n{file.name}, by {order}: {total / people * 1e6:,.0f} µs a mail under the profiler")
    print("\n".join(_PLACES.sub("", line) for line in lines[4:]))


def _work_profiled() -> None:
    """Be a worker; write one profile for each thread that did something."""
    profiles: dict[str, cProfile.Profile] = {}

    def start(_frame: FrameType | None, _event: str, _argument: object) -> None:
        """Profile a thread from its first event on; ``enable`` puts itself in the place of this function."""
        profile = profiles[threading.current_thread().name] = cProfile.Profile(time.thread_time)
        profile.enable()

    threading.setprofile(start)
    main_thread = profiles["main"] = cProfile.Profile(time.thread_time)
    try:
        main_thread.runcall(cli.main, ["worker"])
    finally:
        for name, profile in profiles.items():
            profile.create_stats()
            if pstats.Stats(profile).total_tt > 0.05:  # type: ignore[attr-defined]
                profile.dump_stats(_PROFILE.format(name))


if __name__ == "__main__":
    main()
