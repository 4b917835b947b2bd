"""An IMAP server that says what it is told to, whatever it is asked."""

import re
import socket
import threading
from typing import Self


class Scripted:
    """A server that says what it is told to, whatever it is asked; then it is silent, or hangs up."""

    def __init__(self, *lines: bytes, hang_up: bool = True, patience: float = 10.0) -> None:
        self._lines = lines
        self._hang_up = hang_up
        self._patience = patience  # seconds that it waits for the next command before it hangs up
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(10)
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(self._patience)
            try:
                for number, line in enumerate(self._lines):
                    if number:
                        self.heard += connection.recv(65_536)
                    tag = (re.findall(rb"^([A-Z]{4}\d+) ", self.heard, re.MULTILINE) or [b""])[-1]
                    connection.sendall(line.replace(b"TAG", tag))
                if not self._hang_up:
                    self._end.wait(10)
            except OSError:
                return
