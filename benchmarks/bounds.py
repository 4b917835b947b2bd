"""Bounds: what the machine and the libraries below allow, measured in the same run as what is compared with them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import HOST, stop, wait_for_http
from tests.processes import free_port

_SYNC_SECONDS: Final = 0.5
_PAGE: Final = b"\0" * 4096

_TRIVIAL: Final = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

async def endpoint(request: Request) -> Response:
    await request.body()
    return Response(b'{"id": "1", "subject": "trivial"}', media_type="application/json")

app = Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@contextlib.contextmanager
def trivial_server() -> Iterator[int]:
    """Run a Starlette application that only answers, under the same server as Postroom; yield its port."""
    port = free_port()
    running = subprocess.Popen([sys.executable, "-c", _TRIVIAL, str(port)])
    try:
        wait_for_http(f"http://{HOST}:{port}/", running)
        yield port
    finally:
        stop(running)


def syncs_per_second(folder: Path) -> float:
    """Tell how often in a second a page can be appended to a file and brought to the disk, one after the other."""
    path = folder / "syncs"
    count = 0
    with path.open("wb", buffering=0) as file:
        started = time.perf_counter()
        while (elapsed := time.perf_counter() - started) < _SYNC_SECONDS:
            file.write(_PAGE)
            os.fsync(file.fileno())
            count += 1
    path.unlink()
    return count / elapsed
