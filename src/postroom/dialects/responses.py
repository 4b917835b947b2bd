"""How every dialect answers an HTTP request, from the ASGI side."""

import gzip
import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from postroom.dialects.threads import aside

_WORTH_PACKING: Final = 1_000
"""Bytes from which an answer is compressed."""
_PACKED: Final = re.compile(r"\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?", re.IGNORECASE)
"""An element of Accept-Encoding that allows gzip."""


async def send_response(scope: Scope, receive: Receive, send: Send, respond: Callable[[Request], Awaitable[Response]]) -> None:
    """Send what ``respond`` makes of a request; nothing, when the client has gone while its request was read."""
    try:
        response = await respond(Request(scope, receive))
    except ClientDisconnect:
        return  # nobody is there to be answered
    await response(scope, receive, send)


async def packed(request: Request, content: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the content, compressed where the client takes that and it is worth it, and the headers that tell of it."""
    headers = {"Vary": "Accept-Encoding"}
    accepted = request.headers.get("accept-encoding", "").split(",")
    if len(content) < _WORTH_PACKING or not any(_PACKED.fullmatch(element) for element in accepted):
        return content, headers
    smaller = await aside(len(content), gzip.compress, content, 5, mtime=0)
    return smaller, {**headers, "Content-Encoding": "gzip"}
