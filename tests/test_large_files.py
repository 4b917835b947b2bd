"""A file of 1 GB goes up and comes down with less than 150 MB of memory in the server process.

A real ``postroom api`` behind loopback; the upload is signed as any OAuth 1.0a client does (RFC 5849 section 3.4.1.3.1: a
multipart body is not part of the signature) and generated on the way, so nothing of it is on the client's disk either.
"""

import http.client
import threading
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psutil

from postroom.settings import Settings
from tests.processes import running, until
from tests.signed import BOUNDARY, PIECE, call, prepare

SIZE = 1024**3
LIMIT = 150 * 1024**2


class Memory:
    """The highest resident size of a process while the block runs, sampled often."""

    def __init__(self, pid: int) -> None:
        self._process, self._stop, self.peak = psutil.Process(pid), threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, self._process.memory_info().rss)


def download(url: str, **headers: str) -> tuple[int, int]:
    """Fetch a link and look at every piece; return the status and the number of bytes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        length, piece = 0, memoryview(bytearray(len(PIECE)))
        while count := answer.readinto(piece):
            assert piece[: min(count, 8)].tobytes() in (PIECE + PIECE)[length % 8 : length % 8 + 8]
            length += count
        return answer.status, length
    finally:
        connection.close()


def test_a_gigabyte_up_and_down(sqlite_settings: Settings) -> None:
    signer, message = prepare(sqlite_settings)
    with running("api", folder=sqlite_settings.data_dir, SECRET_KEY=sqlite_settings.secret_key) as api:
        until(api.healthy)
        with Memory(api.process.pid) as memory:
            status, uploaded = call(api.port, signer, f"/services/mailclient/put_attachment?message_id={message}", SIZE)
            assert status == 200, uploaded
            path = f"/services/mailclient/attachment?attachment_id={uploaded['attachment_id']}&fields=size%7Curl"
            _, described = call(api.port, signer, path)
            assert int(described["size"]) == SIZE
            assert download(described["url"]) == (200, SIZE)
            assert download(described["url"], Range=f"bytes={SIZE - 1000}-") == (206, 1000)
        assert memory.peak < LIMIT


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


def test_an_upload_that_breaks_off_leaves_nothing(sqlite_settings: Settings) -> None:
    """A disconnected upload leaves no orphan blob."""
    signer, message = prepare(sqlite_settings)
    with running("api", folder=sqlite_settings.data_dir, SECRET_KEY=sqlite_settings.secret_key) as api:
        until(api.healthy)
        url, headers, _ = signer.sign(f"http://127.0.0.1:{api.port}/services/mailclient/put_attachment?message_id={message}", "POST")
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
        connection.putrequest("POST", f"{parts.path}?{parts.query}")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        connection.putheader("Content-Length", str(50_000_000))
        connection.endheaders(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n'.encode())
        for _ in range(8):
            connection.send(PIECE)
        until(lambda: files(sqlite_settings.data_dir) != [], 20)
        connection.close()
        until(lambda: files(sqlite_settings.data_dir) == [], 20)
        assert api.healthy()


def test_a_download_that_breaks_off_costs_nothing_more(sqlite_settings: Settings) -> None:
    """The server stops reading when nobody listens: no descriptor stays open."""
    signer, message = prepare(sqlite_settings)
    with running("api", folder=sqlite_settings.data_dir, SECRET_KEY=sqlite_settings.secret_key) as api:
        until(api.healthy)
        _, uploaded = call(api.port, signer, f"/services/mailclient/put_attachment?message_id={message}", 64 * 1024**2)
        path = f"/services/mailclient/attachment?attachment_id={uploaded['attachment_id']}&fields=url"
        parts = urlsplit(call(api.port, signer, path)[1]["url"])
        for _ in range(5):
            connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            answer.read(1000)
            answer.close()
            connection.close()
        process = psutil.Process(api.process.pid)
        until(lambda: not [file for file in process.open_files() if "/blobs/" in file.path], 20)
        assert api.healthy()
