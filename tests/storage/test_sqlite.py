"""The embedded store (storage/sqlite.py): group commit, a full disk, other processes that hold the file, too long a queue."""

import asyncio
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.engine import Engine

from postroom.errors import NotFound, Unavailable
from postroom.settings import Settings
from postroom.storage import sqlite
from postroom.storage.database import Tx, ping
from postroom.storage.sqlite import SqliteDatabase
from postroom.storage.store import Store
from postroom.storage.tables import clients

BIG = "x" * 200_000


def add_client(tx: Tx, key: str, name: str = "") -> None:
    tx.execute(insert(clients).values(key=key, secret="s", name=name, created_at=1))


def keys(tx: Tx) -> set[str]:
    return set(tx.scalars(select(clients.c.key)))


def limit_pages(tx: Tx) -> None:
    """Make the disk of this connection as good as full: SQLite answers SQLITE_FULL beyond."""
    pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
    tx.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")


def test_many_units_share_one_commit(sqlite_store: Store) -> None:
    """Group commit: what waits while the writer is busy is committed together, one fsync for all."""
    database, commits = sqlite_store.database, []
    busy, go = threading.Event(), threading.Event()

    def block(_tx: Tx) -> None:
        busy.set()
        assert go.wait(10)

    def committed(_connection: Any) -> None:
        commits.append(1)

    async def main() -> None:
        first = asyncio.ensure_future(database.write(block))
        await asyncio.to_thread(busy.wait, 10)
        others = [asyncio.ensure_future(database.write(add_client, f"k{number}")) for number in range(100)]
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(first, *others)

    event.listen(Engine, "commit", committed)
    try:
        asyncio.run(main())
    finally:
        event.remove(Engine, "commit", committed)
    assert len(commits) == 2
    assert len(database.read_now(keys)) == 100


def test_the_disk_is_synced_before_an_answer(sqlite_store: Store) -> None:
    """Design section 4: WAL with synchronous=FULL (2)."""
    assert sqlite_store.database.write_now(lambda tx: tx.exec_driver_sql("PRAGMA synchronous").scalar_one()) == 2
    assert sqlite_store.database.write_now(lambda tx: tx.exec_driver_sql("PRAGMA journal_mode").scalar_one()) == "wal"


def test_a_full_disk_is_unavailable_and_nothing_is_acknowledged(sqlite_store: Store) -> None:
    """A full disk is 503, nothing acknowledged. Every unit of the group hears of it, none is in the store."""
    database = sqlite_store.database
    database.write_now(limit_pages)

    async def main() -> list[Any]:
        units = [database.write(add_client, "small-0"), database.write(add_client, "big", BIG), database.write(add_client, "small-1")]
        return await asyncio.gather(*units, return_exceptions=True)

    results = asyncio.run(main())
    there = database.read_now(keys)
    assert isinstance(results[1], Unavailable)
    assert "big" not in there
    for key, result in (("small-0", results[0]), ("small-1", results[2])):
        assert (key in there) == (result is None), "acknowledged if, and only if, it is in the store"
        assert result is None or isinstance(result, Unavailable)


