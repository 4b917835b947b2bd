"""A multipart/form-data body (RFC 7578), read as it comes in: files go straight to where they are kept, never whole into memory.

Fields, and files that nobody asked for, count against one limit. Fields may stand before or after the file.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import Message
from typing import Final, Protocol

from msgspec import Struct
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from postroom.dialects.parameters import BadParameter, Pairs
from postroom.errors import TooLarge

_BLOCK: Final = 256 * 1024
"""Bytes of a file that are written at a time."""
_PART_COST: Final = 64
"""Bytes that each part counts for beside its content, so that the number of parts is bounded too."""


class BadMultipart(Exception):
    """The body is no complete multipart/form-data; the text says why."""


class Part(Struct, frozen=True, kw_only=True):
    """What the headers of a part say."""

    name: str
    filename: str | None
    content_type: str | None


class Sink(Protocol):
    """Where the bytes of a file go; a ``storage.blobs.BlobWriter`` is one."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes."""
        ...


OpenFile = Callable[[Part, Pairs], Awaitable[Sink | None]]
"""Asked at the beginning of each part, with the fields that came before it: where its bytes go, or ``None`` if it is a field."""


def is_multipart(content_type: str | None) -> bool:
    """Tell whether a Content-Type announces a form of parts."""
    return parse_options_header(content_type)[0] == b"multipart/form-data"


async def read_form(stream: AsyncIterator[bytes], content_type: str | None, *, limit: int, open_file: OpenFile) -> Pairs:
    """Read a whole body and return its fields.

    Raises ``BadMultipart``, ``BadParameter`` for a field that is no UTF-8 or holds a NUL character, ``TooLarge("body", limit)`` when fields
    take more than ``limit`` bytes, and what ``open_file`` and its sinks raise.
    """
    reader = _Reader(limit, open_file)
    parser = _parser(content_type, reader)
    try:
        async for chunk in stream:
            parser.write(chunk)
            await reader.digest()
    except FormParserError as error:
        raise BadMultipart(f"The multipart body is broken: {error}.") from None
    if not reader.complete:
        raise BadMultipart("The multipart body ends before its closing boundary.")
    return reader.fields


class _Reader:
    """Takes the parser's events, which come synchronously, and digests them, which is not."""

    def __init__(self, limit: int, open_file: OpenFile) -> None:
        self.fields: Pairs = []
        self.complete = False
        self._events: list[tuple[str, bytes]] = []
        self._limit = limit
        self._counted = 0
        self._open_file = open_file
        self._header = [b"", b""]
        self._headers: dict[str, str] = {}
        self._part: Part | None = None
        self._sink: Sink | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0

    def note(self, event: str) -> Callable[[], None]:
        return lambda: self._events.append((event, b""))

    def note_data(self, event: str) -> Callable[[bytes, int, int], None]:
        return lambda data, start, end: self._events.append((event, data[start:end]))

    async def digest(self) -> None:
        events, self._events = self._events, []
        for event, data in events:
            match event:
                case "data":
                    await self._take(data)
                case "headers":
                    await self._begin()
                case "part_end":
                    await self._finish()
                case "name":
                    self._header[0] += data
                case "value":
                    self._header[1] += data
                case "header_end":
                    self._keep_header()
                case _:
                    self.complete = True

    def _keep_header(self) -> None:
        name, value = self._header
        self._header = [b"", b""]
        try:
            self._headers[name.decode("ascii").lower()] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise BadMultipart("A header of a part is not encoded as UTF-8.") from None

    async def _begin(self) -> None:
        headers, self._headers = self._headers, {}
        self._part = part = _described(headers)
        self._count(_PART_COST)
        self._sink = await self._open_file(part, self.fields)

    async def _take(self, data: bytes) -> None:
        if self._sink is None:
            self._count(len(data))
            if self._part is not None and self._part.filename is not None:
                return  # a file that nobody asked for
        self._pending.append(data)
        self._pending_size += len(data)
        if self._sink is not None and self._pending_size >= _BLOCK:
            await self._sink.write(self._collected())

    async def _finish(self) -> None:
        part, sink, data = self._part, self._sink, self._collected()
        self._part = self._sink = None
        if part is None:
            raise BadMultipart("A part of the body ends before its headers do.")
        if sink is not None:
            if data:
                await sink.write(data)
        elif part.filename is None:
            self.fields.append((part.name, _text(part.name, data)))

    def _collected(self) -> bytes:
        data = b"".join(self._pending)
        self._pending, self._pending_size = [], 0
        return data

    def _count(self, size: int) -> None:
        self._counted += size
        if self._counted > self._limit:
            raise TooLarge("body", self._limit)


def _parser(content_type: str | None, reader: _Reader) -> MultipartParser:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise BadMultipart("The Content-Type of a multipart body must name its boundary.")
    try:
        return MultipartParser(
            boundary,
            {
                "on_header_field": reader.note_data("name"),
                "on_header_value": reader.note_data("value"),
                "on_header_end": reader.note("header_end"),
                "on_headers_finished": reader.note("headers"),
                "on_part_data": reader.note_data("data"),
                "on_part_end": reader.note("part_end"),
                "on_end": reader.note("end"),
            },
        )
    except FormParserError as error:
        raise BadMultipart(f"{error}.") from None


def _described(headers: dict[str, str]) -> Part:
    """Read the headers of a part; a file name may be raw UTF-8 (as requests sends it) or in the form of RFC 2231."""
    disposition = Message()
    disposition["Content-Disposition"] = headers.get("content-disposition", "").replace("\r", " ").replace("\n", " ")
    name = disposition.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise BadMultipart("A part of the body has no name.")
    try:
        filename = disposition.get_filename()
    except ValueError:  # RFC 2231 lets the client name the character set, and Python knows some that are none
        raise BadMultipart("The name of a file cannot be decoded.") from None
    return Part(name=name, filename=filename, content_type=headers.get("content-type"))


def _text(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameter(name, "it is not encoded as UTF-8") from None
    if "\0" in text:
        raise BadParameter(name, "it contains a NUL character")
    return text
