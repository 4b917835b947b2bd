"""Several files as one ZIP archive, streamed: memory does not grow with the files. They are not packed, as most are already."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from io import RawIOBase
from pathlib import PurePosixPath
from zipfile import ZipFile, ZipInfo

from postroom.messages.records import Attachment
from postroom.storage.blobs import Blobs


class _Written(RawIOBase):
    """What was written since it was taken last; an archive can be written to it though it cannot be read, or wound back."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # archives write nothing but bytes
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


async def zipped(blobs: Blobs, files: Sequence[Attachment]) -> AsyncGenerator[bytes, None]:
    """Yield an archive of files, piece by piece. Raises ``NotFound`` (kind ``blob``) when one is deleted meanwhile."""
    written = _Written()
    with ZipFile(written, "w") as archive:
        for name, file in zip(names_within(file.filename for file in files), files, strict=True):
            with archive.open(ZipInfo(name), "w", force_zip64=True) as entry:
                async for chunk in blobs.read(file.blob_key, 0, file.size):
                    entry.write(chunk)
                    yield written.take()
    yield written.take()


def names_within(filenames: Iterable[str]) -> list[str]:
    """Return under which names files stand in an archive: each one another, in any case of letters, and none of them a path."""
    names: list[str] = []
    taken: set[str] = set()
    for filename in filenames:
        plain = filename.replace("/", "_").replace("\\", "_").strip(" .") or "file"
        path, number, name = PurePosixPath(plain), 1, plain
        while name.lower() in taken:
            number += 1
            name = f"{path.stem} ({number}){path.suffix}"
        taken.add(name.lower())
        names.append(name)
    return names
