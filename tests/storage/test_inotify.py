"""The watch of a folder tells of every write in it, whichever file it is, and says clearly when it cannot."""

import errno
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.storage.inotify import FolderWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is there on Linux only")


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[FolderWatch]:
    watch = FolderWatch(tmp_path)
    yield watch
    watch.close()


def told(watch: FolderWatch) -> bool:
    """Whether something was written since the last time this was asked."""
    ready = bool(select.select([watch], [], [], 0)[0])
    watch.drain()
    return ready


def test_a_file_that_is_deleted_and_made_anew_is_still_watched(watch: FolderWatch, tmp_path: Path) -> None:
    """The log of SQLite goes when its last user closes it, and comes back with the next one."""
    file = tmp_path / "x-wal"
    for content in (b"one", b"two"):
        file.write_bytes(content)
        assert told(watch)
        file.unlink()
        assert not told(watch)


def test_reading_and_writing_elsewhere_tells_nothing(watch: FolderWatch, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    folder.mkdir()
    (folder / "x").write_bytes(b"x")
    assert (folder / "x").read_bytes() == b"x"
    assert not told(watch)


def test_a_flood_of_writes_is_forgotten_at_once(watch: FolderWatch, tmp_path: Path) -> None:
    """More events than fit into one reading, from files in turn so that the kernel cannot merge them."""
    with (tmp_path / "a").open("wb", buffering=0) as one, (tmp_path / "b").open("wb", buffering=0) as other:
        for _ in range(3_000):
            one.write(b"x")
            other.write(b"x")
    assert told(watch)
    assert not told(watch)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        FolderWatch(tmp_path / "missing")
    assert caught.value.errno == errno.ENOENT


def test_a_process_with_no_descriptors_left_is_an_error(tmp_path: Path) -> None:
    """In a process of its own, which then goes on without inotify and finds its commit all the same."""
    program = """
import asyncio, resource, sqlite3, sys
from pathlib import Path
from postroom.storage.wakeup import SqliteWakeup

async def main(path):
    low, high = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, high))
    waiter = SqliteWakeup(path)
    async with waiter:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, high))
        while await waiter.wait(0.2):
            pass
        writer = sqlite3.connect(path)
        writer.execute("CREATE TABLE x (y)")
        writer.close()
        print("woken:", await waiter.wait(5))

path = Path(sys.argv[1])
sqlite3.connect(path).execute("PRAGMA journal_mode=WAL").connection.close()
asyncio.run(main(path))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "x.sqlite3")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "store_polled" in done.stdout
    assert "Too many open files" in done.stdout
    assert "woken: True" in done.stdout
