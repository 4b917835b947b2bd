"""The ASGI application of the dialect: finds the method, reads the request, lets ``auth`` judge it, and answers.

The order matters. The signature is verified before arguments are looked at, and for an upload before its body is read, since
fields of a multipart body are not signed (RFC 5849 §3.4.1.3.1). All arguments are checked before a handler runs.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from postroom import clock
from postroom.dialects import multipart, oauth1
from postroom.dialects.endpoint import Endpoint
from postroom.dialects.multipart import BadMultipart, Part
from postroom.dialects.parameters import BadParameter, Pairs, decode, distinct, length
from postroom.dialects.responses import send_response
from postroom.dialects.threads import aside
from postroom.dialects.usos import (
    apiref,
    apisrv,
    arguments,
    csgroups,
    errors,
    formats,
    instaddr,
    mailclient,
    mailing,
    oauth,
    prgroups,
    users,
)
from postroom.dialects.usos.arguments import Upload
from postroom.dialects.usos.auth import authenticate
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.common import OUTPUT, REPEATABLE, Repeatable
from postroom.dialects.usos.errors import UsosError
from postroom.dialects.usos.formats import Encoded, Output
from postroom.dialects.usos.modules import Module
from postroom.directory import clients
from postroom.errors import PostroomError, TooLarge, Unavailable
from postroom.messages import idempotency
from postroom.messages.idempotency import PARAMETER, Once
from postroom.storage.blobs import BlobWriter
from postroom.storage.store import Store

MODULES: Final[Sequence[Module]] = (
    apiref.MODULE,
    apisrv.MODULE,
    csgroups.MODULE,
    instaddr.MODULE,
    mailclient.MODULE,
    mailing.MODULE,
    oauth.MODULE,
    prgroups.MODULE,
    users.MODULE,
)
"""Every module of the dialect, in the order of their names."""

ENDPOINTS: Final[Mapping[str, Endpoint[Call, Any]]] = {endpoint.name: endpoint for module in MODULES for endpoint in module.endpoints}
"""Every method of the dialect by its name."""

_PREFIX: Final = "services/"


_UNASKED: Final = frozenset((*OUTPUT, *REPEATABLE))
"""Arguments in which two requests may differ that ask for the same thing."""
_URLENCODED: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT: Final = {
    **_HEADERS,
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key",
    "Access-Control-Max-Age": "86400",
}

_log: Final = structlog.get_logger("postroom.usos")


def application(store: Store) -> ASGIApp:
    """Make the application, to be mounted at ``/services``. What it does not expect goes up to the guard of the whole server."""
    return Router([Route("/{name:path}", _Dispatcher(store))])


class _Dispatcher:
    """Serves every path below the mount."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_response(scope, receive, send, self._respond)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        method = _PREFIX + request.path_params["name"]
        try:
            answer = await self._serve(request, method)
        except UsosError as error:
            return _refusal(error)
        except (PostroomError, oauth1.OAuthError) as error:
            if isinstance(error, Unavailable):  # the client hears nothing of the inside, so whoever looks after it must
                _log.warning("store_unavailable", path=f"/{method}", reason=error.reason)
            known = ENDPOINTS.get(method)
            return _refusal(errors.translate(error, method, known.arguments if known else ()))
        except BadMultipart as error:
            return _refusal(errors.bad_request(str(error)))
        except BadParameter as error:
            return _refusal(_undecodable(error))
        return Response(answer.content, 200, _HEADERS, answer.content_type)

    async def _serve(self, request: Request, method: str) -> Encoded:
        if request.method not in {"GET", "POST"}:
            raise errors.wrong_verb(request.method)
        endpoint = ENDPOINTS.get(method)
        if endpoint is None:
            raise errors.unknown_method(method)
        exchange = _Exchange(request, self._store, endpoint)
        async with AsyncExitStack() as stack:
            return await exchange.serve(stack)


