"""The ASGI application of the dialect: finds the operation, admits the caller, reads what came, and answers in JSON or XML.

The signature is verified before anything of the parameters or the body is looked at; it covers header and query, never a body
(wire/schoology.md §2.1), so the body of a form is refused even before.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from postroom import clock
from postroom.clock import SECOND
from postroom.dialects import oauth1, openapi
from postroom.dialects.multipart import is_multipart
from postroom.dialects.oauth1 import Form, OAuthError
from postroom.dialects.openapi import Interface
from postroom.dialects.operation import Operation, Operations
from postroom.dialects.parameters import BadParameter, Pairs, decode
from postroom.dialects.rate_limit import RateLimit
from postroom.dialects.responses import send_response
from postroom.dialects.schoology import attachments, errors, messages, multi, oauth, routing, uploads, users, wire
from postroom.dialects.schoology.auth import RUN_AS, authenticate
from postroom.dialects.schoology.call import Call, Caller
from postroom.dialects.schoology.errors import SchoologyError
from postroom.dialects.schoology.routing import Found, Table
from postroom.dialects.threads import aside
from postroom.errors import PostroomError, TooLarge, Unavailable
from postroom.messages import idempotency
from postroom.messages.idempotency import Once
from postroom.storage.store import Store

OPERATIONS: Final[Operations] = (
    *messages.OPERATIONS,
    *uploads.OPERATIONS,
    *attachments.OPERATIONS,
    *users.OPERATIONS,
    *multi.OPERATIONS,
    *oauth.OPERATIONS,
)
"""Every operation of the dialect."""

_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Schoology": "API"}
_NEGOTIATED: Final = {**_HEADERS, "Vary": "Accept"}

_TYPES: Final = (wire.JSON, "text/xml")
_TEXTLESS: Final = frozenset({404, 405, 429})
"""Statuses of errors that say nothing more."""


def _error(status: int) -> dict[str, type]:
    """Return what the body of an error holds, by media type."""
    if status in _TEXTLESS:
        return {}
    return {"text/plain": str} if status == 401 else dict.fromkeys(_TYPES, str)  # noqa: PLR2004 - see _refusal


_INTERFACE: Final = Interface(
    summary="Private messages as in the Schoology REST API v1.",
    base="/v1",
    security={"oauth": {"type": "http", "scheme": "OAuth", "description": "A signature of OAuth 1.0 (RFC 5849)."}},
    types=_TYPES,
    uploads="application/octet-stream",
    errors={
        400: "A value breaks a rule, or the request cannot be read.",
        401: "The signature is not accepted; the body is plain text.",
        403: "The caller may not do this.",
        404: "There is no such thing, or not for this caller.",
        413: "The body is too long.",
        415: "The body is neither JSON nor XML.",
        429: "The client calls too often.",
        503: "The service is not available now.",
    },
    error=_error,
)

_WINDOW: Final = 5 * SECOND
"""Of the limit of requests (wire/schoology.md §3.1)."""

_log: Final = structlog.get_logger("postroom.schoology")


def application(store: Store) -> ASGIApp:
    """Make the application, to be mounted at ``/v1``. What it does not expect goes up to the guard of the whole server."""
    return Router([Route("/openapi.json", _document), Route("/{name:path}", _Dispatcher(store))], redirect_slashes=False)


async def _document(_request: Request) -> Response:
    """Serve the OpenAPI document, to anybody."""
    return Response(_DOCUMENT, 200, _HEADERS, wire.JSON)


class _Dispatcher:
    """Serves every path below the mount."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._table = Table(OPERATIONS)
        self._rate = RateLimit(store.settings.schoology.rate_limit, _WINDOW)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_response(scope, receive, send, self._respond)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._serve(request)
        except SchoologyError as error:
            return _refusal(request, error)
        except (PostroomError, OAuthError, BadParameter) as error:
            if isinstance(error, Unavailable):  # the client hears nothing of the inside, so whoever looks after it must
                _log.warning("store_unavailable", path=request.scope["path"], reason=error.reason)
            return _refusal(request, errors.translate(error))

    async def _serve(self, request: Request) -> Response:
        found = self._table.find(f"/{request.path_params['name']}")
        if request.method == "OPTIONS":
            return _answer(request, 200, multi.Methods(found.allowed), {"Allow": ", ".join(found.allowed)})
        operation = found.operation(request.method)
        if operation.body is not None and operation.body is not bytes and _is_form(request):
            raise errors.form_body()
        query = decode(request.scope["query_string"])
        pairs = [*oauth1.from_header(request.headers.get("authorization")), *query]
        exchanges = operation is oauth.access_token
        now = clock.now()
        caller = await authenticate(self._store, request.scope, pairs, request.headers.get(RUN_AS), now, exchanges=exchanges)
        wait = self._rate.count(caller.client.id, now)
        if wait:
            raise errors.too_often(wait)
        return await self._handle(request, found, operation, query, Call(self._store, caller, now, request, self._table.find))

    async def _handle(self, request: Request, found: Found, operation: Operation[Any, Any, Any], query: Pairs, call: Call) -> Response:
        parameters = routing.parameters(operation, found.values, query)
        body = None
        if operation.body is bytes:
            body = b""
        elif operation.body is not None:
            content = await _read(request, self._store.settings.http.max_body)
            call.now = clock.now()  # a body may take as long as its client likes, and what comes of it happens now
            body = await aside(len(content), _body, operation.body, request.headers.get("content-type"), content)
            call.once = await aside(len(content), _once, request, call.caller, query, content)
        answer = await operation.handler(call, parameters, body)
        await call.claim()  # a handler that needs the store for nothing has not done so
        if isinstance(answer.content, Form):
            return Response(answer.content.encoded(), answer.status, {**_HEADERS, **answer.headers}, Form.TYPE)
        return _answer(request, answer.status, answer.content, answer.headers)


