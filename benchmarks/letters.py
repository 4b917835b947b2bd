"""Letters through the ONLYOFFICE dialect: how many a second are accepted, and what memory one with a file of 20 MB takes.

Accepted means on disk: letter, roll, queue and words for the search. Bounds of the rate in the same run: how often a second the disk can
sync, and a trivial Starlette endpoint that takes the same requests. Memory is the largest that ``postroom api`` and ``postroom worker``
each had, from the upload until a mail server has taken the mail.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import msgspec

from benchmarks import load, sink
from benchmarks.bounds import syncs_per_second, trivial_server
from benchmarks.mailings import await_end
from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.memory import peak_mb
from benchmarks.place import Place, add_people, place, process
from benchmarks.processes import HOST
from benchmarks.signed import CONNECTIONS, REQUESTS
from benchmarks.versions import of_database
from postroom.clock import HOUR, now
from postroom.directory import people, sessions
from postroom.storage.database import Tx
from tests.postgres import throwaway_database, throwaway_server

FILE_MB: Final = 20
_MB: Final = 1_048_576
_SEND: Final = "/api/2.0/mail/messages/send"
Letter = dict[str, Any]
"""What a program sends to have a letter sent."""

_BODY: Final = "<p>" + "Zażółć gęślą jaźń. " * 50 + "</p>"


def on_sqlite(plan: Plan) -> Measurement:
    """Measure the rate on SQLite."""
    with place() as here:
        return _rate(here, plan)


def on_postgresql(plan: Plan) -> Measurement:
    """Measure the rate on a PostgreSQL of our own, with fsync on."""
    with throwaway_server(durable=True) as server, throwaway_database(server) as url, place(url) as here:
        return _rate(here, plan)


def memory(plan: Plan) -> Measurement:
    """Measure the memory of a letter with a file of 20 MB, on SQLite."""
    with sink.sink() as port, place("", port, plan.connections) as here:
        author, token = here.store.database.write_now(_author)

        def once() -> Run:
            with process(here, "postroom", "api") as api, process(here, "postroom", "worker") as worker:
                _send_file(here, author, token)
                peaks = {"api": peak_mb(api), "worker": peak_mb(worker)}
            return Run(max(peaks.values()), {}, {f"{name} MB": peak for name, peak in peaks.items()})

        settings: dict[str, Setting] = {"file MB": FILE_MB, "sink": sink.name(), **of_database(here.store)}
        return repeated(once, plan.runs, unit="MB", settings=settings)


def _rate(here: Place, plan: Plan) -> Measurement:
    author, token = here.store.database.write_now(_author)
    with process(here, "postroom", "api"), trivial_server() as trivial_port:
        port = here.store.settings.http.port
        letter = {"from": author, "to": ["person@example.org"], "subject": "Zaproszenie", "body": _BODY}
        request, trivial = _request("PUT", _SEND, token, letter), _request("POST", "/", token, letter)

        def once() -> Run:
            rate = REQUESTS / load.run(HOST, port, CONNECTIONS, [request] * REQUESTS, here.folder).seconds
            bound = REQUESTS / load.run(HOST, trivial_port, CONNECTIONS, [trivial] * REQUESTS, here.folder).seconds
            syncs = syncs_per_second(here.folder)
            return Run(rate, {"of a trivial endpoint": rate / bound, "of disk syncs": rate / syncs}, {"disk syncs/s": syncs})

        settings: dict[str, Setting] = {"connections": CONNECTIONS, "requests": REQUESTS, "server processes": 1, **of_database(here.store)}
        return repeated(once, plan.runs, unit="letters/s", settings=settings)


def _author(tx: Tx) -> tuple[str, str]:
    """Add a person; return the address and a token."""
    (number,) = add_people(tx, 1)
    return people.get(tx, number).email, sessions.begin(tx, "onlyoffice", number, now(), HOUR).token


def _request(verb: str, path: str, token: str, letter: Letter) -> bytes:
    body = msgspec.json.encode(letter)
    head = f"{verb} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def _send_file(here: Place, author: str, token: str) -> None:
    """Send a letter as mail programs do, and wait until the mail server has it: a draft, a file for it, and both together."""
    base = f"{here.store.settings.public_url}/api/2.0/mail"
    with httpx2.Client(base_url=base, headers={"Authorization": token}, timeout=60, trust_env=False) as http:
        letter: Letter = {"from": author, "to": ["person@example.org"], "subject": "Plan", "body": _BODY}
        draft = _result(http.put("/drafts/save", json=letter))["id"]
        file = _result(http.post(f"/messages/attachment/add?id_message={draft}&name=plan.bin", content=_blocks()))
        _result(http.put("/messages/send", json={**letter, "id": draft, "attachments": [file]}))
    await_end(here, draft // 2, time.perf_counter() + 60)


def _result(answer: httpx2.Response) -> dict[str, Any]:
    result: dict[str, Any] = answer.raise_for_status().json()["response"]
    return result


def _blocks() -> Iterator[bytes]:
    block = bytes(range(256)) * (_MB // 256)
    for _ in range(FILE_MB):
        yield block
