"""Which workers there are, and what each tells of its relays and of the domains that it holds back."""

from typing import Final

import msgspec
from sqlalchemy import delete, select

from postroom.clock import HOUR
from postroom.delivery.records import WorkerLine, WorkerReport
from postroom.directory.inserting import insert_into
from postroom.storage.database import Tx
from postroom.storage.tables import workers

FORGOTTEN_AFTER: Final = HOUR
MAX_SHOWN: Final = 100

_w: Final = workers.c


def put_report(tx: Tx, name: str, report: WorkerReport, started_at: int, now: int) -> None:
    """Write what a worker tells of itself, in place of what it told before; one statement."""
    values = {"started_at": started_at, "seen_at": now, "report": msgspec.json.encode(report).decode()}
    statement = insert_into(tx, workers).values(name=name, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=[_w.name], set_=values))


def drop_report(tx: Tx, name: str) -> None:
    """Forget a worker that stops."""
    tx.execute(delete(workers).where(_w.name == name))


def reports(tx: Tx) -> list[WorkerLine]:
    """Return the workers and their last reports, at most ``MAX_SHOWN``, those heard of last first."""
    rows = tx.execute(select(workers).order_by(_w.seen_at.desc(), _w.name).limit(MAX_SHOWN))
    return [
        WorkerLine(name=row.name, started_at=row.started_at, seen_at=row.seen_at, report=msgspec.json.decode(row.report, type=WorkerReport))
        for row in rows
    ]


def prune(tx: Tx, now: int) -> int:
    """Forget workers that have told nothing for ``FORGOTTEN_AFTER``; return how many were."""
    return tx.execute(delete(workers).where(_w.seen_at <= now - FORGOTTEN_AFTER)).rowcount
