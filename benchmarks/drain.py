"""How fast a mailing drains: one message to 10,000 people, from the call that sends it until the last outcome is durable.

Workers hand the mails to a sink on this machine. Beside them, in the same run: ``smtp-source`` straight into the same sink
over as many connections, which keeps nothing, and Postfix, which accepts, syncs and relays as many mails.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, select, update

from benchmarks import beside, sink
from benchmarks.mailings import CONTENT, MAIL_BYTES, SUBJECT, Prepare, crowd, drained
from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.peers.shape import Peer
from benchmarks.place import Place, place, process
from benchmarks.versions import of_database
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients, users
from tests.postgres import throwaway_database, throwaway_server

PEOPLE: Final = 10_000


def on_sqlite(plan: Plan) -> Measurement:
    """Measure on SQLite, with one worker."""
    with _on_sqlite(plan) as (here, port):
        return _measured(here, port, plan, beside.BOUND_AND_POSTFIX)


def template_on_sqlite(plan: Plan) -> Measurement:
    """Measure the same with a message that is a template: subject and text differ for each recipient."""
    with _on_sqlite(plan) as (here, port):
        return _measured(here, port, plan, beside.BOUND_AND_POSTFIX, prepare=personalised)


def on_postgresql(plan: Plan) -> Measurement:
    """Measure on a PostgreSQL of our own, with fsync on, and two workers, each with its own connections."""
    workers = 2
    with (
        sink.sink() as port,
        throwaway_server(durable=True) as server,
        throwaway_database(server) as url,
        place(url, port, plan.connections) as here,
    ):
        return _measured(here, port, plan, beside.BOUND_AND_POSTFIX, workers=workers)


def peers(plan: Plan) -> Measurement:
    """Measure on SQLite, with one worker, beside every peer that there is."""
    with _on_sqlite(plan) as (here, port):
        return _measured(here, port, plan, beside.ALL)


def personalised(tx: Tx, message_id: int) -> None:
    """Make a draft a template and give everybody on its roll the values of its placeholders."""
    content = CONTENT.replace("Zapraszamy", "{first_name} {last_name}, zapraszamy", 1).replace("akademickiego", "{year}", 1)
    tx.execute(
        update(messages).where(messages.c.id == message_id).values(template=True, subject=f"{SUBJECT} {{first_name}}", content=content)
    )
    named = (
        select(recipients.c.id, users.c.first_name, users.c.last_name)
        .join_from(recipients, users)
        .where(recipients.c.message_id == message_id)
    )
    values = [
        {
            "of": row.id,
            "values": msgspec.json.encode({"first_name": row.first_name, "last_name": row.last_name, "year": "2026/27"}).decode(),
        }
        for row in tx.execute(named).all()
    ]
    tx.execute(update(recipients).where(recipients.c.id == bindparam("of")).values(variables=bindparam("values")), values)


@contextlib.contextmanager
def _on_sqlite(plan: Plan) -> Iterator[tuple[Place, int]]:
    with sink.sink() as port, place("", port, plan.connections) as here:
        yield here, port


def _measured(
    here: Place, port: int, plan: Plan, peers: Sequence[Peer], *, workers: int = 1, prepare: Prepare | None = None
) -> Measurement:
    everybody = crowd(here, PEOPLE)
    with contextlib.ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(process(here, "postroom", "worker"))
        others = stack.enter_context(beside.beside(peers, port, plan.connections * workers))

        def once() -> Run:
            return others.run(PEOPLE / drained(here, everybody, prepare))

        settings: dict[str, Setting] = {
            "recipients": PEOPLE,
            "mail bytes": MAIL_BYTES,
            "personalised": prepare is not None,
            "connections": here.store.settings.relay.connections * workers,
            "workers": workers,
            "sink": sink.name(),
            "DKIM": "off",
            "TLS": "off",
            "log": here.store.settings.log_level,
            **of_database(here.store),
            **others.settings,
        }
        return repeated(once, plan.runs, unit="recipients/s", settings=settings)
