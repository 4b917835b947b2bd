"""How every dialect answers an HTTP request, from the ASGI side."""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


async def send_response(scope: Scope, receive: Receive, send: Send, respond: Callable[[Request], Awaitable[Response]]) -> None:
    """Send what ``respond`` makes of a request; nothing, when the client has gone while its request was read."""
    try:
        response = await respond(Request(scope, receive))
    except ClientDisconnect:
        return  # nobody is there to be answered
    await response(scope, receive, send)
