"""A plain loop over ``aiosmtplib``: as many connections as the worker has, each sending one mail after the other."""

import contextlib
from collections.abc import Iterator
from typing import Final

from benchmarks.mailings import MAIL_BYTES
from benchmarks.peers import environment
from benchmarks.peers.shape import Peer, Rate

MAILS: Final = 5_000


@contextlib.contextmanager
def _started(port: int, connections: int) -> Iterator[Rate]:
    yield lambda: MAILS / sent(port, connections, MAILS)


def sent(port: int, connections: int, mails: int) -> float:
    """Send so many mails; return the seconds."""
    return float(environment.printed("aiosmtplib_loop.py", str(port), str(connections), str(mails), str(MAIL_BYTES)))


def _describe(connections: int) -> str:
    return (
        f"aiosmtplib {environment.version('aiosmtplib')} on uvloop: {MAILS} mails over {connections} connections, reused, no pipelining;"
        " nothing durable, no outcome kept; DKIM off, TLS off, no log"
    )


PEER: Final = Peer(name="aiosmtplib", missing=environment.missing, started=_started, describe=_describe)
