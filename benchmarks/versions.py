"""What a figure depends on and no measure chooses: versions, processors, how durable the store is."""

import os
import platform
import sqlite3
from importlib.metadata import version

from sqlalchemy import text

from benchmarks.measure import Setting
from postroom.storage.database import Tx
from postroom.storage.store import Store


def of_machine() -> dict[str, Setting]:
    """Return the versions and the number of processors, for every measure."""
    return {
        "postroom": version("postroom"),
        "python": platform.python_version(),
        "processors": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
    }


def of_database(store: Store) -> dict[str, Setting]:
    """Return which database it is, and whether a commit waits for the disk."""
    if store.database.dialect == "sqlite":
        return {"database": f"SQLite {sqlite3.sqlite_version}", "durability": "WAL, synchronous=FULL"}
    return {"database": f"PostgreSQL {store.database.read_now(_server_version)}", "durability": store.database.read_now(_durability)}


def _server_version(tx: Tx) -> str:
    return str(tx.execute(text("SHOW server_version")).scalar_one()).split(maxsplit=1)[0]


def _durability(tx: Tx) -> str:
    return ", ".join(f"{name}={tx.execute(text(f'SHOW {name}')).scalar_one()}" for name in ("fsync", "synchronous_commit"))
