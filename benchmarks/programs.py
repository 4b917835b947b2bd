"""What programs send through services/mailing: single messages a second, and recipients a second of one call with a template.

Accepted means on disk: message, roll and queue. Bounds in the same run: how often a second the disk can sync, a trivial
Starlette endpoint that takes the same requests, and for templates a plain bulk INSERT of as many rows.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Final

from oauthlib.oauth1.rfc5849 import Client as Signer
from sqlalchemy import func, insert, select

from benchmarks import load
from benchmarks.bounds import syncs_per_second, trivial_server
from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.place import Place, place, process
from benchmarks.processes import HOST
from benchmarks.signed import CONNECTIONS, REQUESTS, retargeted, signed_with
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.directory import clients
from postroom.messages import drafts
from postroom.messages.records import DraftContent
from postroom.storage.database import Tx
from postroom.storage.tables import recipients, users
from tests.postgres import throwaway_database, throwaway_server

PEOPLE: Final = 10_000
_CONTENT: Final = "Zażółć gęślą jaźń. " * 50
_SIMPLE: Final = {"subject": "Zaproszenie", "content": _CONTENT, "recipients": "person@example.org"}


def simple_message(plan: Plan) -> Measurement:
    """Measure ``send_simple_message`` over 32 connections, which share commits."""
    return _simple(plan, CONNECTIONS, REQUESTS)


def simple_message_alone(plan: Plan) -> Measurement:
    """Measure it over one connection: each request waits for a commit of its own."""
    return _simple(plan, 1, REQUESTS // 4)


def template_on_sqlite(plan: Plan) -> Measurement:
    """Measure ``send_simple_by_template`` on SQLite."""
    with place() as here:
        return _template(here, plan)


def template_on_postgresql(plan: Plan) -> Measurement:
    """Measure it on a PostgreSQL of our own, with fsync on."""
    with _postgresql() as url, place(database_url=url) as here:
        return _template(here, plan)


def program(here: Place) -> Signer:
    """Register an administrative client; return what signs its requests."""
    client = here.store.database.write_now(clients.add_client, here.store.vault, "benchmark", administrative=True, now=now())
    return Signer(client.key, client.secret)  # type: ignore[no-untyped-call]


def people(number: int) -> dict[str, str]:
    """Return the parameters of a call of ``send_simple_by_template`` to so many people."""
    entries = [{"email": f"person{n}@example.org", "vars": {"name": f"Zofia Wójcik{n}", "points": n % 100}} for n in range(number)]
    texts = {"subject_template": "Wynik: {points}", "content_template": "{name}, masz {points} punktów.\n" + _CONTENT}
    return {**texts, "recipients": json.dumps(entries, ensure_ascii=False)}


def _simple(plan: Plan, connections: int, number: int) -> Measurement:
    with place() as here, process(here, "postroom", "api"), trivial_server() as trivial_port:
        signer, port = program(here), here.store.settings.http.port

        def once() -> Run:
            requests = signed_with(signer, here, "mailing/send_simple_message", _SIMPLE, number)
            rate = number / load.run(HOST, port, connections, requests, here.folder).seconds
            bound = number / load.run(HOST, trivial_port, connections, [retargeted(requests[0])] * number, here.folder).seconds
            syncs = syncs_per_second(here.folder)
            return Run(rate, {"of a trivial endpoint": rate / bound, "of disk syncs": rate / syncs}, {"disk syncs/s": syncs})

        settings: dict[str, Setting] = {"connections": connections, "requests": number, "server processes": 1, **of_database(here.store)}
        return repeated(once, plan.runs, unit="requests/s", settings=settings)


def _template(here: Place, plan: Plan) -> Measurement:
    with process(here, "postroom", "api"), trivial_server() as trivial_port:
        signer, parameters, database = program(here), people(PEOPLE), here.store.database
        bare_id = database.write_now(_bare)
        rows = [{"message_id": bare_id, "email": f"person{n}@example.org"} for n in range(PEOPLE)]

        def once() -> Run:
            requests = signed_with(signer, here, "mailing/send_simple_by_template", parameters, 1)
            before = database.read_now(_rows)
            seconds = load.run(HOST, here.store.settings.http.port, 1, requests, here.folder).seconds
            if database.read_now(_rows) != before + PEOPLE:
                raise AssertionError("the roll does not hold everybody")
            trivial = load.run(HOST, trivial_port, 1, [retargeted(requests[0])], here.folder).seconds
            started = time.perf_counter()
            database.write_now(lambda tx: tx.execute(insert(recipients), rows) and None)
            inserted = time.perf_counter() - started
            return Run(PEOPLE / seconds, {"of bulk INSERT": inserted / seconds, "of a trivial endpoint": trivial / seconds})

        settings: dict[str, Setting] = {"recipients": PEOPLE, "values of each": 2, "server processes": 1, **of_database(here.store)}
        return repeated(once, plan.runs, unit="recipients/s", settings=settings)


def _bare(tx: Tx) -> int:
    """Return a message for rows that are only inserted."""
    author = tx.execute(
        insert(users).values(first_name="Zofia", last_name="Wójcik", created_at=now(), modified_at=now()).returning(users.c.id)
    ).scalar_one()
    return drafts.create(tx, author, DraftContent(), now(), "usos")


def _rows(tx: Tx) -> int:
    return tx.execute(select(func.count()).select_from(recipients)).scalar_one()


@contextlib.contextmanager
def _postgresql() -> Iterator[str]:
    with throwaway_server(durable=True) as server, throwaway_database(server) as url:
        yield url
