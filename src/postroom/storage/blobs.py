"""Attached files: streamed in and out, never whole in memory.

A blob is written under a temporary name, flushed to disk, and renamed to its random key, so a key that is known names a
whole file. A crash can leave files that nobody will ever ask for: an upload that was not finished, a blob whose row was
not written any more, or whose row is gone already. ``listed`` is for finding those, part by part.
"""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from postroom.clock import SECOND
from postroom.errors import NotFound, Unavailable
from postroom.settings import Settings

CHUNK: Final = 256 * 1024
"""Bytes read from a blob at a time."""

PARTS: Final = 256
"""Parts of a store, of about the same size, that ``Blobs.listed`` takes one at a time."""

LISTED: Final = 500
"""Keys that ``Blobs.listed`` yields together at most."""

_KEY: Final = re.compile("[0-9a-f]{32}")
_INCOMING: Final = "incoming"


class BlobWriter(Protocol):
    """A blob that is being written; leaving its ``async with`` without ``commit`` leaves nothing behind."""

    size: int
    """Bytes written so far."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    async def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``Unavailable`` when the disk is full."""
        ...

    async def commit(self) -> str:
        """Make the blob durable and return its key. Raises ``Unavailable`` when the disk is full."""
        ...


class Blobs(Protocol):
    """A store of blobs."""

    def writer(self) -> BlobWriter:
        """Begin a new blob."""
        ...

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from ``start`` up to ``stop``. Raises ``NotFound`` (kind ``blob``) for an unknown key, before the first byte."""
        ...

    async def delete(self, key: str) -> None:
        """Delete a blob; deleting what is not there is no error."""
        ...

    def listed(self, part: int, before: int) -> AsyncGenerator[list[str], None]:
        """Yield, at most ``LISTED`` at a time, the keys in part ``part`` (0 to ``PARTS`` - 1) of blobs last written before ``before``.

        Unfinished uploads are among them. Blobs may come and go meanwhile, and be deleted by whoever iterates. The time of a
        blob is told by the store's clock, not by ours.
        """
        ...


class FolderBlobs:
    """Blobs in a folder, spread over 256 sub-folders by the first byte of the key."""

    def __init__(self, folder: Path) -> None:
        """Keep blobs below ``folder``, which is made when it is missing."""
        self._folder = folder

    def writer(self) -> "FolderBlobWriter":
        """See ``Blobs.writer``."""
        return FolderBlobWriter(self._folder)

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """See ``Blobs.read``."""
        try:
            file = await asyncio.to_thread(open, _path(self._folder, key), "rb")
        except FileNotFoundError:
            raise NotFound("blob", key) from None
        with file:
            file.seek(start)
            while start < stop and (chunk := await asyncio.to_thread(file.read, min(CHUNK, stop - start))):
                start += len(chunk)
                yield chunk

    async def delete(self, key: str) -> None:
        """See ``Blobs.delete``."""
        await asyncio.to_thread(_delete, self._folder, key)

    async def listed(self, part: int, before: int) -> AsyncGenerator[list[str], None]:
        """See ``Blobs.listed``."""
        keys = _old_keys(self._folder, f"{part:02x}", before)
        while some := await asyncio.to_thread(_next, keys):
            yield some


class FolderBlobWriter:
    """See ``BlobWriter``."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._key = secrets.token_hex(16)
        self._final = _path(folder, self._key)
        self._temporary = folder / _INCOMING / self._key
        self._file: BinaryIO | None = None

    async def __aenter__(self) -> Self:
        try:
            self._file = await asyncio.to_thread(self._open)
        except OSError as error:
            raise Unavailable(f"attachment store: {error.strerror}") from error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            await asyncio.to_thread(_discard, file, self._temporary)

    async def write(self, data: bytes) -> None:
        """See ``BlobWriter.write``."""
        try:
            await asyncio.to_thread(self._opened.write, data)
        except OSError as error:
            raise Unavailable(f"attachment store: {error.strerror}") from error
        self.size += len(data)

    async def commit(self) -> str:
        """See ``BlobWriter.commit``."""
        try:
            await asyncio.to_thread(_publish, self._opened, self._temporary, self._final)
        except OSError as error:
            raise Unavailable(f"attachment store: {error.strerror}") from error
        self._file = None
        return self._key

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            msg = "the blob is committed already, or was never entered"
            raise RuntimeError(msg)
        return self._file

    def _open(self) -> BinaryIO:
        incoming = self._temporary.parent
        incoming.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people attach is nobody else's business
        incoming.mkdir(mode=0o700, exist_ok=True)
        return os.fdopen(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def open_blobs(settings: Settings) -> Blobs:
    """Open the store of attachments that the settings name."""
    return FolderBlobs(settings.data_dir / "blobs")


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / key


def _publish(file: BinaryIO, temporary: Path, final: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    final.parent.mkdir(mode=0o700, exist_ok=True)
    temporary.rename(final)
    folder = os.open(final.parent, os.O_RDONLY)  # the rename itself is durable only when its folder is
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _discard(file: BinaryIO, temporary: Path) -> None:
    try:
        file.close()
    except OSError:  # a full disk refuses even the last flush; the file goes anyway
        pass
    temporary.unlink(missing_ok=True)


def _delete(folder: Path, key: str) -> None:
    _path(folder, key).unlink(missing_ok=True)
    (folder / _INCOMING / key).unlink(missing_ok=True)


def _old_keys(folder: Path, part: str, before: int) -> Iterator[str]:
    yield from _old_files(folder / part, part, before)
    yield from _old_files(folder / _INCOMING, part, before)


def _old_files(folder: Path, part: str, before: int) -> Iterator[str]:
    """Yield the keys in ``part`` of the files in ``folder`` last written before ``before``; files that are not ours are passed over."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:  # nothing was ever kept there
        return
    with entries:
        for entry in entries:
            if not (entry.name.startswith(part) and _KEY.fullmatch(entry.name)):
                continue
            try:
                written_at = entry.stat(follow_symlinks=False).st_mtime * SECOND
            except FileNotFoundError:  # deleted since
                continue
            if written_at < before:
                yield entry.name


def _next(keys: Iterator[str]) -> list[str]:
    return list(islice(keys, LISTED))
