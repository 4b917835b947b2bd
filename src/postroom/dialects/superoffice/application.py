"""The ASGI application of the interface: finds the method, learns who is calling, binds what came, and answers in JSON or XML."""

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from postroom import clock
from postroom.clock import SECOND
from postroom.dialects.parameters import BadParameter, Pairs, decode
from postroom.dialects.rate_limit import RateLimit
from postroom.dialects.responses import packed, send_response
from postroom.dialects.superoffice import (
    accounts,
    addresses,
    answers,
    auth,
    body,
    composing,
    dates,
    defaults,
    descriptions,
    errors,
    mail_files,
    mailbox,
    openapi,
    sending,
)
from postroom.dialects.superoffice.answers import Writer
from postroom.dialects.superoffice.binder import bind
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.errors import Refusal
from postroom.dialects.superoffice.negotiation import Wanted, language, wanted
from postroom.dialects.superoffice.operation import NAMES, Method, Methods
from postroom.dialects.superoffice.ports import Ports
from postroom.dialects.superoffice.routing import Found, find
from postroom.dialects.superoffice.wire_types import Nothing, Stream
from postroom.directory import sessions
from postroom.errors import PostroomError, Unavailable
from postroom.storage.store import Store

METHODS: Final[Methods] = (
    *defaults.METHODS,
    *mailbox.METHODS,
    *mail_files.METHODS,
    *addresses.METHODS,
    *sending.METHODS,
    *composing.METHODS,
    *accounts.METHODS,
)
"""Every method that is served."""

_WINDOW: Final = 10 * SECOND
"""Of the limit of requests."""
_HEADERS: Final = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1", "X-Content-Type-Options": "nosniff"}

_IN_UTC: Final = dates.Dates(UTC, with_offset=True)
_LONGEST_TICKET_REQUEST: Final = 1_024
"""Bytes that are read of who is not known yet."""

_NAMES: Final = {name.lower(): name for name in NAMES}

_log: Final = structlog.get_logger("postroom.superoffice")


def mount(store: Store, methods: Methods = METHODS, *, ports: Ports) -> Mount:
    """Return the mount of the interface, which is at the root: the first part of a path may be a tenant (§1.3), but for our own pages."""
    mounted = Mount("", _Application(store, methods, ports))
    mounted.path_regex = re.compile("^/(?P<path>(?!developers/)(?:[^/]+/)?(?:api|swagger)(?:/.*)?)$", re.IGNORECASE | re.DOTALL)
    return mounted


