"""A sink of our own, in a process of its own: ``python -m benchmarks.own_sink PORT``.

It takes everything, offers PIPELINING and keeps nothing. Of each mail to a recipient whose local part begins with ``marked``
it prints a line as soon as the final dot is there: the envelope recipient, and the time by the system's monotonic clock in
nanoseconds, which all processes of a machine share.
"""

import asyncio
import contextlib
import sys
import time
from typing import Final, cast

import uvloop

from benchmarks.processes import HOST

MARK: Final = "marked"

_BACKLOG: Final = 256
_DOT: Final = b"\r\n.\r\n"
_RCPT: Final = b"RCPT TO:<" + MARK.encode("ascii")


class _Session(asyncio.Protocol):
    """One connection. Known limit: a mail is kept until its final dot."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._in_mail = False
        self._seen = 0  # so far the final dot was looked for
        self._marked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are none by inheritance
        self._transport.write(b"220 sink.example.org ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        answers: list[bytes] = []
        while (answer := self._mail_taken() if self._in_mail else self._command_done()) is not None:
            answers.append(answer)
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))
            if answers[-1].startswith(b"221"):
                self._transport.close()

    def _mail_taken(self) -> bytes | None:
        """Take the mail out when it is whole. What stands before it is kept one line end long, for a mail that is a dot alone."""
        found = self._received.find(_DOT, self._seen)
        if found < 0:
            self._seen = max(0, len(self._received) - len(_DOT) + 1)
            return None
        at = time.monotonic_ns()
        for recipient in self._marked:
            print(recipient, at, flush=True)
        self._marked.clear()
        del self._received[: found + len(_DOT)]
        self._in_mail, self._seen = False, 0
        return b"250 2.0.0 taken\r\n"

    def _command_done(self) -> bytes | None:
        end = self._received.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._received[:end])
        verb = line[:4].upper()
        if verb == b"DATA":
            del self._received[:end]  # the line end stays: the mail may be a dot alone
            self._in_mail = True
            return b"354 go on\r\n"
        del self._received[: end + 2]
        if verb == b"MAIL":
            self._marked.clear()
        elif line.startswith(_RCPT):
            self._marked.append(line[9 : line.index(b">")].decode("ascii"))
        return {b"EHLO": b"250-sink.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n", b"QUIT": b"221 2.0.0 bye\r\n"}.get(
            verb, b"250 2.0.0 ok\r\n"
        )


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Session, HOST, port, backlog=_BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(int(sys.argv[1])))
