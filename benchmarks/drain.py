"""How fast a mailing drains: one message to 10,000 people, from the call that sends it until the last outcome is durable.

One ``postroom worker`` process hands the mails to a sink on this machine. The peer, in the same run, is Postfix's
``smtp-source`` straight into the same sink over as many connections: no store, no outcome kept, every mail the same.
"""

from typing import Final

from benchmarks import sink
from benchmarks.mailings import MAIL_BYTES, crowd, drained
from benchmarks.measure import Measurement, Run, Setting, repeated
from benchmarks.place import Place, place, process
from benchmarks.versions import of_database
from tests.postgres import throwaway_database, throwaway_server

PEOPLE: Final = 10_000


def on_sqlite(runs: int) -> Measurement:
    """Measure on SQLite."""
    with sink.sink() as port, place(relay_port=port) as here:
        return _measured(here, port, runs)


def on_postgresql(runs: int) -> Measurement:
    """Measure on a PostgreSQL of our own, with fsync on."""
    with (
        sink.sink() as port,
        throwaway_server(durable=True) as server,
        throwaway_database(server) as url,
        place(database_url=url, relay_port=port) as here,
    ):
        return _measured(here, port, runs)


def _measured(here: Place, port: int, runs: int) -> Measurement:
    connections = here.store.settings.relay.connections
    everybody = crowd(here, PEOPLE)
    with process(here, "postroom", "worker"):

        def once() -> Run:
            rate = PEOPLE / drained(here, everybody)
            return Run(rate, {f"of {sink.names()['peer']} alone": rate / sink.peer_rate(port, connections, PEOPLE, MAIL_BYTES)})

        settings: dict[str, Setting] = {
            "recipients": PEOPLE,
            "mail bytes": MAIL_BYTES,
            "connections": connections,
            "workers": 1,
            **sink.names(),
            **of_database(here.store),
        }
        return repeated(once, runs, unit="recipients/s", settings=settings)
