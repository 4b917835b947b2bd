"""Real HTTP on a loopback port, for the tests of all dialects."""

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send


class Server:
    """uvicorn in a thread, for the whole session; ``serve`` puts another application behind it."""

    def __init__(self) -> None:
        self._app: ASGIApp = Starlette()
        self._server = uvicorn.Server(
            uvicorn.Config(self._call, host="127.0.0.1", port=0, log_level="error", lifespan="off", interface="asgi3")
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.base = f"http://127.0.0.1:{port}/"

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def serve(self, mount: Mount) -> None:
        self._app = Starlette(routes=[mount])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The HTTP server of the session."""
    server = Server()
    yield server
    server.stop()
