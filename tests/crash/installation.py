"""A whole installation to be hurt: folder, settings, store, sink, and the processes of Postroom, which can be killed and started again."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import insert

from postroom.clock import now
from postroom.configuration import PREFIX, load
from postroom.demo.client import Api
from postroom.directory import clients
from postroom.directory.records import Client, Token
from postroom.storage.database import Tx
from postroom.storage.migrations import migrate
from postroom.storage.secrets import Vault
from postroom.storage.store import Store, open_store
from postroom.storage.tables import users
from tests.crash.sink import HOST
from tests.crash.witness import Witness, witness
from tests.postgres import Server, own_server
from tests.processes import free_port

CONNECTIONS: Final = 8
"""Connections of one worker to the sink: what bounds the duplicates of one kill."""

LEASE: Final = 2.0
"""Seconds; short, so that recovery is quick."""

_STOP_SECONDS: Final = 30.0
_AGAIN: Final = 0.2
"""Seconds before a process that ended by itself is started again, as a service manager would."""

Kind = Literal["sqlite", "postgresql"]


class Installation:
    """One installation under test. ``killed_at`` and ``ended`` tell what happened to its processes."""

    def __init__(self, folder: Path, seen: Witness, server: Server | None, settings_file: Path) -> None:
        """Open the store that ``settings_file`` describes."""
        self.folder = folder
        self.seen = seen
        self.server = server
        self.store: Store = open_store(load(environment={}, file=settings_file))
        self.ended: list[str] = []
        """Processes that ended without being killed by us, with their exit status."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._keys: tuple[Client, Token] | None = None

    def prepare(self) -> None:
        """Make the schema, the author and the keys of the application that writes for him."""
        migrate(self.store.database)
        self._keys = self.store.database.write_now(_author, self.store.vault)

    def api(self) -> Api:
        """Return a client of the API, to be closed by the caller."""
        assert self._keys is not None
        return Api(self.store.settings.public_url, *self._keys)

    def start(self, name: str) -> None:
        """Start ``api``, ``worker`` or a further ``worker-…``; its output goes to a log in the folder."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        command = [sys.executable, "-m", "postroom", name.partition("-")[0], "--supervised"]  # ends when we do, however we do
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, process_group=0
            )

    def kill(self, name: str) -> None:
        """Kill -9 a process, or with ``database`` the whole server."""
        if name == "database":
            assert self.server is not None
            self.server.kill()
            return
        process = self._processes[name]
        if process.poll() is not None:
            self.ended.append(f"{name} ended with status {process.returncode}")
        process.kill()
        process.wait(_STOP_SECONDS)
        _closed(process)

    def revive(self, name: str) -> None:
        """Start again what was killed."""
        if name == "database":
            assert self.server is not None
            self.server.start()
        else:
            self.start(name)

    def tend(self) -> None:
        """Start again what ended by itself, as a service manager does, and note it."""
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                self.ended.append(f"{name} ended with status {process.returncode}")
                _closed(process)
                time.sleep(_AGAIN)
                self.start(name)

    def stop(self) -> None:
        """End every process in order; kill what does not end."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self._processes.items():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.ended.append(f"{name} did not stop")
                process.kill()
                process.wait(_STOP_SECONDS)
            _closed(process)
        self._processes.clear()

    def abandon(self) -> None:
        """Kill whatever is left and close the store."""
        for process in self._processes.values():
            process.kill()
            process.wait(_STOP_SECONDS)
            _closed(process)
        self.store.close()


@contextlib.contextmanager
def installation(kind: Kind, *, data_dir: Path | None = None, **changes: dict[str, object]) -> Iterator[Installation]:
    """Set an installation up, with a running sink and no other process; take it all down afterwards.

    ``data_dir`` is where its data go, a folder of the caller; ``changes`` are tables of settings that differ. Raises ``NoPostgresqlError``.
    """
    folder = Path(tempfile.mkdtemp(prefix="postroom-crash-"))
    try:
        with contextlib.ExitStack() as stack:
            seen = stack.enter_context(witness())
            server = stack.enter_context(own_server(durable=True)) if kind == "postgresql" else None
            url = f"{server.url}/postgres" if server else ""
            file = _settings_file(folder, data_dir or folder / "data", url, seen.port, changes)
            made = Installation(folder, seen, server, file)
            stack.callback(made.abandon)
            made.prepare()
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings_file(folder: Path, data_dir: Path, url: str, relay_port: int, changes: dict[str, dict[str, object]]) -> Path:
    tables: dict[str, dict[str, object]] = {
        "http": {"port": free_port()},
        "database": {"url": url},
        "mail": {"domain": "crash.example"},
        "relay": {"host": HOST, "port": relay_port, "security": "none", "connections": CONNECTIONS, "timeout": 20.0},
        "delivery": {"lease": LEASE, "unknown_pause": 0.5, "retry_first": 0.5, "retry_longest": 2.0},
    }
    lines = [f"data_dir = {json.dumps(str(data_dir))}", 'log_level = "warning"']
    for name in [*tables, *changes.keys() - tables.keys()]:
        merged = {**tables.get(name, {}), **changes.get(name, {})}
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in merged.items())]
    file = folder / "postroom.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _author(tx: Tx, vault: Vault) -> tuple[Client, Token]:
    row = {"first_name": "Anna", "last_name": "Nowak", "email": "anna@crash.example", "created_at": now(), "modified_at": now()}
    person = tx.execute(insert(users).values(row).returning(users.c.id)).scalar_one()
    client = clients.add_client(tx, vault, "crash matrix", administrative=False, now=now())
    return client, clients.add_token(tx, vault, client.id, person, frozenset({"mailclient"}), now())


def _closed(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
