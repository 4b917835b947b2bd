"""Measuring beside peers: in the same run, with as many bytes a mail, into the same sink.

A peer that is not installed is said to be missing in the settings of the measure, and its ratio is left out.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from benchmarks.measure import Run, Setting
from benchmarks.peers import aiosmtplib_loop, django_apps, postfix, smtp_source
from benchmarks.peers.shape import Peer, Rate

ALL: Final = (
    smtp_source.PEER,
    postfix.PEER,
    django_apps.POST_OFFICE,
    django_apps.POST_OFFICE_TUNED,
    django_apps.POST_OFFICE_POSTGRESQL,
    django_apps.MAILER,
    django_apps.MAILER_TUNED,
    aiosmtplib_loop.PEER,
)
BOUND_AND_POSTFIX: Final = ALL[:2]


class Beside(Struct, frozen=True):
    """Peers that are ready to run, and what the settings of the measure say of every one that was wanted."""

    rates: dict[str, Rate]
    settings: dict[str, Setting]

    def run(self, figure: float) -> Run:
        """Let every peer run once; return a run of ours at ``figure`` mails a second beside them."""
        rates = {name: rate() for name, rate in self.rates.items()}
        return Run(figure, {name: figure / rate for name, rate in rates.items()}, {f"{name} mails/s": rate for name, rate in rates.items()})


@contextlib.contextmanager
def beside(peers: Sequence[Peer], port: int, connections: int) -> Iterator[Beside]:
    """Start ``peers`` that hand mail to the sink at ``port``, over so many connections each; stop them afterwards."""
    rates: dict[str, Rate] = {}
    settings: dict[str, Setting] = {}
    with contextlib.ExitStack() as stack:
        for peer in peers:
            if reason := peer.missing():
                settings[peer.name] = f"NOT MEASURED: {reason}"
                continue
            rates[peer.name] = stack.enter_context(peer.started(port, connections))
            settings[peer.name] = peer.describe(connections)
        yield Beside(rates, settings)
