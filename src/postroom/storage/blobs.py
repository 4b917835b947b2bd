"""Attached files: streamed in and out, never whole in memory.

A blob is written under a temporary name, flushed to disk, and renamed to its random key, so a key that is known names a
whole file. What stays under temporary names after a crash belongs to nobody and may be deleted.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from postroom.errors import NotFound, Unavailable
from postroom.settings import Settings

CHUNK: Final = 256 * 1024
"""Bytes read from a blob at a time."""


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
        await asyncio.to_thread(_path(self._folder, key).unlink, missing_ok=True)


class FolderBlobWriter:
    """See ``BlobWriter``."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._key = secrets.token_hex(16)
        self._final = _path(folder, self._key)
        self._temporary = folder / "incoming" / self._key
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
        self._temporary.parent.mkdir(parents=True, exist_ok=True)
        return self._temporary.open("xb")


def open_blobs(settings: Settings) -> Blobs:
    """Open the store of attachments that the settings name."""
    return FolderBlobs(settings.data_dir / "blobs")


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / key


def _publish(file: BinaryIO, temporary: Path, final: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    final.parent.mkdir(parents=True, exist_ok=True)
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
