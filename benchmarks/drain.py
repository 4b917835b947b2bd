"""How fast a mailing drains: one message to 10,000 people, from the call that sends it until the last outcome is durable.

One ``postroom worker`` process hands the mails to a sink on this machine. The peer, in the same run, is Postfix's
``smtp-source`` straight into the same sink over as many connections: no store, no outcome kept, every mail the same.
"""

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import func, select

from benchmarks import sink
from benchmarks.measure import Measurement, Run, Setting, repeated
from benchmarks.place import Place, add_people, place, process
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.directory import groups
from postroom.messages import audience, drafts, roll, submission
from postroom.messages.records import AudienceChange, DraftContent
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import group_members, messages
from tests.postgres import throwaway_database, throwaway_server

PEOPLE: Final = 10_000
MAIL_BYTES: Final = 2_000
"""About the size of the mail below, with its headers: what the peer sends too."""

_CONTENT: Final = "Zapraszamy na inaugurację roku akademickiego; źdźbło, chrząszcz i gęś. " * 12
_SECONDS: Final = 120.0


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
    send = mailing(here, PEOPLE)
    with process(here, "worker"):

        def once() -> Run:
            rate = PEOPLE / send()
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


def mailing(here: Place, people: int) -> Callable[[], float]:
    """Fill the store with ``people``; return what sends one new message to all of them and returns the seconds that it took."""
    database = here.store.database
    author, group = database.write_now(_crowd, people)

    def send() -> float:
        message_id = database.write_now(_draft, author, group)
        started = time.perf_counter()
        database.write_now(_submit, here.store.settings, author, message_id)
        while not database.read_now(_settled, message_id):
            if time.perf_counter() - started > _SECONDS:
                raise TimeoutError("the mailing did not drain")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        if (counts := database.read_now(roll.state_counts, message_id)) != {"delivered": people}:
            raise AssertionError(f"not everybody got it: {counts}")
        return seconds

    return send


def _crowd(tx: Tx, number: int) -> tuple[int, int]:
    people = add_people(tx, number)
    group = groups.create_custom(tx, people[0], "everybody", now())
    tx.execute(group_members.insert(), [{"group_id": group, "user_id": person} for person in people])
    return people[0], group


def _draft(tx: Tx, author: int, group: int) -> int:
    message_id = drafts.create(tx, author, DraftContent(subject="Zaproszenie", content=_CONTENT), now(), "usos")
    audience.update(tx, author, message_id, AudienceChange(custom_group_ids=[group]), strict=True, now=now())
    roll.refresh(tx, author, message_id, "primary_only", now())
    return message_id


def _submit(tx: Tx, settings: Settings, author: int, message_id: int) -> None:
    submission.submit(tx, settings, author, message_id, "pl", now())


def _settled(tx: Tx, message_id: int) -> bool:
    pending = select(func.count()).where(messages.c.id == message_id, messages.c.status == "pending")
    return tx.execute(pending).scalar_one() == 0
