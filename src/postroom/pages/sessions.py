"""Sessions of people in the browser: one sealed cookie, nothing in the store.

The cookie says who has logged in and until when; it is bound to the password, so that a new password ends it. Whoever has not
logged in has a session too, since the form that logs in needs protection as any other: its token is made from the session. Logging in
or out begins another session, so nobody can prepare one for somebody else.
"""

import secrets
from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from postroom.clock import HOUR, SECOND
from postroom.directory import passwords, people
from postroom.directory.callbacks import is_loopback
from postroom.directory.records import Person
from postroom.errors import Unavailable
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault

LIFETIME: Final = HOUR
"""Milliseconds from logging in to the end of the session."""

_PURPOSE: Final = "session cookie"


class Session(Struct, frozen=True, kw_only=True):
    """What the cookie says."""

    id: str
    expires_at: int
    user_id: int | None = None
    """Who has logged in."""
    stamp: str = ""
    """What the session is bound to (``passwords.stamp``)."""


def is_private(request: Request, settings: Settings) -> bool:
    """Tell whether nobody on the way can read a password: HTTPS, or this very machine."""
    return _is_https(request, settings) or is_loopback(settings.http.public_url or str(request.url))


def begun(now: int, user_id: int | None = None, stamp: str = "") -> Session:
    """Begin a session of its own, of a person or of nobody yet."""
    return Session(id=secrets.token_urlsafe(18), expires_at=now + LIFETIME, user_id=user_id, stamp=stamp)


def read(request: Request, settings: Settings, vault: Vault, now: int) -> Session | None:
    """Return the session of a request; ``None`` when it has none, an expired one, or one that was not made here."""
    sealed = request.cookies.get(_name(_is_https(request, settings)))
    if sealed is None:
        return None
    try:
        session = msgspec.json.decode(vault.decrypt(sealed, _PURPOSE), type=Session)
    except (Unavailable, ValueError):  # whoever made this up, or kept it from a time with another secret key, has no session
        return None
    return session if session.expires_at > now else None


def put(response: Response, session: Session, request: Request, settings: Settings, vault: Vault) -> None:
    """Send the session along with a response."""
    https = _is_https(request, settings)
    response.set_cookie(
        _name(https),
        vault.encrypt(msgspec.json.encode(session).decode(), _PURPOSE),
        max_age=LIFETIME // SECOND,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )


def person_of(tx: Tx, vault: Vault, session: Session) -> Person | None:
    """Return who has logged in; ``None`` for nobody, for whoever has left, and when the password is another one now."""
    holder = None if session.user_id is None else passwords.by_id(tx, session.user_id)
    if holder is None or passwords.stamp(vault, holder) != session.stamp:
        return None
    return people.get(tx, holder.user_id)


def form_token(vault: Vault, session: Session, subject: str) -> str:
    """Return the token of a form about ``subject``, which only a page of this session can hold."""
    return vault.sign("form", f"{session.id} {subject}")


def is_own_form(vault: Vault, session: Session, subject: str, token: str) -> bool:
    """Tell whether a form with this token was on a page of this session."""
    return vault.verify("form", f"{session.id} {subject}", token)


def _is_https(request: Request, settings: Settings) -> bool:
    return (settings.http.public_url or str(request.url)).startswith("https:")


def _name(https: bool) -> str:  # noqa: FBT001 - one private question
    """Return the name of the cookie; a browser takes one with this prefix from this very host only, over HTTPS only (RFC 6265bis)."""
    return "__Host-postroom" if https else "postroom"
