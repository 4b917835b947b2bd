"""django-post_office and django-mailer: applications of the same kind, which keep their queue in a database and send over SMTP.

The clock runs from the command that sends the queue until it is done; queueing is off the clock. Each runs as it comes, and tuned.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from benchmarks.mailings import MAIL_BYTES
from benchmarks.peers import environment
from benchmarks.peers.shape import Peer, Rate
from tests.postgres import throwaway_database, throwaway_server

MAILS: Final = 2_000

App = Literal["post_office", "mailer"]


@contextlib.contextmanager
def _on_sqlite(app: App, port: int, threads: int) -> Iterator[Rate]:
    def rate() -> float:
        with tempfile.TemporaryDirectory(prefix="postroom-peer-") as folder:
            return MAILS / sent(app, port, MAILS, str(Path(folder) / "peer.sqlite3"), threads)

    yield rate


@contextlib.contextmanager
def _on_postgresql(app: App, port: int, threads: int) -> Iterator[Rate]:
    with throwaway_server(durable=True) as server:

        def rate() -> float:
            with throwaway_database(server) as url:
                return MAILS / sent(app, port, MAILS, url, threads)

        yield rate


def sent(app: App, port: int, mails: int, database: str, threads: int) -> float:
    """Queue so many mails in a new ``database`` (a file or a URL) and send them; return the seconds of sending.

    The application is set up as it comes with 0 ``threads``, else tuned, with so many in each process.
    """
    return float(environment.printed("django_app.py", app, str(port), str(mails), str(MAIL_BYTES), database, str(threads)))


def _threads(connections: int) -> int:
    """Return how many threads make so many connections in two processes."""
    return max(1, connections // 2)


def _post_office(how: str) -> Callable[[int], str]:
    def describe(connections: int) -> str:
        return (
            f"django-post_office {environment.version('django-post_office')}, Django {environment.version('Django')}: {MAILS} mails,"
            f" send_queued_mail --processes 2, {how.format(threads=_threads(connections))}; outcomes kept once a batch; a connection"
            " for each thread and batch; DKIM off, TLS off, log to the console and its own table"
        )

    return describe


def _mailer(how: str) -> Callable[[int], str]:
    return lambda _: (
        f"django-mailer {environment.version('django-mailer')}, Django {environment.version('Django')}: {MAILS} mails, send_mail, {how};"
        " a transaction for each mail; one connection, reused; DKIM off, TLS off, no log but its own table"
    )


_SQLITE: Final = "SQLite as Django sets it up (rollback journal, synchronous=FULL)"
_SQLITE_TUNED: Final = "SQLite, WAL, synchronous=FULL"

POST_OFFICE: Final = Peer(
    name="django_post_office",
    missing=environment.missing,
    started=lambda port, _: _on_sqlite("post_office", port, 0),
    describe=_post_office(f"BATCH_SIZE 100 and 5 threads as they come; {_SQLITE}"),
)
POST_OFFICE_TUNED: Final = Peer(
    name="django_post_office_tuned",
    missing=environment.missing,
    started=lambda port, connections: _on_sqlite("post_office", port, _threads(connections)),
    describe=_post_office(f"BATCH_SIZE 1000, {{threads}} threads; {_SQLITE_TUNED}"),
)
POST_OFFICE_POSTGRESQL: Final = Peer(
    name="django_post_office_postgresql",
    missing=environment.missing,
    started=lambda port, connections: _on_postgresql("post_office", port, _threads(connections)),
    describe=_post_office("BATCH_SIZE 1000, {threads} threads; PostgreSQL, fsync=on"),
)
MAILER: Final = Peer(
    name="django_mailer",
    missing=environment.missing,
    started=lambda port, _: _on_sqlite("mailer", port, 0),
    describe=_mailer(_SQLITE),
)
MAILER_TUNED: Final = Peer(
    name="django_mailer_tuned",
    missing=environment.missing,
    started=lambda port, connections: _on_sqlite("mailer", port, _threads(connections)),
    describe=_mailer(_SQLITE_TUNED),
)
