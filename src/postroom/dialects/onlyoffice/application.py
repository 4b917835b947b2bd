"""The ASGI application of the interface: finds the operation, learns who is calling, binds what came, and answers in the envelope."""

import re
import secrets
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from postroom import clock
from postroom.clock import SECOND
from postroom.dialects.multipart import BadMultipart
from postroom.dialects.onlyoffice import (
    accounts,
    auth,
    authentication,
    background,
    batch,
    body,
    contacts,
    conversations,
    crm,
    envelope,
    errors,
    exports,
    filters,
    lists,
    mail_files,
    mail_folders,
    mail_preferences,
    messages,
    openapi,
    sending,
    tags,
)
from postroom.dialects.onlyoffice.binder import bind
from postroom.dialects.onlyoffice.call import Call, Inner, Reply
from postroom.dialects.onlyoffice.errors import ApiError, Unauthorized
from postroom.dialects.onlyoffice.lists import Listing
from postroom.dialects.onlyoffice.names import Names, Node
from postroom.dialects.onlyoffice.operation import Operations
from postroom.dialects.onlyoffice.routing import Found, Table
from postroom.dialects.parameters import BadParameter, decode
from postroom.dialects.rate_limit import RateLimit
from postroom.dialects.responses import packed, send_response
from postroom.errors import PostroomError, Unavailable
from postroom.storage.store import Store

OPERATIONS: Final[Operations] = (
    *authentication.OPERATIONS,
    *batch.OPERATIONS,
    *messages.OPERATIONS,
    *sending.OPERATIONS,
    *mail_files.OPERATIONS,
    *exports.OPERATIONS,
    *crm.OPERATIONS,
    *accounts.OPERATIONS,
    *contacts.OPERATIONS,
    *conversations.OPERATIONS,
    *mail_folders.OPERATIONS,
    *tags.OPERATIONS,
    *mail_preferences.OPERATIONS,
    *filters.OPERATIONS,
    *background.OPERATIONS,
)
"""Every operation of the interface."""

BASE: Final = "/api/2.0"

_WINDOW: Final = 10 * SECOND
"""Of the limit of requests (§8.32)."""

_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store, max-age=0",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT: Final = {
    **_HEADERS,
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "origin, authorization, accept, content-type",
    "Access-Control-Max-Age": "1728000",
}

_BASE_OF_PATH: Final = re.compile(r"/{1,2}api/2\.0(?=/|$)", re.IGNORECASE)

_log: Final = structlog.get_logger("postroom.onlyoffice")


def mount(store: Store, operations: Operations = OPERATIONS) -> Mount:
    """Return the mount of the interface: in letters of either case, and with the double slash that one client makes (§3.4)."""
    mounted = Mount(BASE, _Application(store, operations))
    mounted.path_regex = re.compile(f"^{_BASE_OF_PATH.pattern}/(?P<path>.*)$", re.IGNORECASE | re.DOTALL)
    return mounted


