"""A place to measure in: a folder with settings and a store of invented people, and processes of Postroom that run in it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
from msgspec import Struct
from sqlalchemy import insert, select

from benchmarks.processes import HOST, stop, wait_for_http
from postroom.clock import now
from postroom.configuration import PREFIX, load
from postroom.directory import clients, groups
from postroom.directory.records import Client, Token
from postroom.storage.database import Tx
from postroom.storage.migrations import migrate
from postroom.storage.secrets import Vault
from postroom.storage.store import Store, open_store
from postroom.storage.tables import group_members, users
from tests.processes import free_port

_CHUNK: Final = 10_000
_ROOT: Final = Path(__file__).parents[1]


class Place(Struct, frozen=True):
    """A folder with ``postroom.toml`` in it, and the store that it describes, opened."""

    folder: Path
    store: Store


class Keys(Struct, frozen=True):
    """An API client, and its right to act for one person."""

    client: Client
    token: Token


@contextlib.contextmanager
def place(database_url: str = "", relay_port: int = 25, connections: int = 20) -> Iterator[Place]:
    """Make a place with an empty, migrated store (SQLite unless a URL is given); delete the folder afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-bench-"))
    try:
        store = open_store(load(environment={}, file=_settings_file(folder, database_url, relay_port, connections)))
        with contextlib.closing(store):
            migrate(store.database)
            yield Place(folder, store)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep_house(store: Store) -> None:
    """Do for PostgreSQL what it does by itself within minutes: before, an index alone answers nothing, and it still writes what is new."""
    if store.database.dialect == "postgresql":
        with psycopg.connect(store.settings.database.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")


@contextlib.contextmanager
def process(here: Place, module: str, command: str) -> Iterator[int]:
    """Run ``python -m MODULE COMMAND`` in the place until left; yield its process id.

    Its output goes to ``COMMAND.log``, and to the notes of an error that is raised meanwhile.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | {"PYTHONPATH": str(_ROOT)}
    with (here.folder / f"{command}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", module, command], cwd=here.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        if command == "api":
            wait_for_http(f"{here.store.settings.public_url}/healthz", running)
        yield running.pid
    except Exception as error:
        error.add_note(f"{command}: {(here.folder / f'{command}.log').read_text(errors='replace')[-2000:]}")
        raise
    finally:
        stop(running)


def add_people(tx: Tx, number: int) -> list[int]:
    """Add invented people, each with an address; return their ids."""
    at = now()
    for start in range(0, number, _CHUNK):
        rows = [
            {
                "uid": f"b{n}",
                "first_name": "Zofia",
                "last_name": f"Wójcik{n}",
                "email": f"person{n}@example.org",
                "created_at": at,
                "modified_at": at,
            }
            for n in range(start, min(start + _CHUNK, number))
        ]
        tx.execute(insert(users), rows)
    return list(tx.execute(select(users.c.id).order_by(users.c.id)).scalars())


def add_nested_groups(tx: Tx, owner: int, people: list[int], number: int, fan_out: int = 10) -> int:
    """Spread ``people`` over a tree of ``number`` custom groups, each holding ``fan_out`` others; return the top one's id."""
    numbers = [groups.create_custom(tx, owner, f"group {n}", now()) for n in range(number)]
    rows = [{"group_id": numbers[n % number], "user_id": person} for n, person in enumerate(people)]
    for start in range(0, len(rows), _CHUNK):
        tx.execute(insert(group_members), rows[start : start + _CHUNK])
    tx.execute(insert(group_members), [{"group_id": numbers[(n - 1) // fan_out], "subgroup_id": numbers[n]} for n in range(1, number)])
    return numbers[0]


def add_keys(tx: Tx, vault: Vault, user_id: int) -> Keys:
    """Register an API client that may act for ``user_id``."""
    client = clients.add_client(tx, vault, "benchmark", administrative=False, now=now())
    return Keys(client, clients.add_token(tx, vault, client.id, user_id, frozenset({"mailclient"}), now()))


def _settings_file(folder: Path, database_url: str, relay_port: int, connections: int) -> Path:
    file = folder / "postroom.toml"
    file.write_text(
        f"""\
data_dir = {json.dumps(str(folder / "data"))}
log_level = "error"
[http]
port = {free_port()}
[database]
url = {json.dumps(database_url)}
[relay]
host = "{HOST}"
port = {relay_port}
security = "none"
connections = {connections}
""",
        encoding="utf-8",
    )
    return file
