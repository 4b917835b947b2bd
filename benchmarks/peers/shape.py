"""The shape that every peer has."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from msgspec import Struct

Rate = Callable[[], float]
"""Delivers the peer's number of mails once; returns mails a second. Raises when not every mail arrived."""


class Peer(Struct, frozen=True, kw_only=True):
    """One peer: how to tell whether it is here, how to start it, and what it is set to."""

    name: str
    """Name of its ratio in the results."""
    missing: Callable[[], str | None]
    """Tells why it cannot run here; ``None`` when it can."""
    started: Callable[[int, int], AbstractContextManager[Rate]]
    """Takes the sink's port and the number of connections."""
    describe: Callable[[int], str]
    """Tells, for that number of connections, its version, mails in a run, durability, connection reuse, DKIM, TLS and logging."""
