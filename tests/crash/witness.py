"""The other end of the sink's control port: starts the sink's process, asks it what it saw, tells it how to behave."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from tests.crash.sink import HOST, Answer, Mail, Ports, Question

_SECONDS: Final = 30.0
"""How long an answer may take, beyond the time that the question itself allows."""


class Witness:
    """A running sink. Its methods block; each raises ``OSError`` when the sink is gone."""

    def __init__(self, ports: Ports) -> None:
        """Connect to the control port."""
        self._ports = ports
        self._socket = socket.create_connection((HOST, ports.control), _SECONDS)
        self._answers = self._socket.makefile("rb")

    @property
    def port(self) -> int:
        """Where the sink takes mail."""
        return self._ports.smtp

    def another(self) -> "Witness":
        """Return a second connection to the same sink, for another thread; to be closed by the caller."""
        return Witness(self._ports)

    def count(self) -> int:
        """Return how many mails arrived."""
        return self._ask(Question("count")).count

    def wait(self, count: int, seconds: float) -> bool:
        """Wait until that many mails arrived; tell whether they did within so many seconds."""
        return self._ask(Question("wait", count, seconds)).count >= count

    def mails(self) -> list[Mail]:
        """Return every mail that arrived, in that order."""
        return self._ask(Question("mails")).mails

    def leave(self) -> None:
        """Close the listening socket, and every connection."""
        self._ask(Question("away"))

    def come_back(self) -> None:
        """Listen again on the same port."""
        self._ask(Question("back"))

    def heal(self) -> None:
        """Answer for every domain from now on."""
        self._ask(Question("heal"))

    def close(self) -> None:
        """Close the control connection; the sink goes on."""
        self._answers.close()
        self._socket.close()

    def _ask(self, question: Question) -> Answer:
        self._socket.settimeout(question.seconds + _SECONDS)
        self._socket.sendall(msgspec.json.encode(question) + b"\n")
        line = self._answers.readline()
        if not line:
            raise ConnectionError("the sink is gone")
        return msgspec.json.decode(line, type=Answer)


@contextlib.contextmanager
def witness() -> Iterator[Witness]:
    """Run a sink in a process of its own until left."""
    command = [sys.executable, "-m", "tests.crash.sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as running:
        try:
            assert running.stdout is not None
            with contextlib.closing(Witness(msgspec.json.decode(running.stdout.readline(), type=Ports))) as seen:
                yield seen
        finally:
            running.kill()
