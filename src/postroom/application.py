"""The ASGI application: every dialect, the links, a health check and a page at the root, behind one guard.

The guard answers what nothing below it has answered: 503 for a store that cannot take the work now, 500 with a number that
is in the log, too, for what nobody expected. It writes the access log: never a query string, since those hold OAuth
signatures, never the signature of a link, and never an address.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postroom.delivery import eml, probing
from postroom.dialects import onlyoffice, postroom, schoology, superoffice, usos
from postroom.dialects.schoology import scopes as schoology_scopes
from postroom.dialects.usos import scopes as usos_scopes
from postroom.dialects.usos.application import MODULES
from postroom.errors import Unavailable
from postroom.pages import consent, home, links, notifications, reference
from postroom.storage.database import ping
from postroom.storage.store import Store

RETRY_AFTER: Final = 5
"""Seconds after which a client may ask a store again that was not available."""

_CUT: Final = {"/links/": 3, "/postroom/v1/suppressions/": 4, "/api/2.0/authentication/": 4}
"""Beginnings of paths that are cut in the log, and how many parts of them stay."""

SCOPES: Final = {key: scope.allows for key, scope in usos_scopes.SCOPES.items()} | {schoology_scopes.SCOPE: schoology_scopes.WORDS}
"""Every scope of every dialect, and what a person allows with it, in ``pl`` and ``en``."""

PORTS: Final = superoffice.Ports(as_file=eml.of_item, can_login=probing.can_login)
"""What dialects have the delivery side do, which they cannot reach themselves."""

_log: Final = structlog.get_logger("postroom.http")


def application(store: Store) -> ASGIApp:
    """Put the application together on an opened store, which the caller closes."""
    router = Router(
        [
            *consent.routes(store, ("/services/oauth/authorize", "/oauth/authorize"), SCOPES),
            Mount("/services", usos.application(store)),  # what is asked for most comes early: routes are tried one by one
            Route("/", home.home, methods=["GET", "HEAD"]),
            Route("/healthz", _health(store), methods=["GET", "HEAD"]),
            *links.routes(store),
            *notifications.routes(store),
            *reference.routes(store.settings, MODULES),
            Mount("/v1", schoology.application(store)),
            onlyoffice.mount(store),
            *onlyoffice.downloads(store),
            onlyoffice.uploads(store),
            onlyoffice.pictures_of_contacts(store),
            Mount("/postroom/v1", postroom.application(store)),
            superoffice.mount(store, ports=PORTS),  # last: the first part of its paths may be a tenant of any name
        ],
        redirect_slashes=False,
        default=_not_found,
    )
    return Guard(router)


class Guard:
    """Logs each request and answers for errors that reach it; wraps a whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Anything but HTTP goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def remember(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, remember)
        except ClientDisconnect:
            pass  # nobody is left to be answered; the line below tells of it
        except Exception as error:  # noqa: BLE001 - the last place where anything can be answered and logged
            answer = _answer(scope, error)
            if not status:  # else the head is out: the server closes the connection, and the client sees that something is missing
                await answer(scope, receive, remember)
        _log_request(scope, status, started)


def _log_request(scope: Scope, status: int, started: float) -> None:
    client = scope.get("client")
    _log.info(
        "request",
        method=scope["method"],
        path=_loggable(scope["path"]),
        status=status or "disconnected",
        milliseconds=round((time.perf_counter() - started) * 1_000, 1),
        client=client[0] if client else None,
    )


def _answer(scope: Scope, error: Exception) -> Response:
    """Log an error that no part of the application has answered, and say what the client may hear of it."""
    if isinstance(error, Unavailable):
        _log.warning("store_unavailable", path=_loggable(scope["path"]), reason=error.reason)
        return JSONResponse({"message": "The server cannot take this now. Try again later."}, 503, {"Retry-After": str(RETRY_AFTER)})
    number = secrets.token_hex(6)
    _log.error("unexpected_error", path=_loggable(scope["path"]), error_id=number, exc_info=error)
    return JSONResponse(
        {"message": "Something went wrong here. The administrator finds it in the log by this number.", "error_id": number}, 500
    )


def _loggable(path: str) -> str:
    """Cut off what readers of the log must not have: the signature of a link, which fetches the file, addresses, and codes."""
    path = f"/{path.lstrip('/')}"
    for prefix, parts in _CUT.items():
        if path.lower().startswith(prefix):
            return "/".join([*path.split("/")[:parts], "…"])
    return path


def _health(store: Store) -> Callable[[Request], Awaitable[Response]]:
    async def health(_request: Request) -> Response:
        """Tell a load balancer whether this process reaches its store."""
        try:
            await store.database.read_briefly(ping)  # not behind long lists: this process reaches its store
        except Unavailable as error:
            _log.warning("store_unavailable", path="/healthz", reason=error.reason)
            return JSONResponse({"status": "unavailable"}, 503, {"Cache-Control": "no-store", "Retry-After": str(RETRY_AFTER)})
        return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})

    return health


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await (await home.not_found(Request(scope)))(scope, receive, send)
    else:  # a WebSocket: refused before it is opened
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
