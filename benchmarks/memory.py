"""Peak memory: of the server while it takes a file of 100 MB and answers signed requests, of the worker while it drains a long mailing.

The figure is the largest resident size that the process ever had (``VmHWM`` of ``/proc/PID/status``, so Linux only), its
children included. Each run has a process of its own. The bound is the size of the idle process before the work.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
from oauthlib.oauth1.rfc5849 import Client as Signer

from benchmarks import load, signed, sink
from benchmarks.latency import PEOPLE
from benchmarks.mailings import crowd, drained
from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.place import Keys, Place, place, process
from benchmarks.processes import HOST, family
from benchmarks.versions import of_database

UPLOAD_MB: Final = 100
_MB: Final = 1_048_576
_BOUNDARY: Final = "benchmark-boundary"


def server(plan: Plan) -> Measurement:
    """Measure ``postroom api``: 2,000 signed requests over 32 connections, then an upload of 100 MB."""
    with place() as here:
        keys, message_id = here.store.database.write_now(signed.prepared, here.store.vault)
        drafts = iter(here.store.database.write_now(signed.more_drafts, plan.runs + 1))

        def once() -> Run:
            with process(here, "postroom", "api") as pid:
                idle = peak_mb(pid)
                requests = signed.signed_requests(here, keys, "message", {"message_id": str(message_id)})
                load.run(HOST, here.store.settings.http.port, signed.CONNECTIONS, requests, here.folder)
                _upload(here, keys, next(drafts))
                return Run(peak_mb(pid), {"of the idle process": peak_mb(pid) / idle})

        settings: dict[str, Setting] = {"upload MB": UPLOAD_MB, "requests": signed.REQUESTS, **of_database(here.store)}
        return repeated(once, plan.runs, unit="MB", settings=settings)


def worker(plan: Plan) -> Measurement:
    """Measure ``postroom worker`` while it drains one message to 100,000 people."""
    with sink.sink() as port, place("", port, plan.connections) as here:
        everybody = crowd(here, PEOPLE)

        def once() -> Run:
            with process(here, "postroom", "worker") as pid:
                drained(here, everybody)
                return Run(peak_mb(pid))

        settings: dict[str, Setting] = {
            "recipients": PEOPLE,
            "connections": plan.connections,
            "sink": sink.name(),
            **of_database(here.store),
        }
        return repeated(once, plan.runs, unit="MB", settings=settings)


def peak_mb(pid: int) -> float:
    """Return the largest resident size that the process and its children ever had, in MB; the sum of each one's own peak."""
    statuses = [Path(f"/proc/{member}/status").read_text(encoding="ascii", errors="replace") for member in family(pid)]
    return sum(int(found[1]) for status in statuses if (found := re.search(r"VmHWM:\s+(\d+) kB", status))) / 1024


def _upload(here: Place, keys: Keys, message_id: int) -> None:
    signer = Signer(keys.client.key, keys.client.secret, keys.token.token, keys.token.secret)  # type: ignore[no-untyped-call]
    uri = f"{here.store.settings.public_url}/services/mailclient/put_attachment?message_id={message_id}&filename=big.bin"
    uri, headers, _ = signer.sign(uri, "POST")  # type: ignore[no-untyped-call]
    headers["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}"
    response = httpx2.post(uri, content=_multipart(), headers=headers, timeout=120, trust_env=False)
    response.raise_for_status()


def _multipart() -> Iterator[bytes]:
    yield (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="data"; filename="big.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode("ascii")
    block = bytes(range(256)) * (_MB // 256)
    for _ in range(UPLOAD_MB):
        yield block
    yield f"\r\n--{_BOUNDARY}--\r\n".encode("ascii")
