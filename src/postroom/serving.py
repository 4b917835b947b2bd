"""The processes of an installation: the API, the worker, and ``serve``, which runs and watches both.

A supervised process holds the read end of a pipe as its standard input; the supervisor alone holds the write end. When the
supervisor dies, however it dies, the pipe ends and the process stops by itself: no orphan keeps the port or the queue.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from postroom.application import application
from postroom.delivery import worker
from postroom.errors import Unavailable
from postroom.settings import Settings
from postroom.storage.store import Store

MAX_HEAD: Final = 64 * 1024
"""Bytes of request line and headers, beyond the first piece that the network hands over."""
HEAD_SECONDS: Final = 30.0
"""Time in which a client must have sent a whole request head."""
BODY_SECONDS: Final = 60.0
"""Time without a byte after which an unfinished request body is given up."""
SEND_SECONDS: Final = 120.0
"""Time in which a client must take something of an answer, as Linux counts it; elsewhere there is no such limit."""
MAX_CONNECTIONS: Final = 1_000
"""Connections at once; those beyond are answered 503."""
KEEP_ALIVE: Final = 15
STOP_SECONDS: Final = 20
"""Time that requests, and mails in flight, get to finish when a process is told to stop."""

_COLLECTIONS: Final = 100
"""Looks of the collector of cycles at what is younger before it looks through everything."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log: Final = structlog.get_logger("postroom.serving")


def run_api(store: Store) -> None:
    """Serve HTTP until SIGTERM or SIGINT. Raises ``Unavailable`` when the address of the settings cannot be listened on."""
    http = store.settings.http
    config = uvicorn.Config(
        application(store),
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(http.trust_forwarded_from),
        forwarded_allow_ips=http.trust_forwarded_from,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    with _listening(store.settings) as listener:
        _log.info("api_listens", url=f"http://{http.host}:{http.port}", public_url=store.settings.public_url)
        spare_what_stays()
        _Server(config).run(sockets=[listener])


def run_worker(store: Store) -> None:
    """Deliver until SIGTERM or SIGINT."""
    spare_what_stays()
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_work(store))


def stop_with_parent() -> None:
    """Stop this process when its standard input ends: first as SIGTERM does, then, after the time for that, at once."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS + 5)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def spare_what_stays() -> None:
    """Take what was loaded so far from the collector of cycles: to look through it takes 50 ms each time, in which nothing else runs.

    It also looks less often through what came later and stays, such as statements that were built once: every few hundred requests.
    """
    gc.collect()
    gc.freeze()
    new, young, _ = gc.get_threshold()
    gc.set_threshold(new, young, _COLLECTIONS)


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 that neither collects endless headers nor waits endlessly for a head or a body; uvicorn's own does all three."""

    _in_head = False
    _head = 0
    _heard_at = 0.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count, and to wait, for the head of a request."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._await(HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        """Stop counting: the head is whole. Wait for the body."""
        self._in_head = False
        self._heard_at = self.loop.time()
        self._await(BODY_SECONDS, self._check_body)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: the request is whole."""
        self._disarm()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Count what arrives while the head is not whole; refuse a head that is too long."""
        inside = self._in_head
        self._heard_at = self.loop.time()
        super().data_received(data)
        if inside and self._in_head and self.parser is not None:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.send_400_response("The request head is too long.")

    def _check_body(self) -> None:
        """Give up a client that fell silent, unless it is we who do not read."""
        rest = BODY_SECONDS if self.flow.read_paused else self._heard_at + BODY_SECONDS - self.loop.time()
        if rest > 0:
            self._await(rest, self._check_body)
        else:
            self.transport.close()

    def _await(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, action)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """uvicorn, except that a signal that was obeyed does not kill the process a second time: the store is yet to be closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._obey) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _obey(self, _number: int, _frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.http.host, settings.http.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections have it from their listener (RFC 5482)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(SEND_SECONDS * 1000))
    except OSError as error:
        raise Unavailable(f"the API cannot listen on {host} port {port} ({error.strerror}); set http.host and http.port") from error
    with listener:
        yield listener


def _loop() -> asyncio.AbstractEventLoop:
    """Make the fast event loop where it exists: uvloop knows CPython only."""
    try:
        import uvloop  # noqa: PLC0415 - as above
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _work(store: Store) -> None:
    stop = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await worker.run(store, stop)
