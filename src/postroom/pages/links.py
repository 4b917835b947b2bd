"""Attachment downloads: ``/links/{attachment_id}/{signature}/{filename}``, for whoever holds the link.

The signature alone decides; the name at the end is for the browser and is not looked at. A wrong signature and an unknown
attachment are 404 and look alike; 410 says, to those who hold a right link only, that the file was there once. What is
sent can neither run in the browser (always saved, never sniffed, sandboxed) nor be kept by shared caches. Ranges follow
RFC 9110 section 14; a request for several ranges gets the whole file. Streamed: memory does not grow with the file.
"""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from postroom import clock
from postroom.directory.values import LARGEST_ID
from postroom.errors import NotFound, WrongState
from postroom.messages import attachments
from postroom.messages.records import Attachment
from postroom.pages.headers import ByteRange, Language, attachment_disposition, byte_range, safe_media_type
from postroom.pages.html import Text, page
from postroom.storage.store import Store

_UNKNOWN: Final[Mapping[Language, Text]] = {
    "pl": Text(
        "Nie ma takiego załącznika",
        (
            "Ten odsyłacz jest niepełny albo błędny.",
            "Otwórz go jeszcze raz z otrzymanej wiadomości lub skopiuj go stamtąd w całości.",
            "Jeśli to nie pomoże, napisz do nadawcy wiadomości.",
        ),
    ),
    "en": Text(
        "There is no such attachment",
        (
            "This link is incomplete or wrong.",
            "Open it again from the message that it came in, or copy it from there as a whole.",
            "If that does not help, write to the sender of the message.",
        ),
    ),
}

_GONE: Final[Mapping[Language, Text]] = {
    "pl": Text(
        "Załącznik nie jest już dostępny",
        (
            "Czas, w którym można było pobrać ten plik, minął, albo nadawca go usunął.",
            "Poproś nadawcę wiadomości, aby przesłał go ponownie.",
        ),
    ),
    "en": Text(
        "This attachment is no longer available",
        (
            "The time in which this file could be downloaded is over, or its sender has deleted it.",
            "Ask the sender of the message to send it again.",
        ),
    ),
}


def routes(store: Store) -> list[Route]:
    """Return the routes of downloads from ``store``."""

    async def download(request: Request) -> Response:
        try:
            attachment = await _find(store, request.path_params["attachment_id"], request.path_params["signature"])
            return await _answer(store, request, attachment)
        except NotFound as error:
            # A blob that is missing while its link is right was deleted between the two looks.
            return page(request, _GONE, 410) if error.kind == "blob" else page(request, _UNKNOWN, 404)
        except WrongState:
            return page(request, _GONE, 410)

    return [Route("/links/{attachment_id}/{signature}/{filename:path}", download, methods=["GET", "HEAD"])]


async def _find(store: Store, identifier: str, signature: str) -> Attachment:
    """Look the link up. Raises ``NotFound`` for a wrong one, ``WrongState`` for one whose time is over."""
    known = identifier.isascii() and identifier.isdigit() and len(identifier) <= len(str(LARGEST_ID)) and int(identifier) <= LARGEST_ID
    if not known:
        raise NotFound("attachment", identifier)
    return await store.database.read(attachments.by_link, store.vault, int(identifier), signature, clock.now())


async def _answer(store: Store, request: Request, attachment: Attachment) -> Response:
    """Choose between 200, 206, 304 and 416, and send the bytes. Raises ``NotFound`` (kind ``blob``) before anything is sent."""
    headers = _headers(attachment)
    if _names(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(None, 304, {name: headers[name] for name in ("Cache-Control", "ETag")})
    wanted = _wanted(request, attachment.size, headers["ETag"])
    if wanted is None:
        part, status = ByteRange(0, attachment.size), 200
    elif wanted.start == wanted.stop:
        return Response(None, 416, {**headers, "Content-Range": f"bytes */{attachment.size}", "Content-Length": "0"})
    else:
        part, status = wanted, 206
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{attachment.size}"
    headers["Content-Length"] = str(part.stop - part.start)
    if request.method == "HEAD":
        return Response(None, status, headers)
    chunks = store.blobs.read(attachment.blob_key, part.start, part.stop)
    return _Download(await anext(chunks, b""), chunks, status, headers)


def _wanted(request: Request, size: int, etag: str) -> ByteRange | None:
    """Return the range to send; RFC 9110: only GET knows ranges (14.2), and If-Range must name this very file (13.1.5)."""
    if request.method != "GET" or request.headers.get("if-range", etag).strip() != etag:
        return None
    return byte_range(request.headers.get("range"), size)


def _names(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison, RFC 9110 section 13.1.2."""
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return etag in tags or "*" in tags


def _headers(attachment: Attachment) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",  # a revoked link must stop working in browsers that have used it, too
        "Content-Disposition": attachment_disposition(attachment.filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Type": safe_media_type(attachment.content_type),
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": f'"{hashlib.sha256(attachment.blob_key.encode()).hexdigest()[:32]}"',
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }


class _Download(StreamingResponse):
    """A streamed answer that closes its file at once when the client goes away, not when memory is next tidied."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], status: int, headers: Mapping[str, str]) -> None:
        super().__init__(rest, status, headers)
        self._first = first
        self._rest = rest

    async def stream_response(self, send: Send) -> None:
        """Send the head, the chunk that was read to be sure of the file, and the rest."""
        async with aclosing(self._rest):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for chunk in self._rest:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
