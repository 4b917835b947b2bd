"""Postfix with a queue of its own on the disk of the store: it accepts every mail, syncs it, and relays it to the sink.

The clock runs from the first mail handed to it until its queues are empty, so each mail was taken by the sink and its queue
file is gone.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.peers import smtp_source
from benchmarks.peers.shape import Peer, Rate
from tests.postfix import Postfix, missing, program, running_postfix

MAILS: Final = 10_000

_SESSIONS: Final = 20
_SECONDS: Final = 300.0
_SETTINGS: Final = {
    "default_process_limit": "100",
    "default_destination_concurrency_limit": str(_SESSIONS),
    "initial_destination_concurrency": str(_SESSIONS),
    "smtp_connection_cache_destinations": "127.0.0.1",
    "smtp_tls_security_level": "none",
    "smtpd_tls_security_level": "none",
    "in_flow_delay": "0",
}


def _missing() -> str | None:
    return missing() or (None if program("smtp-source") else "smtp-source is not installed")


@contextlib.contextmanager
def _started(port: int, _connections: int) -> Iterator[Rate]:
    with running_postfix(port, _SETTINGS) as postfix:
        yield lambda: MAILS / delivered(postfix, MAILS)


def delivered(postfix: Postfix, mails: int) -> float:
    """Hand it ``mails`` over 20 sessions; return the seconds until the last one has left it. Raises unless each was sent."""
    before = _sent(postfix)
    started = time.perf_counter()
    smtp_source.fill(postfix.port, _SESSIONS, mails, reuse=False)
    while not postfix.is_empty():
        if time.perf_counter() - started > _SECONDS:
            raise TimeoutError(f"Postfix did not empty its queue: {postfix.log()[-2000:]}")
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    while _sent(postfix) - before != mails:  # its log is written by another process, a moment later
        if time.perf_counter() - started > seconds + 10:
            raise AssertionError(f"Postfix did not send everything: {postfix.log()[-2000:]}")
        time.sleep(0.1)
    return seconds


def _sent(postfix: Postfix) -> int:
    return postfix.log().count(" status=sent ")


def _describe(_connections: int) -> str:
    found = subprocess.run([str(program("postconf")), "-h", "-d", "mail_version"], capture_output=True, text=True, check=True, timeout=30)
    return (
        f"Postfix {found.stdout.strip()}: {MAILS} mails by smtp-source over {_SESSIONS} sessions, a connection for each mail; each queue"
        f" file synced, on the disk of the store; relayed at concurrency {_SESSIONS}, connection cache on, 100 processes, in_flow_delay 0;"
        " DKIM off, TLS off, log to a file"
    )


PEER: Final = Peer(name="postfix", missing=_missing, started=_started, describe=_describe)
