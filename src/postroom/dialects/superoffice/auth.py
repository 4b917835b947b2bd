"""Who is calling (wire/superoffice.md §2): Basic with a person's password, a ticket as SOTicket or Bearer, or the session of a browser.

The original issues tickets by a SOAP service; ours come from ``POST /api/v1/Ticket`` with Basic. Before a ticket the prefixes of the
original are allowed, ``7T:`` and ``8A:Tenant.``, and mean nothing. SO-AppToken is not checked, as in installations on site.

A session of a browser is that of the pages of this server, and needs X-XSRF-TOKEN: the value of the cookie XSRF-TOKEN, which every GET
of the interface gives to who has one.
"""

import binascii
from base64 import b64decode
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from postroom.clock import SECOND
from postroom.dialects.superoffice import errors
from postroom.directory import sessions
from postroom.directory.login import log_in
from postroom.pages import sessions as browser
from postroom.storage.store import Store

XSRF_COOKIE: Final = "XSRF-TOKEN"
XSRF_HEADER: Final = "x-xsrf-token"

_SUBJECT: Final = "superoffice"


class TicketRequest(Struct, frozen=True, kw_only=True, rename="pascal"):
    """What may be said when a ticket is asked for."""

    code: str | None = None
    """Of an authenticator app, for who has a second factor."""


class Ticket(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A ticket, which stands for a person until it is over."""

    ticket: str
    valid_until: str

    def __repr__(self) -> str:
        return f"Ticket(valid_until={self.valid_until!r})"


async def identify(store: Store, request: Request, now: int) -> int:
    """Return who is calling. Raises ``Refusal`` 401 for nobody known, 429 for a password that is tried too soon."""
    scheme, _, credentials = request.headers.get("authorization", "").strip().partition(" ")
    user_id = None
    match scheme.lower():
        case "basic":
            user_id = await by_password(store, request, credentials, now)
        case "soticket" | "bearer":
            user_id = await store.database.read_briefly(sessions.holder, "superoffice", _bare(credentials), now)
        case "":
            user_id = await _by_browser(store, request, now)
    if user_id is None:
        raise nobody(store, request)
    return user_id


def nobody(store: Store, request: Request) -> errors.Refusal:
    """Make the error for nobody known; programs in a browser, which send X-XSRF-TOKEN, must not make it ask for a password."""
    host = urlsplit(store.settings.public_url).hostname
    return errors.unauthorized(None if XSRF_HEADER in request.headers else f'Basic realm="{host}"')


async def by_password(store: Store, request: Request, encoded: str, now: int, code: str | None = None) -> int | None:
    """Return whose name, password and code of a second factor these are; ``None``: nobody's. Raises ``Refusal`` 429 as ``identify``."""
    try:
        name, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    if not colon or not name or not password:
        return None
    outcome = await log_in(store, name, password, request.client.host if request.client else "", now, code)
    if outcome.wait:
        raise errors.too_early(-(-outcome.wait // SECOND))
    return None if outcome.holder is None else outcome.holder.user_id


def give_xsrf_cookie(store: Store, request: Request, response: Response, now: int) -> None:
    """Send the token along that a program in this browser needs, if somebody has logged in there."""
    session = browser.read(request, store.settings, store.vault, now)
    if session is not None and session.user_id is not None:
        token = browser.form_token(store.vault, session, _SUBJECT)
        secure = store.settings.public_url.startswith("https:") or request.url.scheme == "https"
        response.set_cookie(XSRF_COOKIE, token, path="/", secure=secure, samesite="strict")


def _bare(credentials: str) -> str:
    """Return a ticket without what stands before it: 7T:ticket, 8A:Tenant.ticket."""
    return credentials.strip().rpartition(":")[2].rpartition(".")[2]


async def _by_browser(store: Store, request: Request, now: int) -> int | None:
    token = request.headers.get(XSRF_HEADER)
    session = browser.read(request, store.settings, store.vault, now)
    if token is None or session is None or not browser.is_own_form(store.vault, session, _SUBJECT, token):
        return None
    person = await store.database.read(browser.person_of, store.vault, session)
    return None if person is None else person.id
