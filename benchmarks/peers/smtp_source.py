"""Postfix's ``smtp-source`` straight into the sink: the bound. It keeps nothing, and every mail is the same."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.mailings import MAIL_BYTES
from benchmarks.peers.shape import Peer, Rate
from benchmarks.processes import HOST
from tests.postfix import program

MAILS: Final = 10_000
_SECONDS: Final = 300


def fill(port: int, sessions: int, mails: int, *, reuse: bool) -> None:
    """Hand ``mails`` to ``port`` over so many sessions at once; without ``reuse`` each mail has a connection of its own."""
    addresses = ["-f", "from@example.org", "-t", "to@example.org", "-M", "bench.example.org"]
    counts = ["-s", str(sessions), "-m", str(mails), "-l", str(MAIL_BYTES)]
    command = [str(program("smtp-source")), *(["-d"] if reuse else []), *addresses, *counts, f"{HOST}:{port}"]
    subprocess.run(command, check=True, timeout=_SECONDS, capture_output=True)


def _missing() -> str | None:
    return None if program("smtp-source") else "smtp-source is not installed"


@contextlib.contextmanager
def _started(port: int, connections: int) -> Iterator[Rate]:
    def rate() -> float:
        started = time.perf_counter()
        fill(port, connections, MAILS, reuse=True)
        return MAILS / (time.perf_counter() - started)

    yield rate


def _describe(connections: int) -> str:
    return f"{MAILS} mails over {connections} connections, reused; nothing durable, no outcome kept; DKIM off, TLS off, no log"


PEER: Final = Peer(name="smtp_source", missing=_missing, started=_started, describe=_describe)
