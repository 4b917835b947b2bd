"""SendEMails of the SuperOffice dialect: how long one call with 100 mails takes, and what a mail with a file of 25 MB costs.

The first is the time from the call until its answer, which says of every mail that the sink has taken it. The second is the largest memory
that ``postroom api`` had while it took the file in base64; meanwhile a second client asks for its folders all the time, and the longest
that it waited stands beside the figure.
"""

import threading
import time
from base64 import b64encode
from typing import Any, Final, Self

import httpx2
import msgspec

from benchmarks import sink
from benchmarks.measure import Measurement, Plan, Run, Setting, percentile, repeated
from benchmarks.memory import peak_mb
from benchmarks.place import Place, add_people, place, process
from benchmarks.versions import of_database
from postroom.clock import HOUR, now
from postroom.directory import sessions
from postroom.storage.database import Tx

MAILS: Final = 100
FILE_MB: Final = 25
_MB: Final = 1_048_576
_BODY: Final = "<p>" + "Zażółć gęślą jaźń. " * 50 + "</p>"
_PAUSE: Final = 0.005
"""Seconds between two requests of the second client."""
_TIMEOUT: Final = 120


def calls(plan: Plan) -> Measurement:
    """Measure a call with 100 mails on SQLite, with one API process and one worker."""
    with sink.sink() as port, place("", port, plan.connections) as here:
        ticket, _ = here.store.database.write_now(_tickets)
        body = msgspec.json.encode({"emails": [_mail(number) for number in range(MAILS)]})
        with process(here, "postroom", "api"), process(here, "postroom", "worker"), _client(here, ticket) as http:

            def once() -> Run:
                begun = time.perf_counter()
                told = _sent(http, body)
                seconds = time.perf_counter() - begun
                return Run(seconds, {}, {"sent": float(sum(mail["IsSent"] for mail in told))})

            settings: dict[str, Setting] = {
                "mails": MAILS,
                "connections": plan.connections,
                "sink": sink.name(),
                **of_database(here.store),
            }
            return repeated(once, plan.runs, unit="s", settings=settings)


def file(plan: Plan) -> Measurement:
    """Measure the memory of ``postroom api`` with a file of 25 MB, on SQLite, and what a second client notices."""
    with sink.sink() as port, place("", port, plan.connections) as here:
        ticket, other = here.store.database.write_now(_tickets)
        content = b64encode(bytes(range(256)) * (FILE_MB * _MB // 256)).decode()
        mail = {**_mail(0), "attachments": [{"filename": "plan.bin", "type": "application/octet-stream", "stream": content}]}
        body = msgspec.json.encode({"emails": [mail]})

        def once() -> Run:
            with process(here, "postroom", "api") as api, process(here, "postroom", "worker"), _client(here, ticket) as http:
                idle = peak_mb(api)
                with _Second(here, other) as second:
                    _sent(http, body)
                waits = sorted(second.waits)
                others = {"idle MB": idle, "second client ms": waits[-1], "second client 99% ms": percentile(waits, 99)}
                return Run(peak_mb(api), {}, others)

        settings: dict[str, Setting] = {"file MB": FILE_MB, "sink": sink.name(), **of_database(here.store)}
        return repeated(once, plan.runs, unit="MB", settings=settings)


class _Second:
    """A second client, which asks again and again until it is left; ``waits``: milliseconds of each answer."""

    def __init__(self, here: Place, ticket: str) -> None:
        self.waits: list[float] = []
        self._here = here
        self._ticket = ticket
        self._ready = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with _client(self._here, self._ticket) as http:
            http.post("/CacheFolderList").raise_for_status()  # the first one opens connections, here and there
            self._ready.set()
            while not self._over.wait(_PAUSE) or not self.waits:
                begun = time.perf_counter()
                http.post("/CacheFolderList").raise_for_status()
                self.waits.append((time.perf_counter() - begun) * 1_000)


def _tickets(tx: Tx) -> tuple[str, str]:
    """Add two people; return a ticket of each."""
    first, second = (sessions.begin(tx, "superoffice", number, now(), HOUR).token for number in add_people(tx, 2))
    return first, second


def _client(here: Place, ticket: str) -> httpx2.Client:
    base = f"{here.store.settings.public_url}/api/v1/Agents/EMail"
    headers = {"Authorization": f"SOTicket {ticket}", "Content-Type": "application/json"}
    return httpx2.Client(base_url=base, headers=headers, timeout=_TIMEOUT, trust_env=False)


def _mail(number: int) -> dict[str, Any]:
    return {"to": [{"address": f"person{number}@example.org"}], "subject": "Zaproszenie", "htmlBody": _BODY}


def _sent(http: httpx2.Client, body: bytes) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = http.post("/SendEMails", content=body).raise_for_status().json()
    return told
