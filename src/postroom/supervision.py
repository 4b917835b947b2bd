"""``postroom serve``: keeps the API and the worker running, each a process of its own, until it is told to stop.

A process that dies is started again, at once the first time, then after a pause that doubles; a process that lived for a
while has earned a fresh start. One that refuses to start at all (its port is taken, say, which it has already told on
standard error) ends everything, so that whoever started the service sees it.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
SETTLED_AFTER: Final = 30.0
"""Seconds of life after which a process counts as having started well."""
GRACE: Final = 30.0
"""Seconds that the processes get to stop by themselves; longer than they give themselves."""
REFUSED: Final = 1
"""Exit status of a process that has said why it cannot run; one that crashes ends with another (``cli.servers``)."""

_log: Final = structlog.get_logger("postroom.supervision")


class Program(Struct, frozen=True):
    """A process to keep running: what it is called in the log, and its command."""

    name: str
    command: Sequence[str]


def postroom_program(name: str) -> Program:
    """Return the program that runs the command ``postroom <name>`` as a supervised process."""
    return Program(name, [sys.executable, "-m", "postroom", name, "--supervised"])


async def supervise(programs: Sequence[Program]) -> int:
    """Run ``programs`` until SIGTERM or SIGINT; return the exit status: 0, or 1 when one of them refused to start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        kept = [group.create_task(_keep(program, stop), name=program.name) for program in programs]
    return max(task.result() for task in kept)


async def _keep(program: Program, stop: asyncio.Event) -> int:
    """Run one program again and again until ``stop`` is set."""
    pause, first = 0.0, True
    while not stop.is_set():
        started = time.monotonic()
        status = await _run_once(program, stop)
        lived = time.monotonic() - started
        if stop.is_set():
            break
        if first and status == REFUSED and lived < SETTLED_AFTER:
            _log.error(
                "process_refused", process=program.name, status=status, hint="it has said why on standard error; mend that and start again"
            )
            stop.set()
            return REFUSED
        pause = 0.0 if lived >= SETTLED_AFTER else pause
        _log.error("process_restarted", process=program.name, status=status, lived=round(lived, 1), pause=pause)
        await _set_within(stop, pause)
        pause, first = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE), False
    return 0


async def _run_once(program: Program, stop: asyncio.Event) -> int:
    """Run one process until it ends or ``stop`` is set; return its exit status (negative: the signal that killed it)."""
    process = await asyncio.create_subprocess_exec(
        *program.command,
        stdin=asyncio.subprocess.PIPE,  # never written to: it ends when we do
        process_group=0,  # Ctrl-C reaches us alone; we stop them in order
    )
    _log.info("process_started", process=program.name, pid=process.pid)
    ended, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await _end(process, program.name)
        return await ended
    finally:
        stopping.cancel()


async def _end(process: asyncio.subprocess.Process, name: str) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        _log.error("process_killed", process=name, seconds=GRACE)
        process.kill()


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
