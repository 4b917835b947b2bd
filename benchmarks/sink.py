"""Where measured mail goes: Postfix's ``smtp-sink`` where it is installed, else a small sink of our own; and a peer that fills it.

The peer is ``smtp-source``, else a plain asyncio loop without pipelining, both over as many connections as the worker has.
Run as ``python -m benchmarks.sink sink PORT`` or ``… source PORT CONNECTIONS MESSAGES BYTES`` for the fallback programs.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.processes import HOST, stop, wait_for_port
from tests.processes import free_port

_BACKLOG: Final = 256
_SBIN: Final = "/usr/sbin:/usr/local/sbin"


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SBIN)


def names() -> dict[str, str]:
    """Tell which sink and which peer are used here."""
    return {"sink": "smtp-sink" if _program("smtp-sink") else "asyncio", "peer": "smtp-source" if _program("smtp-source") else "asyncio"}


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run a sink that takes everything; yield its port."""
    port = free_port()
    program = _program("smtp-sink")
    own = [sys.executable, "-m", "benchmarks.sink", "sink", str(port)]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # smtp-sink refuses to stay root
    running = subprocess.Popen([program, *user, f"{HOST}:{port}", str(_BACKLOG)] if program else own)
    try:
        wait_for_port(port)
        yield port
    finally:
        stop(running)


def peer_rate(port: int, connections: int, messages: int, size: int) -> float:
    """Tell how many mails of ``size`` bytes a second the peer gets into the sink at ``port``."""
    program = _program("smtp-source")
    if program:
        addresses = ["-f", "from@example.org", "-t", "to@example.org"]
        counts = ["-s", str(connections), "-m", str(messages), "-l", str(size)]
        command = [program, "-d", "-M", "bench.example.org", *addresses, *counts, f"{HOST}:{port}"]
    else:
        command = [sys.executable, "-m", "benchmarks.sink", "source", str(port), str(connections), str(messages), str(size)]
    started = time.perf_counter()
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return messages / (time.perf_counter() - started)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Play a server that offers pipelining and takes everything."""
    writer.write(b"220 sink.example.org ESMTP\r\n")
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        await writer.drain()
    writer.close()


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_answer, HOST, port, limit=1 << 24, backlog=_BACKLOG)
    await server.serve_forever()


async def _send(port: int, messages: int, size: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    await reader.readline()
    text = b"Subject: peer\r\n\r\n" + b"x" * 70 + b"\r\n"
    mail = text + (b"y" * 70 + b"\r\n") * (size // 72) + b".\r\n"
    commands = [b"MAIL FROM:<from@example.org>\r\n", b"RCPT TO:<to@example.org>\r\n", b"DATA\r\n", mail]
    for line in [b"HELO peer.example.org\r\n", *commands * messages]:
        writer.write(line)
        await reader.readline()
    writer.close()


async def _fill(port: int, connections: int, messages: int, size: int) -> None:
    shares = [messages // connections + (n < messages % connections) for n in range(connections)]
    await asyncio.gather(*(_send(port, share, size) for share in shares))


if __name__ == "__main__":
    role, *numbers = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(numbers[0])) if role == "sink" else _fill(*map(int, numbers)))
