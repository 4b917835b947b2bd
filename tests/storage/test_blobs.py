"""Blobs in a folder (storage/blobs.py): whole or not at all, streamed both ways, nothing left behind."""

import asyncio
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from postroom import clock
from postroom.errors import NotFound, Unavailable
from postroom.storage.blobs import CHUNK, LISTED, FolderBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


async def put(blobs: FolderBlobs, *parts: bytes) -> str:
    async with blobs.writer() as writer:
        for part in parts:
            await writer.write(part)
        assert writer.size == sum(map(len, parts))
        return await writer.commit()


async def get(blobs: FolderBlobs, key: str, start: int = 0, stop: int = 2**40) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, start, stop)])


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(parts=st.lists(st.binary(max_size=1000), max_size=5), start=st.integers(0, 3000), length=st.integers(0, 3000))
def test_every_part_of_what_was_written_can_be_read(blobs: FolderBlobs, parts: Sequence[bytes], start: int, length: int) -> None:
    async def main() -> None:
        key = await put(blobs, *parts)
        assert await get(blobs, key) == b"".join(parts)
        assert await get(blobs, key, start, start + length) == b"".join(parts)[start : start + length]

    asyncio.run(main())


def test_other_users_of_the_machine_read_no_blob(blobs: FolderBlobs, tmp_path: Path) -> None:
    """docs/configuration.md, whatever the rights of the data folder."""
    asyncio.run(put(blobs, b"private"))
    paths = [tmp_path / "blobs", *(tmp_path / "blobs").rglob("*")]
    assert len(paths) > 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700, 0o600}


def test_a_long_blob_comes_in_pieces(blobs: FolderBlobs) -> None:
    """Never whole in memory: no piece is longer than CHUNK."""

    async def main() -> list[int]:
        key = await put(blobs, b"x" * (2 * CHUNK + 5))
        return [len(chunk) async for chunk in blobs.read(key, 0, 2 * CHUNK + 5)]

    assert asyncio.run(main()) == [CHUNK, CHUNK, 5]


def test_keys_are_random_and_the_same_content_is_kept_twice(blobs: FolderBlobs) -> None:
    async def main() -> None:
        one, two = await put(blobs, b"same"), await put(blobs, b"same")
        assert one != two
        await blobs.delete(one)
        assert await get(blobs, two) == b"same"

    asyncio.run(main())


def test_an_upload_that_breaks_off_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    """A disconnected upload leaves no orphan blob."""

    async def main() -> None:
        async with blobs.writer() as writer:
            await writer.write(b"half")
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(main())
    assert files(tmp_path) == []


def test_an_upload_that_is_cancelled_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def upload() -> None:
        async with blobs.writer() as writer:
            await writer.write(b"half")
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(upload())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert files(tmp_path) == []


def test_a_blob_is_not_there_before_it_is_committed(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def main() -> None:
        async with blobs.writer() as writer:
            await writer.write(b"data")
            assert all("incoming" in path.parts for path in files(tmp_path))
            key = await writer.commit()
            assert [path.name for path in files(tmp_path)] == [key]
            with pytest.raises(RuntimeError):
                await writer.write(b"more")

    asyncio.run(main())


def test_an_unknown_key_is_not_found_before_the_first_byte(blobs: FolderBlobs) -> None:
    async def main(key: str) -> None:
        with pytest.raises(NotFound) as caught:
            await anext(blobs.read(key, 0, 10))
        assert caught.value.kind == "blob"

    asyncio.run(main("ab" * 16))


def test_deleting_what_is_not_there_is_no_error(blobs: FolderBlobs) -> None:
    async def main() -> None:
        key = await put(blobs, b"x")
        await blobs.delete(key)
        await blobs.delete(key)

    asyncio.run(main())


def test_a_reader_that_stops_early_closes_the_file(blobs: FolderBlobs) -> None:
    """A download that is broken off: no file stays open (warnings are errors here)."""

    async def main() -> None:
        key = await put(blobs, b"x" * (CHUNK * 3))
        reading = blobs.read(key, 0, CHUNK * 3)
        assert isinstance(reading, AsyncIterator)
        await anext(reading)
        await reading.aclose()

    asyncio.run(main())


def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    """The system refuses to write (RLIMIT_FSIZE in a process of its own), as a full disk does."""
    program = """
import asyncio, resource, signal, sys
from pathlib import Path
from postroom.errors import Unavailable
from postroom.storage.blobs import FolderBlobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
async def main():
    async with FolderBlobs(Path(sys.argv[1])).writer() as writer:
        for _ in range(100):
            await writer.write(b"x" * int(sys.argv[2]))
        await writer.commit()
try:
    asyncio.run(main())
except Unavailable as error:
    print("unavailable:", error.reason)
"""
    for size in (100_000, 10_100):  # the second one is refused only when the last buffer is flushed
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), str(size)], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.startswith("unavailable:"), done.stderr
        assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        await put(FolderBlobs(tmp_path / "file"), b"x")

    with pytest.raises(Unavailable):
        asyncio.run(main())


def test_old_blobs_are_listed_in_pieces_while_they_are_deleted(blobs: FolderBlobs, tmp_path: Path) -> None:
    """Never all keys of a part in memory; each old one once, unfinished uploads too; young ones and other parts not at all."""
    names = [f"ab{number:030x}" for number in range(2 * LISTED + 5)]
    for folder, some in (("ab", names[:-5]), ("incoming", names[-5:])):
        (tmp_path / "blobs" / folder).mkdir(parents=True)
        for name in some:
            (tmp_path / "blobs" / folder / name).touch()
    (tmp_path / "blobs" / "incoming" / ("cd" * 16)).touch()

    async def listed(before: int) -> list[list[str]]:
        found = []
        async for keys in blobs.listed(0xAB, before):
            found.append(keys)
            for key in keys:
                await blobs.delete(key)
        return found

    later = clock.now() + clock.HOUR
    assert asyncio.run(listed(later - 2 * clock.HOUR)) == []
    found = asyncio.run(listed(later))
    assert max(map(len, found)) <= LISTED
    assert sorted(key for keys in found for key in keys) == names
    assert [path.name for path in files(tmp_path)] == ["cd" * 16]