class _Exchange(Struct, frozen=True):
    """One request to a known method."""

    request: Request
    store: Store
    endpoint: Endpoint[Call, Any]

    async def serve(self, stack: AsyncExitStack) -> Encoded:
        """Answer the call; an upload that is not committed in the end is thrown away with ``stack``."""
        now = clock.now()
        header = oauth1.from_header(self.request.headers.get("authorization"))
        query = decode(self.request.scope["query_string"])
        body = await self._urlencoded_body(distinct(header, query))
        pairs = distinct(header, query, body)
        caller = await authenticate(self.store, self.request.scope, pairs, self.endpoint, now)
        call = Call(self.store, caller, now, MODULES)
        call.brief = self.endpoint.brief
        upload = None
        if multipart.is_multipart(self.request.headers.get("content-type")):
            fields, upload = await self._form(call, pairs, stack)
            pairs = distinct(pairs, fields)
        call.output = self._output(pairs)
        given = arguments.read(self.endpoint.given, self.endpoint.arguments, pairs, self.endpoint.name, upload)
        if not call.administrative:
            arguments.check_reserved(given, self.endpoint.name)
        if self.endpoint.sends:
            call.once = await self._once(call, pairs)
        return formats.encode(await self.endpoint.handler(call, given), call.output)

    def _output(self, pairs: Pairs) -> Output:
        output = arguments.read(Output, OUTPUT, pairs, self.endpoint.name)
        if output.format == "jsonp" and output.callback is None:
            raise errors.param_missing("callback")
        return output

    async def _once(self, call: Call, pairs: Pairs) -> Once | None:
        """Return what the call is known by when it is repeated, if its client wants that."""
        header = self.request.headers.get(idempotency.HEADER)
        named = pairs if header is None else distinct(pairs, [(PARAMETER, header)])
        given = arguments.read(Repeatable, REPEATABLE, named, self.endpoint.name)
        if given.idempotency_key is None:
            return None
        idempotency.check_key(given.idempotency_key)
        asked = [(name, value) for name, value in pairs if not name.startswith("oauth_") and name not in _UNASKED]
        return Once(
            owner=f"usos {call.client.id} {call.caller.user_id or ''}".rstrip(),
            key=given.idempotency_key,
            digest=await aside(length(asked), idempotency.digest_of, self.endpoint.name, asked),
        )

    async def _urlencoded_body(self, known: Pairs) -> Pairs:
        """Read the parameters of the body; one of another type, such as the empty octet-stream of one client (§3.1), has none.

        All of it is in memory before its signature can be judged, so a large one is taken only from a program that ``known`` names.
        """
        if self.request.headers.get("content-type", "").partition(";")[0].strip().lower() != _URLENCODED:
            return []
        limit = min(self._max_body(), self.store.settings.http.max_body)
        body = bytearray()
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > limit and (limit := await self._max_body_of(known, limit)) < len(body):
                raise TooLarge("body", limit)
        return await aside(len(body), decode, bytes(body))

    async def _max_body_of(self, known: Pairs, usual: int) -> int:
        """Return the largest body that is read for the program whose key is in header or query; ``usual`` for nobody who may call."""
        key = next((value for name, value in known if name == "oauth_consumer_key"), "")
        client = await self.store.database.read_briefly(clients.client_by_key, self.store.vault, key)
        required = self.endpoint.access.is_administrative(configured=self.store.settings.usos.administrative_mail)
        return usual if client is None or (required and not client.administrative) else self._max_body()

    def _max_body(self) -> int:
        settings = self.store.settings
        return settings.http.max_body if self.endpoint.max_body is None else self.endpoint.max_body(settings)

    async def _form(self, call: Call, known: Pairs, stack: AsyncExitStack) -> tuple[Pairs, Upload | None]:
        """Read a multipart body; the file of an upload goes to the blob store as it comes."""
        await call.claim()
        receiver = _Receiver(self, call, known, stack)
        fields = await multipart.read_form(
            self.request.stream(),
            self.request.headers.get("content-type"),
            limit=self._max_body(),
            open_file=receiver.open,
        )
        return fields, receiver.upload


class _Receiver:
    """Decides, part by part, what of a multipart body is the file that the method takes."""

    def __init__(self, exchange: _Exchange, call: Call, known: Pairs, stack: AsyncExitStack) -> None:
        self.upload: Upload | None = None
        self._endpoint = exchange.endpoint
        self._call = call
        self._known = known
        self._stack = stack
        self._name = next((name for name, argument in self._endpoint.arguments.items() if argument.file), None)

    async def open(self, part: Part, fields: Pairs) -> "_Limited | None":
        """See ``multipart.OpenFile``. Nothing is stored for a caller who may not add it."""
        if part.name != self._name:
            return None
        if self.upload is not None:
            raise errors.param_invalid(part.name, "it was given more than once")
        if self._endpoint.before_file is not None:
            await self._endpoint.before_file(self._call, dict(distinct(self._known, fields)))
        blob = await self._stack.enter_async_context(self._call.store.blobs.writer())
        self.upload = Upload(filename=part.filename, content_type=part.content_type, blob=blob)
        return _Limited(blob, part.name, self._call.store.settings.attachments.max_bytes)


class _Limited(Struct):
    """A blob that refuses to grow beyond a limit."""

    blob: BlobWriter
    name: str
    limit: int

    async def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``TooLarge``."""
        if self.blob.size + len(data) > self.limit:
            raise TooLarge(self.name, self.limit)
        await self.blob.write(data)


def _refusal(error: UsosError) -> Response:
    headers = _HEADERS
    if error.status == 401:  # noqa: PLR2004 - RFC 9110 section 15.5.2 wants a challenge with it
        headers = {**_HEADERS, "WWW-Authenticate": 'OAuth realm="Postroom"'}
    elif error.status == 405:  # noqa: PLR2004 - and section 15.5.6 the list of what is allowed
        headers = {**_HEADERS, "Allow": "GET, POST, OPTIONS"}
    elif error.status == 503:  # noqa: PLR2004
        headers = {**_HEADERS, "Retry-After": "10"}
    return Response(error.encoded(), error.status, headers, "application/json; charset=utf-8")


def _undecodable(error: BadParameter) -> UsosError:
    if error.name is None:
        return errors.bad_request(f"The name of a parameter cannot be read: {error.reason}.")
    return errors.param_invalid(error.name, error.reason)
