"""Real processes: the API under load and under attack, ``serve`` and its children, and how all of them end."""

import contextlib
import gc
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from postroom import serving
from postroom.settings import Settings
from tests.postgres import throwaway_database
from tests.processes import Running, free_port, listening, running, until
from tests.signed import call, prepare


@pytest.fixture(scope="module")
def api(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "postroom.sqlite3").write_bytes(sqlite_template.read_bytes())
    with running("api", folder=folder) as started:
        until(started.healthy)
        yield started


def raw(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send bytes as they are, and return whatever comes back until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while part := connection.recv(65536):
                answer += part
        return answer


@contextlib.contextmanager
def scripted(code: str, settings: Settings) -> Iterator[int]:
    """Run a Python program that runs the API with something changed; yield its port."""
    port = free_port()
    environment = {
        "POSTROOM_DATA_DIR": str(settings.data_dir),
        "POSTROOM_SECRET_KEY": settings.secret_key,
        "POSTROOM_HTTP__PORT": str(port),
    }
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait(30)


# -- the API ---------------------------------------------------------------------------------------------------------


def test_an_endless_head_is_refused(api: Running) -> None:
    """Memory for headers is bounded, whatever a client sends."""
    answer = raw(api.port, b"GET / HTTP/1.1\r\nHost: x\r\nX: ", *[b"a" * 65_536] * 64)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert api.healthy()


def test_endlessly_many_headers_are_refused(api: Running) -> None:
    answer = raw(api.port, b"GET / HTTP/1.1\r\nHost: x\r\n", *[b"X: y\r\n" * 10_000] * 64)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_long_but_bearable_heads_are_served(api: Running) -> None:
    assert raw(api.port, b"GET / HTTP/1.0\r\nX: " + b"a" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_line",
    [
        b"nonsense",
        b"GET",
        b"GET / HTTP/9.9",
        b"GET /\xff HTTP/1.1",
        b"GET \x00 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
    ],
)
def test_no_request_line_is_an_error_of_ours(api: Running, request_line: bytes) -> None:
    """The server never answers 500 to anything a client can send."""
    answer = raw(api.port, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer == b"" or 200 <= int(answer[9:12]) < 500
    assert api.healthy()


def test_the_server_does_not_say_what_it_is_made_of(api: Running) -> None:
    assert b"server:" not in raw(api.port, b"GET / HTTP/1.0\r\n\r\n").lower()


def test_a_client_that_never_finishes_its_head_is_cut_off(sqlite_settings: Settings) -> None:
    """Slow heads must not hold connections for ever."""
    code = "from postroom import serving; serving.HEAD_SECONDS = 0.5; from postroom.cli import main; main(['api'])"
    with scripted(code, sqlite_settings) as port:
        until(lambda: listening(port))
        for pieces in ([b""], [b"GET / HTTP/1.1\r\n"]):
            started = time.monotonic()
            assert raw(port, *pieces) == b""
            assert time.monotonic() - started < 8


def test_a_client_that_never_finishes_its_body_is_cut_off(sqlite_settings: Settings) -> None:
    """Every wait has a time-out: a body that stalls is given up, one that comes slowly but steadily is not."""
    code = "from postroom import serving; serving.BODY_SECONDS = 1.0; from postroom.cli import main; main(['api'])"
    head = b"POST /services/mailclient/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with scripted(code, sqlite_settings) as port:
        until(lambda: listening(port))
        started = time.monotonic()
        assert raw(port, head + b"Content-Length: 9\r\n\r\n", b"a=1") == b""
        assert time.monotonic() - started < 8
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            slow.sendall(head + b"Content-Length: 9\r\n\r\n")
            for piece in (b"a=1", b"&b=", b"2&c"):
                time.sleep(0.6)
                slow.sendall(piece)
            assert slow.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the limit is Linux's")
def test_a_client_that_never_takes_its_answer_is_cut_off(sqlite_settings: Settings) -> None:
    """Whoever holds a link must not be able to hold connections for ever with it."""
    signer, message = prepare(sqlite_settings)
    code = "from postroom import serving; serving.SEND_SECONDS = 1.0; from postroom.cli import main; main(['api'])"
    with scripted(code, sqlite_settings) as port:
        until(lambda: listening(port))
        size = 16 * 1024**2
        _, added = call(port, signer, f"/services/mailclient/put_attachment?message_id={message}", size)
        _, shown = call(port, signer, f"/services/mailclient/attachment?attachment_id={added['attachment_id']}&fields=url")
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.connect(("127.0.0.1", port))
            idle.settimeout(10)
            idle.sendall(f"GET {urlsplit(shown['url']).path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(5)
            taken = 0
            with contextlib.suppress(ConnectionError):
                while part := idle.recv(65536):
                    taken += len(part)
        assert 0 < taken < size


def test_sigterm_ends_the_api_cleanly(sqlite_settings: Settings) -> None:
    with running("api", folder=sqlite_settings.data_dir) as started:
        until(started.healthy)
        started.process.terminate()
        assert started.process.wait(30) == 0
    assert not (sqlite_settings.data_dir / "postroom.sqlite3-wal").exists(), "the store was closed"


def test_a_taken_port_is_one_sentence(sqlite_settings: Settings, api: Running) -> None:
    with running("api", folder=sqlite_settings.data_dir, HTTP__PORT=str(api.port)) as started:
        assert started.process.wait(60) == 1
    said = started.log.read_text()
    assert "cannot listen" in said
    assert "http.port" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["api", "worker"])
def test_without_the_schema_nothing_starts(tmp_path: Path, command: str) -> None:
    with running(command, folder=tmp_path) as started:
        assert started.process.wait(60) == 1
    assert "postroom migrate" in started.log.read_text()
    assert "Traceback" not in started.log.read_text()


@pytest.mark.parametrize(("trusted", "client"), [("127.0.0.1", "203.0.113.9"), ("", "127.0.0.1"), ("192.0.2.1", "127.0.0.1")])
def test_only_trusted_proxies_are_believed(sqlite_settings: Settings, trusted: str, client: str) -> None:
    """http.trust_forwarded_from: else anybody could call from any address, and pass plain HTTP off as HTTPS."""
    with running("api", folder=sqlite_settings.data_dir, HTTP__TRUST_FORWARDED_FROM=trusted) as started:
        until(started.healthy)
        raw(started.port, b"GET /nope HTTP/1.0\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n")
        until(lambda: "/nope" in started.log.read_text())
    (line,) = [line for line in started.log.read_text().splitlines() if "/nope" in line]
    assert json.loads(line)["client"] == client


def test_an_open_connection_does_not_keep_the_api_alive(sqlite_settings: Settings) -> None:
    """Idle clients are closed at once when the server is told to stop."""
    with running("api", folder=sqlite_settings.data_dir) as started:
        until(started.healthy)
        with socket.create_connection(("127.0.0.1", started.port)) as silent, socket.create_connection(("127.0.0.1", started.port)) as idle:
            silent.settimeout(10)
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            started.process.terminate()
            assert started.process.wait(10) == 0


def test_more_connections_than_allowed_are_503(sqlite_settings: Settings) -> None:
    """Memory and descriptors stay bounded; who is connected is served, who comes on top is told to come back."""
    code = "from postroom import serving; serving.MAX_CONNECTIONS = 5; from postroom.cli import main; main(['api'])"
    with scripted(code, sqlite_settings) as port, contextlib.ExitStack() as stack:
        until(lambda: listening(port))
        for _ in range(5):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert raw(port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 503 ")


def test_a_full_disk_is_503_and_nothing_is_acknowledged(sqlite_settings: Settings) -> None:
    """A full disk gets 503, for a draft as for an upload; the system itself refuses to write (RLIMIT_FSIZE)."""
    signer, message = prepare(sqlite_settings)
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, resource.RLIM_INFINITY))
from postroom.cli import main
main(["api"])
"""
    with scripted(code, sqlite_settings) as port:
        until(lambda: listening(port))
        content, acknowledged, statuses = "x" * 15_000, 0, []
        for _ in range(100):
            status, _ = call(port, signer, f"/services/mailclient/create_message?content={content}")
            statuses.append(status)
            acknowledged += status == 200
        assert set(statuses) == {200, 503}
        assert call(port, signer, f"/services/mailclient/put_attachment?message_id={message}", 4 * 1024**2)[0] == 503
    assert [path for path in (sqlite_settings.data_dir / "blobs").rglob("*") if path.is_file()] == []
    with sqlite3.connect(sqlite_settings.database_file) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (acknowledged + 1,)
    connection.close()


# -- serve -----------------------------------------------------------------------------------------------------------


def children(started: Running) -> dict[str, psutil.Process]:
    """The processes that ``serve`` runs, by their command."""
    found = {}
    for child in psutil.Process(started.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            command = child.cmdline()
            if "--supervised" in command:
                found[command[command.index("--supervised") - 1]] = child
    return found


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_serve_makes_the_store_restarts_what_dies_and_ends_everything(tmp_path: Path) -> None:
    """Promise 3: kill -9 of any process at any moment; and SIGTERM ends all of them within a bounded time."""
    with running("serve", folder=tmp_path) as started:
        until(started.healthy)
        before = children(started)
        assert sorted(before) == ["api", "worker"]
        for process in before.values():
            process.kill()
        until(lambda: len(children(started)) == 2 and not {p.pid for p in children(started).values()} & {p.pid for p in before.values()})
        until(started.healthy)
        after = list(children(started).values())
        started.process.terminate()
        assert started.process.wait(45) == 0
        assert gone(after)


def test_serve_runs_on_postgresql_and_leaves_migrations_to_migrate(tmp_path: Path, postgresql_url: str) -> None:
    with throwaway_database(postgresql_url.rsplit("/", 1)[0]) as url:
        with running("serve", folder=tmp_path, DATABASE__URL=url) as started:
            assert started.process.wait(60) == 1
        assert "postroom migrate" in started.log.read_text()
        with running("migrate", folder=tmp_path, DATABASE__URL=url) as started:
            assert started.process.wait(60) == 0
        with running("serve", folder=tmp_path, DATABASE__URL=url) as started:
            until(started.healthy)
            started.process.terminate()
            assert started.process.wait(45) == 0
    assert not (tmp_path / "postroom.sqlite3").exists()


def test_children_do_not_outlive_serve(tmp_path: Path) -> None:
    """kill -9 of ``serve`` itself: no orphan keeps the port or the queue."""
    with running("serve", folder=tmp_path) as started:
        until(started.healthy)
        orphans = list(children(started).values())
        started.process.kill()
        started.process.wait(30)
        until(lambda: gone(orphans), 45)


def test_serve_ends_when_a_process_refuses_to_start(tmp_path: Path, api: Running) -> None:
    """A taken port: whoever starts the service sees it fail, with the reason, and no process is left."""
    with running("serve", folder=tmp_path, HTTP__PORT=str(api.port)) as started:
        assert started.process.wait(90) == 1
    assert "cannot listen" in started.log.read_text()


def supervised(program: str, seconds: float) -> tuple[int, list[float]]:
    """Supervise a short Python program; return the exit status and the pauses before each new start."""
    code = f"""
import asyncio, json, os, signal, sys, threading
import structlog
from postroom import supervision
supervision.FIRST_PAUSE, supervision.LONGEST_PAUSE, supervision.GRACE = 0.05, 0.2, 1.0
structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(sys.stdout))
threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGTERM)).start()
status = asyncio.run(supervision.supervise([supervision.Program("p", [sys.executable, "-S", "-c", {program!r}])]))
print(json.dumps({{"exit": status}}), flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[-1]["exit"], [line["pause"] for line in lines if "pause" in line]


def test_pauses_grow_up_to_a_limit() -> None:
    status, pauses = supervised("import sys; sys.exit(3)", 3.0)
    assert status == 0
    assert pauses[:5] == [0.0, 0.05, 0.1, 0.2, 0.2]


def test_a_first_crash_does_not() -> None:
    """A process that met what nobody expected is started again, and the other one goes on."""
    status, pauses = supervised("import sys; sys.exit(70)", 1.0)
    assert status == 0
    assert len(pauses) > 1


def test_a_first_refusal_ends_everything() -> None:
    assert supervised("import sys; sys.exit(1)", 30.0) == (1, [])


def test_what_does_not_stop_is_killed() -> None:
    started = time.monotonic()
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    assert supervised(stubborn, 1.0)[0] == 0
    assert time.monotonic() - started < 20


def test_what_a_server_has_loaded_is_spared_by_the_collector() -> None:
    """Design 5: to look through everything that was loaded took 50 ms, in which nobody was served."""
    loaded, before = [object.__new__(Held) for _ in range(1_000)], gc.get_threshold()
    try:
        serving.spare_what_stays()
        assert (gc.get_threshold()[:2], gc.get_threshold()[2] > before[2]) == (before[:2], True)
        assert gc.get_freeze_count() > len(loaded)
        assert not any(isinstance(one, Held) for one in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


class Held:
    """Something that a collector would look at."""
