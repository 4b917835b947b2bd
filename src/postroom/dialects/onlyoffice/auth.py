"""Who is calling (wire/onlyoffice.md §2).

Credentials are tried in this order, and the first that hold count: the token as ``asc_auth_key`` in query, form or cookie; the token as it
is in the Authorization header; HTTP Basic with name and password; the token after ``Bearer``. The original tries the first
of the tokens only, so that an old cookie shuts out whoever has a good header, too. Passwords over Basic are throttled as those at a login
are, and are not enough for a person with a second factor.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from postroom.directory import sessions
from postroom.directory.login import log_in
from postroom.storage.store import Store

KEY: Final = "asc_auth_key"
"""Name of the token in query, form and cookie."""

_MOST_TOKENS: Final = 4
"""Tokens in one place that are tried."""
_BASIC: Final = "Basic "
_BEARER: Final = "Bearer "


async def identify(store: Store, request: Request, in_query: list[str], now: int) -> int | None:
    """Return who is calling, as far as it can be told without the body; ``None``: nobody known."""
    header = request.headers.get("authorization", "").partition(",")[0].strip()  # the original cuts there
    raw = [] if header.startswith((_BASIC, _BEARER)) else [header]
    user_id = await by_token(store, [*in_query[:_MOST_TOKENS], request.cookies.get(KEY, ""), *raw], now)
    if user_id is None and header.startswith(_BASIC):
        user_id = await _by_password(store, request, header.removeprefix(_BASIC), now)
    if user_id is None and header.startswith(_BEARER):
        user_id = await by_token(store, [header.removeprefix(_BEARER).strip()], now)
    return user_id


async def by_token(store: Store, tokens: Iterable[str], now: int) -> int | None:
    """Return whose the first of the tokens is that holds."""
    for token in tokens:
        if token and (user_id := await store.database.read_briefly(sessions.holder, "onlyoffice", token, now)) is not None:
            return user_id
    return None


async def _by_password(store: Store, request: Request, encoded: str, now: int) -> int | None:
    """Check name and password. The whole of a password counts: the original cuts it at its first colon (our choice)."""
    try:
        name, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    if not colon or not name or not password:
        return None
    outcome = await log_in(store, name, password, request.client.host if request.client else "", now)
    return None if outcome.holder is None else outcome.holder.user_id
