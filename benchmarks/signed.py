"""Signed requests a second: ``mailclient/message`` and ``mailclient/create_message`` of one ``postroom api`` process.

Requests are signed beforehand (HMAC-SHA1, each with a nonce of its own) and sent by another process over 32 connections, which
shares the processors with the server. Each request claims its nonce durably, so both measures write.
Bounds in the same run: a trivial Starlette endpoint under the same load, and how often a second the disk can sync.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from oauthlib.oauth1.rfc5849 import Client as Signer
from sqlalchemy import select

from benchmarks import load
from benchmarks.bounds import syncs_per_second, trivial_server
from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.place import Keys, Place, add_keys, add_people, place, process
from benchmarks.processes import HOST
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.messages import drafts
from postroom.messages.records import DraftContent
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import users

CONNECTIONS: Final = 32
REQUESTS: Final = 2_000
_CONTENT: Final = "Zażółć gęślą jaźń. " * 50


def message(plan: Plan) -> Measurement:
    """Measure reading one message: default fields."""
    return _measured(plan, lambda message_id: ("message", {"message_id": str(message_id)}))


def create_message(plan: Plan) -> Measurement:
    """Measure writing a draft of 950 characters."""
    return _measured(plan, lambda _: ("create_message", {"subject": "Zaproszenie", "content": _CONTENT}))


def _measured(plan: Plan, call: Callable[[int], tuple[str, dict[str, str]]]) -> Measurement:
    with place() as here, process(here, "postroom", "api"), trivial_server() as trivial_port:
        keys, message_id = here.store.database.write_now(prepared, here.store.vault)
        method, parameters = call(message_id)
        port = here.store.settings.http.port

        def once() -> Run:
            requests = signed_requests(here, keys, method, parameters)
            rate = REQUESTS / load.run(HOST, port, CONNECTIONS, requests, here.folder).seconds
            bound = REQUESTS / load.run(HOST, trivial_port, CONNECTIONS, [retargeted(requests[0])] * REQUESTS, here.folder).seconds
            return Run(rate, {"of a trivial endpoint": rate / bound, "of disk syncs": rate / syncs_per_second(here.folder)})

        settings: dict[str, Setting] = {"connections": CONNECTIONS, "requests": REQUESTS, "server processes": 1, **of_database(here.store)}
        return repeated(once, plan.runs, unit="requests/s", settings=settings)


def prepared(tx: Tx, vault: Vault) -> tuple[Keys, int]:
    """Make a person, the keys of a client that may act for her, and a message of hers; return keys and message."""
    author = add_people(tx, 1)[0]
    return add_keys(tx, vault, author), more_drafts(tx, 1)[0]


def more_drafts(tx: Tx, number: int) -> list[int]:
    """Make further messages of the only person there is."""
    author = tx.execute(select(users.c.id)).scalar_one()
    content = DraftContent(subject="Zaproszenie", content=_CONTENT)
    return [drafts.create(tx, author, content, now(), "usos") for _ in range(number)]


def signed_requests(here: Place, keys: Keys, method: str, parameters: dict[str, str], number: int = REQUESTS) -> list[bytes]:
    """Prepare whole requests of a method of services/mailclient."""
    signer = Signer(keys.client.key, keys.client.secret, keys.token.token, keys.token.secret)  # type: ignore[no-untyped-call]
    return signed_with(signer, here, f"mailclient/{method}", parameters, number)


def signed_with(signer: Signer, here: Place, method: str, parameters: dict[str, str], number: int) -> list[bytes]:
    """Prepare whole POST requests with a form body, each signed with a new nonce; ``method`` is named with its module."""
    path = f"/services/{method}"
    body = urlencode(parameters)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    requests = []
    for _ in range(number):
        _, headers, _ = signer.sign(f"{here.store.settings.public_url}{path}", "POST", body, form)  # type: ignore[no-untyped-call]
        requests.append(_request("POST", path, here.store.settings.http.port, headers, body.encode()))
    return requests


def signed_gets(signer: Signer, here: Place, path: str, number: int) -> list[bytes]:
    """Prepare whole GET requests of a path, with its query, each signed with a new nonce."""
    requests = []
    for _ in range(number):
        _, headers, _ = signer.sign(f"{here.store.settings.public_url}{path}")  # type: ignore[no-untyped-call]
        requests.append(_request("GET", path, here.store.settings.http.port, headers))
    return requests


def _request(verb: str, path: str, port: int, headers: dict[str, str], body: bytes = b"") -> bytes:
    fields = {"Host": f"{HOST}:{port}", **headers, "Content-Length": str(len(body))}
    lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def retargeted(request: bytes) -> bytes:
    """Return the same request, of the same length but for the path, for the trivial endpoint."""
    _, _, rest = request.partition(b"\r\n")
    return b"POST / HTTP/1.1\r\n" + rest
