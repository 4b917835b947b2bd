"""Where measured mail goes: Postfix's ``smtp-sink`` where it is installed, else a sink of our own; and one that tells when mail arrived."""

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO, Final

from benchmarks.processes import HOST, stop, wait_for_port
from tests.postfix import program
from tests.processes import free_port

_BACKLOG: Final = 4096


def name() -> str:
    """Tell which sink ``sink`` is here."""
    return "smtp-sink" if program("smtp-sink") else "asyncio"


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run a sink that takes everything; yield its port."""
    port = free_port()
    found = program("smtp-sink")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # smtp-sink refuses to stay root
    command = [found, *user, f"{HOST}:{port}", str(_BACKLOG)] if found else _own(port)
    with _running(command, port, None):
        yield port


class Arrivals:
    """When mails to marked recipients arrived."""

    def __init__(self, port: int, output: IO[bytes]) -> None:
        self.port = port
        self._times: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(output,), name="arrivals")
        self._reader.start()

    def next(self, seconds: float) -> tuple[str, int]:
        """Wait for the next arrival: the recipient, and when it was, by the monotonic clock in nanoseconds. Raises ``queue.Empty``."""
        return self._times.get(timeout=seconds)

    def close(self) -> None:
        """Wait until the sink, which has been stopped, has nothing more to tell."""
        self._reader.join()

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                recipient, at = line.split()
                self._times.put((recipient.decode("ascii"), int(at)))


@contextlib.contextmanager
def telling_sink() -> Iterator[Arrivals]:
    """Run our own sink, which tells when marked mail arrives (``own_sink.MARK``)."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        pipe = os.pipe()
        arrivals = Arrivals(port, os.fdopen(pipe[0], "rb"))
        stack.callback(arrivals.close)  # once the sink is gone
        with os.fdopen(pipe[1], "wb") as output:
            stack.enter_context(_running(_own(port), port, output))
        yield arrivals


def _own(port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.own_sink", str(port)]


@contextlib.contextmanager
def _running(command: list[str], port: int, output: IO[bytes] | None) -> Iterator[None]:
    running = subprocess.Popen(command, stdout=output)
    try:
        wait_for_port(port)
        yield
    finally:
        stop(running)
