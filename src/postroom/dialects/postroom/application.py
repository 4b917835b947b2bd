"""The ASGI application of the interface: finds the operation, admits the caller, reads what came, and answers.

The caller is admitted before anything of the query or the body is looked at.
"""

import json
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from postroom import clock
from postroom.dialects import openapi
from postroom.dialects.openapi import Interface
from postroom.dialects.operation import Operation, Operations, Verbs, by_path
from postroom.dialects.parameters import BadParameter, decode
from postroom.dialects.postroom import errors, suppressions
from postroom.dialects.postroom.auth import authenticate
from postroom.dialects.postroom.call import Call
from postroom.dialects.postroom.errors import ApiError, ErrorBody
from postroom.dialects.responses import send_response
from postroom.errors import PostroomError, TooLarge, Unavailable
from postroom.storage.store import Store

OPERATIONS: Final[Operations] = suppressions.OPERATIONS
"""Every operation of the interface."""

_JSON: Final = "application/json"
_CSV: Final = "text/csv"

_INTERFACE: Final = Interface(
    summary="What looks after an installation of Postroom.",
    base="/postroom/v1",
    security={"client": {"type": "http", "scheme": "basic", "description": "Key and secret of an administrative client."}},
    types=(_JSON,),
    uploads=_CSV,
    errors=errors.refusals(),
    error=lambda _status: {_JSON: ErrorBody},
)
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_log: Final = structlog.get_logger("postroom.api")


def application(store: Store) -> ASGIApp:
    """Make the application, to be mounted at ``/postroom/v1``. What it does not expect goes up to the guard of the whole server."""
    routes = [Route(path.replace("}", ":path}"), _Resource(store, path, verbs)) for path, verbs in by_path(OPERATIONS).items()]
    return Router([Route("/openapi.json", _document), *routes], redirect_slashes=False, default=_nowhere)


class _Document:
    """Serves the OpenAPI document, to anybody."""

    def __init__(self) -> None:
        self._content = json.dumps(openapi.document(_INTERFACE, OPERATIONS), indent=2).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            answer = Response(self._content, 200, _HEADERS, _JSON)
        else:
            answer = _refusal(errors.wrong_verb(scope["method"], "GET"))
        await answer(scope, receive, send)


_document: Final = _Document()


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await _refusal(errors.unknown_path())(scope, receive, send)
    else:  # a WebSocket: refused before it is opened
        await send({"type": "websocket.close", "code": 1000, "reason": ""})


class _Resource:
    """Serves one path."""

    def __init__(self, store: Store, path: str, verbs: Verbs) -> None:
        self._store = store
        self._path = path
        self._verbs = verbs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_response(scope, receive, send, self._respond)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._serve(request)
        except ApiError as error:
            return _refusal(error)
        except (PostroomError, BadParameter) as error:
            if isinstance(error, Unavailable):  # the client hears nothing of the inside, so whoever looks after it must
                _log.warning("store_unavailable", path=self._path, reason=error.reason)
            return _refusal(errors.translate(error))

    async def _serve(self, request: Request) -> Response:
        operation = self._verbs.get(request.method)
        if operation is None:
            raise errors.wrong_verb(request.method, ", ".join(self._verbs))
        await authenticate(self._store, request.headers.get("authorization"))
        parameters = _parameters(request, operation)
        body = await _body(request, operation, self._store.settings.http.max_body)
        answer = await operation.handler(Call(self._store, clock.now()), parameters, body)
        if answer.content is None:
            return Response(status_code=answer.status, headers=_HEADERS)
        return Response(msgspec.json.encode(answer.content), answer.status, _HEADERS, _JSON)


def _parameters(request: Request, operation: Operation[Any, Any, Any]) -> Any:  # noqa: ANN401 - the record that the operation declares
    values = dict(request.path_params)
    for name, value in decode(request.scope["query_string"]):
        if name in values:
            raise errors.invalid(name, "it was given more than once")
        values[name] = value
    try:
        return msgspec.convert(values, operation.parameters, strict=False)
    except msgspec.ValidationError as error:
        raise _misfit(error) from None


async def _body(request: Request, operation: Operation[Any, Any, Any], limit: int) -> Any:  # noqa: ANN401 - as above
    if operation.body is None:
        return None
    wanted = _CSV if operation.body is bytes else _JSON
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise errors.wrong_type(wanted)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise TooLarge("body", limit)
    if operation.body is bytes:
        return bytes(content)
    try:
        return msgspec.json.decode(content, type=operation.body)
    except msgspec.ValidationError as error:
        raise _misfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.invalid(None, "it is not JSON in UTF-8") from None


def _misfit(error: msgspec.ValidationError) -> ApiError:
    """Name the value first: ``Expected `int` <= 9 - at `$.limit` `` is about the parameter ``limit``."""
    what, _, where = str(error).partition(" - at `$.")
    return errors.invalid(where.rstrip("`") or None, f"{what[:1].lower()}{what[1:]}")


def _refusal(error: ApiError) -> Response:
    return Response(error.encoded(), error.status, {**_HEADERS, **error.headers}, _JSON)