def test_the_store_works_again_when_there_is_room_again(sqlite_store: Store) -> None:
    database = sqlite_store.database
    database.write_now(limit_pages)
    with pytest.raises(Unavailable):
        database.write_now(add_client, "big", BIG)
    database.write_now(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    database.write_now(add_client, "big", BIG)
    assert database.read_now(keys) == {"big"}


def test_a_file_that_may_not_grow_is_unavailable(sqlite_settings: Settings) -> None:
    """The real thing, in a process of its own: the system refuses to write (RLIMIT_FSIZE), as a full disk does."""
    program = """
import resource, signal, sys
from pathlib import Path
from sqlalchemy import insert
from postroom.errors import Unavailable
from postroom.storage.sqlite import SqliteDatabase
from postroom.storage.tables import clients
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = SqliteDatabase(Path(sys.argv[1]))
def add(tx, key):
    tx.execute(insert(clients).values(key=key, secret="s", name="x" * 100_000, created_at=1))
database.write_now(add, "before")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
acknowledged = ["before"]
for number in range(10):
    try:
        database.write_now(add, f"k{number}")
        acknowledged.append(f"k{number}")
    except Unavailable:
        pass
print(" ".join(acknowledged), flush=True)
import os
os._exit(0)
"""
    path = sqlite_settings.database_file
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=True)
    acknowledged = set(done.stdout.split())
    assert len(acknowledged) < 11, "the limit was to bite"
    database = SqliteDatabase(path)
    try:
        assert database.read_now(keys) == acknowledged
    finally:
        database.close()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_commit_that_fails_acknowledges_nothing(sqlite_store: Store) -> None:
    def refuse(_connection: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def main() -> list[Any]:
        return await asyncio.gather(*[sqlite_store.database.write(add_client, key) for key in ("a", "b")], return_exceptions=True)

    event.listen(Engine, "commit", refuse)
    try:
        results = asyncio.run(main())
    finally:
        event.remove(Engine, "commit", refuse)
    assert all(isinstance(result, Exception) for result in results)
    assert sqlite_store.database.read_now(keys) == set()
    sqlite_store.database.write_now(add_client, "c")
    assert sqlite_store.database.read_now(keys) == {"c"}


def test_too_long_a_queue_is_unavailable(sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded when the disk is slower than the requests; who was taken is served all the same."""
    monkeypatch.setattr(sqlite, "_WAITING", 3)
    database = SqliteDatabase(sqlite_settings.database_file)
    busy, go = threading.Event(), threading.Event()

    def block(_tx: Tx) -> None:
        busy.set()
        assert go.wait(10)

    async def main() -> None:
        first = asyncio.ensure_future(database.write(block))
        await asyncio.to_thread(busy.wait, 10)
        taken = [asyncio.ensure_future(database.write(add_client, f"k{number}")) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too many"):
            await database.write(add_client, "one too many")
        go.set()
        await asyncio.gather(first, *taken)

    try:
        asyncio.run(main())
        assert database.read_now(keys) == {"k0", "k1", "k2"}
    finally:
        database.close()


def test_another_process_that_holds_the_file_is_waited_for_then_unavailable(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.2)
    database = SqliteDatabase(sqlite_settings.database_file)
    other = sqlite3.connect(sqlite_settings.database_file, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            database.write_now(add_client, "a")
        other.execute("ROLLBACK")
        database.write_now(add_client, "a")
        assert database.read_now(keys) == {"a"}
    finally:
        other.close()
        database.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""])
def test_a_file_that_is_no_store_is_no_traceback_of_a_library(tmp_path: Path, content: bytes) -> None:
    """The first connection already may fail, before any transaction is open."""
    path = tmp_path / "postroom.sqlite3"
    path.write_bytes(content)
    database = SqliteDatabase(path)
    try:
        if content:
            with pytest.raises(Unavailable):
                database.read_now(ping)
            with pytest.raises(Unavailable):
                database.write_now(ping)
        else:
            database.write_now(ping)
    finally:
        database.close()


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """docs/configuration.md: other users of the machine read no letters."""
    SqliteDatabase(tmp_path / "new" / "postroom.sqlite3").close()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        SqliteDatabase(tmp_path / "file" / "postroom.sqlite3")


def test_a_folder_in_place_of_the_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "postroom.sqlite3").mkdir()
    database = SqliteDatabase(tmp_path / "postroom.sqlite3")
    try:
        for call in (database.read_now, database.write_now):
            with pytest.raises(Unavailable):
                call(ping)
    finally:
        database.close()


def test_a_path_with_strange_characters_is_one_path(tmp_path: Path) -> None:
    """A question mark or a percent sign in data_dir names a folder, not a part of a URL."""
    path = tmp_path / "odd?mode=memory %41 #" / "postroom.sqlite3"
    database = SqliteDatabase(path)
    database.write_now(ping)
    database.close()
    assert path.exists()


def test_a_brief_unit_waits_on_the_thread_for_another_process(sqlite_store: Store) -> None:
    """Whoever writes elsewhere without taking turns holds up the loop for milliseconds only: here the loop itself lets it go on."""
    database = sqlite_store.database
    other = sqlite3.connect(sqlite_store.settings.database_file, isolation_level=None, check_same_thread=False)

    async def main() -> None:
        await database.write_briefly(ping)  # the connection is there
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(0.3, other.execute, "COMMIT")
        await database.write_briefly(ping)

    asyncio.run(main())
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.execute, ["COMMIT"])
    timer.start()
    database.write_now(ping)  # every later unit is as patient as before
    timer.join()
    other.close()


def test_brief_units_of_one_turn_are_committed_together(sqlite_store: Store) -> None:
    """Group commit on the thread of the loop; a unit that fails is undone alone."""
    database = sqlite_store.database
    commits: list[None] = []

    def note(_connection: Tx) -> None:
        commits.append(None)

    def add(tx: Tx, number: int) -> int:
        tx.exec_driver_sql("INSERT INTO counters VALUES (?, 0)", (f"c{number}",))
        if number == 3:
            raise NotFound("thing", number)
        return threading.get_ident()

    async def main() -> list[int | BaseException]:
        await database.write_briefly(ping)
        event.listen(Engine, "commit", note)
        try:
            return await asyncio.gather(*(database.write_briefly(add, number) for number in range(6)), return_exceptions=True)
        finally:
            event.remove(Engine, "commit", note)

    results = asyncio.run(main())
    assert len(commits) == 1
    assert isinstance(results.pop(3), NotFound)
    assert set(results) == {threading.get_ident()}
    kept = database.read_now(lambda tx: list(tx.exec_driver_sql("SELECT name FROM counters ORDER BY name").scalars()))
    assert kept == ["c0", "c1", "c2", "c4", "c5"]


def test_the_event_loop_leaves_a_slow_disk_to_the_thread(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every request would stand still at each commit, those that need no store included; after a while it tries again."""
    monkeypatch.setattr(sqlite, "_SPARED", 0.5)
    monkeypatch.setattr(sqlite, "_SLOW", 0.05)
    database = sqlite_store.database

    def take_long(_connection: Tx) -> None:
        time.sleep(0.1)

    async def written_by() -> int:
        return await database.write_briefly(lambda _tx: threading.get_ident())

    async def main() -> list[int]:
        await database.write_briefly(ping)  # the connection is there
        event.listen(Engine, "commit", take_long)
        try:
            ran = [await written_by()]
        finally:
            event.remove(Engine, "commit", take_long)
        ran.append(await written_by())
        await asyncio.sleep(0.6)
        return [*ran, await written_by()]

    slow, spared, again = asyncio.run(main())
    assert slow == again == threading.get_ident()
    assert spared != threading.get_ident()
