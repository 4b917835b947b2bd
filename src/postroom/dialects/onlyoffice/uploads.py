"""A file in the body of a request, for the operations that take one: the first part with a file name, or the body as it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from postroom.dialects.multipart import Part, is_multipart, read_form
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.parameters import Pairs
from postroom.errors import TooLarge
from postroom.storage.blobs import BlobWriter


class Received(Struct, frozen=True, kw_only=True):
    """A file that is in the store of blobs, to be kept with ``blob.commit()`` or to be gone with the end of the call."""

    filename: str | None
    content_type: str | None
    blob: BlobWriter


@asynccontextmanager
async def received(call: Call, limit: int) -> AsyncIterator[Received | None]:
    """Receive the file of a call, at most ``limit`` bytes; ``None``: a form of parts without one. An empty body is an empty file.

    Raises ``TooLarge("file", limit)``, ``Unavailable`` when the disk is full, and ``BadMultipart``.
    """
    content_type = call.request.headers.get("content-type")
    async with call.store.blobs.writer() as blob:
        if is_multipart(content_type):
            taker = _Taker(_Limited(blob, limit))
            await read_form(call.request.stream(), content_type, limit=call.settings.http.max_body, open_file=taker.open)
            part = taker.part
            yield None if part is None else Received(filename=part.filename, content_type=part.content_type, blob=blob)
        else:
            limited = _Limited(blob, limit)
            async for chunk in call.request.stream():
                await limited.write(chunk)
            yield Received(filename=None, content_type=content_type, blob=blob)


class _Taker:
    """Takes the first file of a form."""

    def __init__(self, sink: "_Limited") -> None:
        self.part: Part | None = None
        self._sink = sink

    async def open(self, part: Part, _fields: Pairs) -> "_Limited | None":
        """See ``multipart.OpenFile``."""
        if part.filename is None or self.part is not None:
            return None
        self.part = part
        return self._sink


class _Limited(Struct):
    """A blob that refuses to grow beyond a limit."""

    blob: BlobWriter
    limit: int

    async def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``TooLarge``."""
        if self.blob.size + len(data) > self.limit:
            raise TooLarge("file", self.limit)
        await self.blob.write(data)
