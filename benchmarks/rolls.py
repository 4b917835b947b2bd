"""How fast a roll is made: ``roll.refresh`` of 100,000 people out of 1,000 nested groups.

Bounds, in the same run, as many rows into the same table in one transaction: a plain bulk INSERT of rows that are sent to
the database, and INSERT SELECT from one table within it. Neither looks for members, merges or deletes an old roll.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from sqlalchemy import delete, func, insert, literal, select

from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.place import Place, add_nested_groups, add_people, place
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.messages import audience, drafts, roll
from postroom.messages.records import AudienceChange, DraftContent
from postroom.storage.database import Tx
from postroom.storage.tables import recipients, users
from tests.postgres import throwaway_database, throwaway_server

PEOPLE: Final = 100_000
GROUPS: Final = 1_000


def on_sqlite(plan: Plan) -> Measurement:
    """Measure on SQLite."""
    with place() as here:
        return _measured(here, plan)


def on_postgresql(plan: Plan) -> Measurement:
    """Measure on a PostgreSQL of our own, with fsync on."""
    with _postgresql() as url, place(database_url=url) as here:
        return _measured(here, plan)


@contextlib.contextmanager
def _postgresql() -> Iterator[str]:
    with throwaway_server(durable=True) as server, throwaway_database(server) as url:
        yield url


def _measured(here: Place, plan: Plan) -> Measurement:
    database = here.store.database
    author, message_id, bare_id = database.write_now(_prepared)

    def once() -> Run:
        started = time.perf_counter()
        database.write_now(roll.refresh, author, message_id, "primary_only", now())
        refreshed = time.perf_counter()
        database.write_now(_plain_insert, bare_id)
        inserted = time.perf_counter()
        database.write_now(_insert_select, bare_id)
        copied = time.perf_counter()
        if database.read_now(_rows, message_id) != PEOPLE:
            raise AssertionError("the roll does not hold everybody")
        database.write_now(_emptied, bare_id)
        seconds = refreshed - started
        return Run(
            PEOPLE / seconds, {"of bulk INSERT": (inserted - refreshed) / seconds, "of INSERT SELECT": (copied - inserted) / seconds}
        )

    settings: dict[str, Setting] = {"people": PEOPLE, "nested groups": GROUPS, **of_database(here.store)}
    return repeated(once, plan.runs, unit="rows/s", settings=settings)


def _prepared(tx: Tx) -> tuple[int, int, int]:
    people = add_people(tx, PEOPLE)
    top = add_nested_groups(tx, people[0], people, GROUPS)
    message_id, bare_id = (drafts.create(tx, people[0], DraftContent(subject="x", content="x"), now(), "usos") for _ in range(2))
    audience.update(tx, people[0], message_id, AudienceChange(custom_group_ids=[top]), strict=True, now=now())
    return people[0], message_id, bare_id


def _plain_insert(tx: Tx, message_id: int) -> None:
    tx.execute(insert(recipients), [{"message_id": message_id, "email": f"person{n}@example.org"} for n in range(PEOPLE)])


def _insert_select(tx: Tx, message_id: int) -> None:
    everybody = select(literal(message_id), users.c.id, users.c.email)
    tx.execute(insert(recipients).from_select(["message_id", "user_id", "email"], everybody))


def _rows(tx: Tx, message_id: int) -> int:
    return tx.execute(select(func.count()).where(recipients.c.message_id == message_id)).scalar_one()


def _emptied(tx: Tx, message_id: int) -> None:
    tx.execute(delete(recipients).where(recipients.c.message_id == message_id))