class _Application:
    """Serves every path of the interface."""

    def __init__(self, store: Store, methods: Methods, ports: Ports) -> None:
        self.store: Final = store
        self.ports: Final = ports
        self.methods: Final[Mapping[str, Method[Any]]] = {one.name: one for one in methods}
        self._limit: Final = RateLimit(store.settings.superoffice.rate_limit, _WINDOW)
        self._document: Final = openapi.document(methods)
        self._tenants: Final = {tenant.lower() for tenant in store.settings.superoffice.tenants}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a WebSocket: refused before it is opened
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        await send_response(scope, receive, send, self._respond)

    async def _respond(self, request: Request) -> Response:
        asked = wanted(request.headers.get("accept"))
        try:
            return await self._served(request, asked)
        except Refusal as error:
            refusal = error
        except (PostroomError, BadParameter) as error:
            if isinstance(error, Unavailable):  # the client hears nothing of the inside, so whoever looks after it must
                _log.warning("store_unavailable", reason=error.reason)
            refusal = errors.translate(error)
        content = answers.error(refusal.content, as_xml=asked.xml)
        return await self._response(request, asked, refusal.status, content, refusal.headers)

    async def _served(self, request: Request, asked: Wanted) -> Response:
        found = find(request.scope["path"].removeprefix(request.scope["root_path"]).removeprefix("/"))
        if found is None or not found.place:
            raise errors.framework(404, "No HTTP resource was found that matches the request URI.")
        if found.tenant is not None and found.tenant.lower() not in self._tenants:
            raise errors.framework(421, "Wrong subdomain used to access tenant.")
        now = clock.now()
        if request.method in {"GET", "HEAD"} and found.place != "ticket":
            return await self._described(request, asked, found, now)
        if request.method != "POST" or found.place not in {"method", "ticket"}:
            allowed = {"ticket": "POST", "method": "GET, HEAD, POST"}.get(found.place, "GET, HEAD")
            message = f"The requested resource does not support http method '{request.method}'."
            raise errors.framework(405, message, {"Allow": allowed})
        if found.place == "ticket":
            return await self._ticket(request, now)
        return await self._called(request, asked, found.name, now)

    async def _described(self, request: Request, asked: Wanted, found: Found, now: int) -> Response:
        """Answer a GET, which anybody may send, and which calls nothing (§1.3)."""
        headers: dict[str, str] = {}
        if found.place == "document":
            content = self._document
        else:
            base = "/".join([self.store.settings.public_url, *([found.tenant] if found.tenant else [])])
            shown = descriptions.describe(found, base, self.methods, self._tenants, _NAMES)
            content = descriptions.written(shown, as_html=asked.html)
            headers = {"Content-Type": descriptions.HTML} if asked.html else {}
        response = await self._response(request, Wanted(), 200, content, headers)
        auth.give_xsrf_cookie(self.store, request, response, now)
        return response

    async def _ticket(self, request: Request, now: int) -> Response:
        """Issue a ticket for a name and a password (our choice)."""
        scheme, _, credentials = request.headers.get("authorization", "").strip().partition(" ")
        given = await body.read(request, _LONGEST_TICKET_REQUEST, auth.TicketRequest, _IN_UTC, optional=True)
        user_id = await auth.by_password(self.store, request, credentials, now, given.code) if scheme.lower() == "basic" else None
        if user_id is None:
            raise auth.nobody(self.store, request)
        self._count(request, user_id, now)
        lifetime = self.store.settings.superoffice.ticket_hours * clock.HOUR
        opened = await self.store.database.write(sessions.begin, "superoffice", user_id, now, lifetime)
        ticket = auth.Ticket(ticket=opened.token, valid_until=_IN_UTC.write(opened.expires_at))
        return await self._response(request, Wanted(), 200, msgspec.json.encode(ticket), {})

    async def _called(self, request: Request, asked: Wanted, name: str, now: int) -> Response:
        user_id = await auth.identify(self.store, request, now)
        self._count(request, user_id, now)
        known = _NAMES.get(name.lower())
        if known is None:
            raise errors.framework(404, "No HTTP resource was found that matches the request URI.")
        if known not in self.methods:
            raise errors.not_served(known)
        method = self.methods[known]
        settings = self.store.settings.superoffice
        zone = dates.wanted(request.headers.get("so-timezone"), settings.timezone)
        query = decode(request.scope["query_string"])
        writer = Writer(dates=zone, chosen=_selection(method, query), as_xml=asked.xml)
        call = Call(store=self.store, ports=self.ports, user_id=user_id, now=now, dates=zone, language=language(request.headers))
        given = await self._given(request, method, query, zone)
        result = await method.handler(call, given)
        headers = {"SO-TimeZone": str(zone.zone)}
        if method.result is None:
            return Response(None, 204, {**_HEADERS, **headers})
        if isinstance(result, Stream):
            if asked.raw:
                return await self._response(request, asked, 200, result.content, {**headers, "Content-Type": "application/octet-stream"})
            return await self._response(request, asked, 200, writer.write(result.content, bytes), headers)
        return await self._response(request, asked, 200, writer.write(result, bytes if method.result is Stream else method.result), headers)

    async def _given(self, request: Request, method: Method[Any], query: Pairs, zone: dates.Dates) -> Any:  # noqa: ANN401 - a record of the method
        """Read the request of a method; a body that it has no use for is not looked at."""
        if method.request is Nothing:
            return Nothing()
        if method.place == "query":
            return bind(body.from_pairs(query), method.request, zone)
        return await body.read(request, self.store.settings.superoffice.max_body, method.request, zone)

    def _count(self, request: Request, user_id: int, now: int) -> None:
        wait = self._limit.count((request.client.host if request.client else "", user_id), now)
        if wait:
            raise errors.too_early(wait)

    @staticmethod
    async def _response(request: Request, asked: Wanted, status: int, content: bytes, headers: Mapping[str, str]) -> Response:
        content, packing = await packed(request, content)
        return Response(content, status, {**_HEADERS, "Content-Type": asked.content_type, **packing, **headers})


def _selection(method: Method[Any], query: Pairs) -> answers.Selection:
    return {} if method.name.startswith("CreateDefault") else answers.selection(query)
