"""Files that are sent before their message: announced, then put where the answer says (wire/schoology.md §4.4).

The bytes are checked as they come: what is too long is not read to its end, and what does not agree with what was announced is not kept.
The location locks after success: another PUT is 403 (our choice).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Final

from msgspec import Meta, Struct

from postroom.clock import SECOND
from postroom.dialects.blobs import delete_if_unused
from postroom.dialects.operation import Answer, Nothing, Operations, operation
from postroom.dialects.schoology import errors
from postroom.dialects.schoology.attachments import FileItem, file_item
from postroom.dialects.schoology.call import Call
from postroom.errors import Invalid, WrongState
from postroom.messages import uploads
from postroom.messages.uploads import NewUpload, Received, Upload
from postroom.storage.blobs import CHUNK

_OTHER: Final = "The file is not what was announced, or 100 files wait for a message already."
_SILENCE: Final = 60.0
"""Seconds that are waited for the next bytes; who sends a little all the time may take long."""
_DIGITS: Final = 19
"""Of a length in bytes, at most: 2^63 has as many."""


class Announced(Struct, frozen=True, kw_only=True):
    """A file that is to come."""

    filename: Annotated[str, Meta(description="At most 100 characters; folders in front are cut off.")]
    filesize: Annotated[int, Meta(description="Bytes.")]
    md5_checksum: Annotated[str | None, Meta(description="32 hexadecimal digits; without it every content of that size is right.")] = None


class UploadItem(Struct, frozen=True, kw_only=True):
    """Where a file is to be put."""

    upload_location: str
    id: Annotated[int, Meta(description="What a message names the file by.")]
    filename: str
    filesize: int
    md5_checksum: str
    timestamp: Annotated[int, Meta(description="When it was announced: seconds since the epoch.")]


class OneUpload(Struct, frozen=True, kw_only=True):
    """Which upload."""

    id: Annotated[int, Meta(description="Number of the upload.")]


@operation("POST", "/upload", parameters=Nothing, body=Announced, answers={201: UploadItem}, errors={400: _OTHER})
async def announce_upload(call: Call, _parameters: Nothing, body: Announced) -> Answer:
    """Announce a file; it can be put for a day, and a message can have it in the same day."""
    new = NewUpload(filename=body.filename, size=body.filesize, md5=body.md5_checksum or None)
    upload = await call.write(uploads.announce, call.user_id, new, call.settings.attachments.max_bytes, call.now)
    item = UploadItem(
        upload_location=call.url(f"/upload/{upload.id}"),
        id=upload.id,
        filename=upload.filename,
        filesize=upload.size,
        md5_checksum=upload.md5 or "",
        timestamp=upload.created_at // SECOND,
    )
    return Answer(201, item)


@operation(
    "PUT",
    "/upload/{id:int}",
    parameters=OneUpload,
    body=bytes,
    answers={200: FileItem, 204: None},
    errors={400: _OTHER, 403: "The file has come already.", 404: "No such upload of the caller's, or its time is over."},
)
async def put_upload(call: Call, parameters: OneUpload, _body: bytes) -> Answer:
    """Put the bytes of a file that was announced, with its own Content-Type; 204 where the settings want it."""
    try:
        upload = await call.read(uploads.get_open, call.user_id, parameters.id, call.now)
        done = await _receive(call, upload)
    except WrongState:
        raise errors.forbidden() from None
    if call.settings.schoology.upload_without_answer:
        return Answer(204)
    return Answer(200, file_item(done.id, done.filename, done.size, done.md5, done.content_type or "", done.created_at))


OPERATIONS: Final[Operations] = (announce_upload, put_upload)


async def _receive(call: Call, upload: Upload) -> Upload:
    """Store the bytes, and note that they have come. Raises ``Invalid``, ``NotFound``, ``WrongState``; then nothing is kept."""
    length = call.header("content-length")
    if length is not None and len(length) <= _DIGITS and length.isdecimal() and int(length) != upload.size:
        raise _wrong_size(upload)
    received = await _stored(call, upload)
    try:
        return await call.write(uploads.receive, call.user_id, upload.id, received, call.now)
    except Exception:
        await delete_if_unused(call.store, received.blob_key)
        raise


async def _stored(call: Call, upload: Upload) -> Received:
    """Write the body to the store of blobs, a block at a time. Raises ``Invalid`` as soon as it cannot be the file that was announced."""
    digest = hashlib.md5(usedforsecurity=False)
    block = bytearray()
    async with call.store.blobs.writer() as writer:
        async for chunk in _heard(call.stream()):
            block += chunk
            if writer.size + len(block) > upload.size:
                raise _wrong_size(upload)
            if len(block) >= CHUNK:
                digest.update(block)
                await writer.write(bytes(block))
                block.clear()
        digest.update(block)
        await writer.write(bytes(block))
        if writer.size != upload.size:
            raise _wrong_size(upload)
        if upload.md5 not in {None, digest.hexdigest()}:
            raise Invalid("md5_checksum", f"{upload.md5} was announced, {digest.hexdigest()} came")
        return Received(
            blob_key=await writer.commit(), size=writer.size, md5=digest.hexdigest(), content_type=call.header("content-type") or ""
        )


async def _heard(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what comes. Raises ``Invalid`` when nothing comes for long."""
    while True:
        try:
            async with asyncio.timeout(_SILENCE):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Invalid("body", f"nothing came for {_SILENCE:.0f} seconds") from None
        if chunk is None:
            return
        yield chunk


def _wrong_size(upload: Upload) -> Invalid:
    return Invalid("filesize", f"{upload.size} bytes were announced, and others come")
