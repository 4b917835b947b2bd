"""Real processes of Postroom for tests: started on a free loopback port, ended by their own number."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from postroom.configuration import PREFIX

START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until ``ready``; fail the test when it takes longer."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Running:
    """A started command with settings of its own."""

    def __init__(self, *command: str, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.log = folder / f"{command[0]}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {"POSTROOM_DATA_DIR": str(folder), "POSTROOM_HTTP__PORT": str(self.port), "POSTROOM_RELAY__PORT": "1"}
        environment |= {f"{PREFIX}{name}": value for name, value in settings.items()}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroom", *command], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def healthy(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextlib.contextmanager
def running(*command: str, folder: Path, **settings: str) -> Iterator[Running]:
    """Run a command of Postroom until left; what is still there then is killed."""
    started = Running(*command, folder=folder, **settings)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait(30)