async def _read(request: Request, limit: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise TooLarge("body", limit)
    return bytes(content)


def _body(kind: type, content_type: str | None, content: bytes) -> Any:  # noqa: ANN401 - the record that the operation declares
    """Read the body of a request. Raises ``SchoologyError``."""
    try:
        return msgspec.convert(wire.read_body(content_type, content), kind, strict=False)
    except msgspec.ValidationError as error:
        what, name = routing.misfit(error)
        raise errors.invalid(f"{name}: {what}") from None


def _once(request: Request, caller: Caller, query: Pairs, content: bytes) -> Once | None:
    """Return what the call is known by when it is repeated, if its client wants that. Raises ``Invalid``, or ``TooLarge``."""
    key = request.headers.get(idempotency.HEADER)
    if key is None:
        return None
    idempotency.check_key(key)
    asked = [pair for pair in query if not pair[0].startswith("oauth_")]
    return Once(
        owner=f"schoology {caller.client.id} {caller.user_id or ''}".rstrip(),
        key=key,
        digest=idempotency.digest_of(f"{request.method} {request.scope['path']}", [*asked, ("", content.hex())]),
    )


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type")
    return is_multipart(kind) or (kind or "").partition(";")[0].strip().lower() == _FORM


def _answer(request: Request, status: int, content: Struct | str | None, headers: Mapping[str, str]) -> Response:
    body, kind = wire.encode(content, request.headers.get("accept"))
    return Response(body, status, {**_NEGOTIATED, **headers}, kind)


def _refusal(request: Request, error: SchoologyError) -> Response:
    if error.status == 401:  # noqa: PLR2004 - clients compare the text as it is (§2.2)
        return Response(error.text, 401, {**_HEADERS, **error.headers}, "text/plain")
    return _answer(request, error.status, error.text, error.headers)


_DOCUMENT: Final = json.dumps(openapi.document(_INTERFACE, OPERATIONS), indent=2).encode()
