"""Mailbox pages of the Schoology dialect in a store of a million private messages, to eight clients at once.

One ``postroom api`` process answers; the requests are signed beforehand with the personal key of whoever has the large mailbox, and sent
by another process over eight connections that stay open. The figure is the slowest at its 99th percentile of the first page, the thread
and the unread count.
Bounds in the same run: ``users/{id}``, the same way without a mailbox; and the deepest page beside the first, by their medians.
"""

from typing import Final

from oauthlib.oauth1.rfc5849 import Client as Signer

from benchmarks import load, mailboxes
from benchmarks.mailboxes import Mailboxes
from benchmarks.measure import Measurement, Plan, Run, Setting, percentile, repeated
from benchmarks.place import Place, place, process
from benchmarks.processes import HOST
from benchmarks.signed import signed_gets
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.directory import clients
from postroom.directory.records import Client
from postroom.storage.database import Tx
from tests.postgres import throwaway_database, throwaway_server

MESSAGES: Final = 1_000_000
OWNED: Final = 50_000
"""Threads in the large mailbox."""
THREAD: Final = 200
"""Messages in the longest of them."""
CONNECTIONS: Final = 8
REQUESTS: Final = 1_000
"""Of each call."""
_PAGE: Final = 20


def on_sqlite(plan: Plan) -> Measurement:
    """Measure on SQLite."""
    with place() as here:
        return _measured(here, plan)


def on_postgresql(plan: Plan) -> Measurement:
    """Measure on a PostgreSQL of our own, with fsync on."""
    with throwaway_server(durable=True) as server, throwaway_database(server) as url, place(url) as here:
        return _measured(here, plan)


def _measured(here: Place, plan: Plan) -> Measurement:
    built = mailboxes.build(here.store, MESSAGES, OWNED, THREAD)
    key = here.store.database.write_now(_personal_key, here, built.owner_id)
    signer = Signer(key.key, key.secret)  # type: ignore[no-untyped-call]
    with process(here, "postroom", "api"):
        settings: dict[str, Setting] = {
            "messages": MESSAGES,
            "threads of the owner": built.threads,
            "unread": built.unread,
            "messages in the thread": THREAD,
            "connections": CONNECTIONS,
            "requests of each call": REQUESTS,
            "server processes": 1,
            **of_database(here.store),
        }
        return repeated(lambda: _once(here, signer, built), plan.runs, unit="ms", settings=settings)


def _personal_key(tx: Tx, here: Place, user_id: int) -> Client:
    return clients.add_client(tx, here.store.vault, "benchmark", administrative=False, now=now(), user_id=user_id)


def _once(here: Place, signer: Signer, built: Mailboxes) -> Run:
    calls = {
        "first page": f"/v1/messages/inbox?start=0&limit={_PAGE}",
        "deepest page": f"/v1/messages/inbox?start={built.threads - _PAGE}&limit={_PAGE}",
        "thread": f"/v1/messages/inbox/{built.thread_id}",
        "unread count": "/v1/messages/inbox?limit=1",
    }
    times = {name: _milliseconds(here, signer, path) for name, path in calls.items()}
    user = _milliseconds(here, signer, f"/v1/users/{built.owner_id}")
    figure = max(percentile(taken, 99) for name, taken in times.items() if name != "deepest page")
    ratios = {
        "deepest of first page": percentile(times["deepest page"], 50) / percentile(times["first page"], 50),
        "of users/{id}": figure / percentile(user, 99),
    }
    others = {
        f"{name} p{share} ms": percentile(taken, share) for name, taken in {**times, "users/{id}": user}.items() for share in (50, 99)
    }
    return Run(figure, ratios, others)


def _milliseconds(here: Place, signer: Signer, path: str) -> list[float]:
    """Call a path as often as is due; return how long each call took, in ascending order."""
    requests = signed_gets(signer, here, path, REQUESTS)
    return load.run(HOST, here.store.settings.http.port, CONNECTIONS, requests, here.folder).milliseconds