class _Application:
    """Serves every path of the interface."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self.store: Final = store
        self.table: Final = Table(operations)
        self.limit: Final = RateLimit(store.settings.onlyoffice.rate_limit, _WINDOW)
        self._document: Final = openapi.document(operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a WebSocket: refused before it is opened
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        await send_response(scope, receive, send, self._respond)

    async def _respond(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix(request.scope["root_path"])
        if request.method == "OPTIONS":
            return Response(status_code=200, headers=_PREFLIGHT)
        if request.method == "GET" and path == "/openapi.json":
            return await _packed(request, Reply(status=200, headers={"Content-Type": "application/json"}, body=self._document))
        found = self.table.find(request.method, path)
        try:
            reply = _refusal(errors.unknown_path()) if found is None else await _Exchange(self, request, found).reply()
        except Unauthorized:
            return self._unauthorized(request)
        return await _packed(request, reply)

    def _unauthorized(self, request: Request) -> Response:
        """Answer nobody: plain text, and a challenge for whoever has tried something (§2). The host is ours, whatever Host says."""
        headers = dict(_HEADERS)
        if "authorization" in request.headers:
            headers["WWW-Authenticate"] = f'Basic Realm="{urlsplit(self.store.settings.public_url).hostname}"'
        return Response("Unauthorized", 401, headers, "text/plain")


class _Exchange:
    """One request to a known operation. One inside another has a caller from the beginning."""

    def __init__(self, application: _Application, request: Request, found: Found, caller: int | None = None) -> None:
        self._application = application
        self._store = application.store
        self._request = request
        self._found = found
        self._operation = found.operation
        self._caller = caller
        self._inner = caller is not None
        self._now = clock.now()

    async def reply(self) -> Reply:
        """Answer. Raises ``Unauthorized`` where a known caller is needed."""
        as_xml = self._found.wants_xml and body.media_type(self._request) != body.JSON
        try:
            return await self._served(as_xml=as_xml)
        except ApiError as error:
            return _refusal(error, as_xml=as_xml)
        except (PostroomError, BadParameter, BadMultipart) as error:
            if isinstance(error, Unavailable):  # the client hears nothing of the inside, so whoever looks after it must
                _log.warning("store_unavailable", path=self._operation.path, reason=error.reason)
            return _refusal(errors.translate(error), as_xml=as_xml)

    async def _served(self, *, as_xml: bool) -> Reply:
        names, query = Names(), Names()
        names.add_pairs(self._found.values)
        for given in (query, names):
            given.add_pairs(decode(self._request.scope["query_string"]))
        await self._admit(names)
        call = Call(self._store, self._request, self._caller, self._now, self._answer)
        result = await self._operation.handler(call, bind(names.root, self._operation.given, call.zone))
        content = envelope.success(self._operation.verb, _shown(result, query.root))
        headers = {"Content-Type": envelope.XML if as_xml else envelope.JSON, **call.headers}
        return Reply(status=content.status_code, headers=headers, body=envelope.encode(content, as_xml=as_xml))

    async def _admit(self, names: Names) -> None:
        """Learn who is calling, and read the body: nothing of it, or no more than is usual, from whoever is not known yet.

        A form may hold the token, so it is read before anybody is refused.
        """
        in_query = list(names.root.at(auth.KEY).values)
        if not self._inner and not self._operation.public:
            self._caller = await auth.identify(self._store, self._request, in_query, self._now)
            if self._caller is None and not (body.is_form(self._request) and not self._operation.takes_file):
                raise Unauthorized
        if not self._operation.takes_file:
            await self._read_body(names)
        in_form = names.root.at(auth.KEY).values[len(in_query) :] if body.is_form(self._request) else []
        if in_form and not in_query and not self._inner:
            self._caller = await auth.by_token(self._store, in_form[:1], self._now) or self._caller
        if self._caller is None and not self._operation.public:
            raise Unauthorized
        self._count()

    async def _read_body(self, names: Names) -> None:
        settings = self._store.settings
        most = settings.onlyoffice.max_body
        limit = most if self._caller is not None else min(most, settings.http.max_body)
        try:
            await body.read_into(names, self._request, limit)
        except (ApiError, PostroomError, BadParameter, BadMultipart):
            if self._caller is None and not self._operation.public:
                raise Unauthorized from None
            raise

    def _count(self) -> None:
        client = self._request.client
        wait = self._application.limit.count((client.host if client else "", self._caller), self._now)
        if wait:
            raise errors.too_many_requests(wait)

    async def _answer(self, inner: Inner) -> Reply | None:
        """Answer a request inside this one; ``None`` where it leads nowhere, or inside itself."""
        path, _, query = inner.url.partition("?")
        base = _BASE_OF_PATH.match(path)
        found = None if base is None else self._application.table.find(inner.verb, unquote(path[base.end() :], errors="replace"))
        if found is None or self._inner or found.operation.path == self._operation.path:
            return None
        scope = {
            **self._request.scope,
            "method": inner.verb,
            "path": unquote(path, errors="replace"),
            "query_string": query.encode(),
            "headers": [(b"content-type", inner.content_type.encode("latin-1", "replace"))],
        }
        return await _Exchange(self._application, Request(scope, _all_of(inner.body)), found, self._caller).reply()


def _shown(result: object, query: Node) -> object:
    if isinstance(result, list | Listing):
        return lists.shown(result if isinstance(result, Listing) else Listing(items=result), query)
    return result


def _all_of(content: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive


def _refusal(error: ApiError, *, as_xml: bool = False) -> Reply:
    headers = {"Content-Type": envelope.XML if as_xml else envelope.JSON, **error.headers}
    return Reply(status=error.status, headers=headers, body=envelope.encode(envelope.failure(error), as_xml=as_xml))


async def _packed(request: Request, reply: Reply) -> Response:
    """Make the response, compressed where the client takes that (§8.25)."""
    content, packing = await packed(request, reply.body)
    return Response(content, reply.status, {**_HEADERS, "ETag": f'"{secrets.token_hex(16)}"', **packing, **reply.headers})
