"""A load generator for HTTP/1.1, in a process of its own: sends prepared requests over some connections as fast as they are answered.

Run as ``python -m benchmarks.load HOST PORT CONNECTIONS FILE``; the file is a MessagePack list of whole requests. Prints JSON:
seconds from the first byte to the last answer, milliseconds of each answer, and how many had which status. Known limit: answers must carry
Content-Length.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import uvloop
from msgspec import Struct

_WINDOW = 1 << 20
"""Bytes that a connection may receive before anybody reads them."""


class Result(Struct, frozen=True):
    """What the load generator prints."""

    seconds: float
    milliseconds: list[float]
    """From a request to the whole of its answer, in ascending order."""
    statuses: dict[str, int]


def run(host: str, port: int, connections: int, requests: list[bytes], folder: Path) -> Result:
    """Send ``requests`` from another process. Raises ``RuntimeError`` unless every answer is 200."""
    file = folder / "requests.msgpack"
    file.write_bytes(msgspec.msgpack.encode(requests))
    command = [sys.executable, "-m", "benchmarks.load", host, str(port), str(connections), str(file)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)
    result = msgspec.json.decode(done.stdout, type=Result)
    if result.statuses != {"200": len(requests)}:
        raise RuntimeError(f"not every answer was 200: {result.statuses}")
    return result


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[str], milliseconds: list[float]) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._statuses = statuses
        self._milliseconds = milliseconds
        self._asked = 0.0
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionError("the server closed the connection"))

    def begin(self) -> None:
        """Send the first request."""
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if separator and len(rest) >= _content_length(head):
            self._milliseconds.append((time.perf_counter() - self._asked) * 1e3)
            self._statuses[head[9:12].decode("ascii")] += 1
            self._received = b""
            self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.finished.set_result(None)
        elif self._transport is not None:
            self._asked = time.perf_counter()
            self._transport.write(request)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without Content-Length")


async def _main(host: str, port: int, connections: int, requests: list[bytes]) -> Result:
    waiting, statuses, milliseconds = iter(requests), Counter[str](), list[float]()
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(waiting, statuses, milliseconds), sock=await _connected(host, port)))[1]
        for _ in range(connections)
    ]
    started = time.perf_counter()
    for connection in opened:
        connection.begin()
    await asyncio.gather(*(connection.finished for connection in opened))
    return Result(time.perf_counter() - started, sorted(milliseconds), dict(statuses))


async def _connected(host: str, port: int) -> socket.socket:
    """Connect with room for a whole answer.

    On the loopback interface a segment has 64 KB. With the usual window a longer answer waits after the first one until the client
    acknowledges it, which it puts off by 40 ms for want of a second one: that happens in no other network.
    """
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
    await asyncio.get_running_loop().sock_connect(connection, (host, port))
    return connection


if __name__ == "__main__":
    prepared = msgspec.msgpack.decode(Path(sys.argv[4]).read_bytes(), type=list[bytes])
    result = uvloop.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), prepared))
    sys.stdout.buffer.write(msgspec.json.encode(result))
