"""Logging in (wire/onlyoffice.md §2): a name and a password, and a code where the person has a second factor, for a token."""

from typing import Final

from msgspec import Struct

from postroom.clock import DAY, SECOND
from postroom.dialects.onlyoffice import dates, errors
from postroom.dialects.onlyoffice.auth import KEY
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.operation import Operations, operation
from postroom.directory import sessions
from postroom.directory.login import log_in


class Credentials(Struct, frozen=True, kw_only=True, rename="camel"):
    """Who wants in. Other ways than by password are read, and fail."""

    user_name: str = ""
    password: str = ""
    provider: str = ""
    access_token: str = ""
    code_o_auth: str = ""


class CredentialsAndCode(Credentials, frozen=True, kw_only=True, rename="camel"):
    """Who wants in, with a second factor."""

    code: str


class CredentialsAndPhone(Credentials, frozen=True, kw_only=True, rename="camel"):
    """Who wants codes by telephone."""

    mobile_phone: str = ""


class AuthenticationToken(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What logging in gives. Keys that would hold their default are left out, but for ``token``."""

    token: str | None
    """``None`` while a code is awaited."""
    expires: str | None = None
    tfa: bool = False
    """A code of an authenticator app is needed, or was given."""


@operation("POST", "/authentication", Credentials, result=AuthenticationToken, public=True)
async def authenticate(call: Call, given: Credentials) -> AuthenticationToken:
    """Log in with a password.

    The name is the primary address, the uid or the number of a person. The token also comes as the cookie ``asc_auth_key``. Whoever has a
    second factor gets ``tfa`` and no token, and calls ``authentication/{code}``.
    """
    return await _log_in(call, given, None)


@operation("POST", "/authentication/{code}", CredentialsAndCode, result=AuthenticationToken, public=True)
async def authenticate_with_code(call: Call, given: CredentialsAndCode) -> AuthenticationToken:
    """Log in with a password and the code of an authenticator app, which is good once."""
    return await _log_in(call, given, given.code)


@operation("POST", "/authentication/setphone", CredentialsAndPhone, result=AuthenticationToken, public=True)
async def set_phone(call: Call, given: CredentialsAndPhone) -> AuthenticationToken:  # noqa: ARG001 - as every handler
    """Refuse a telephone number: codes come from authenticator apps here (our choice)."""
    raise errors.forbidden("Codes are not sent by telephone here.")


@operation("POST", "/authentication/sendsms", Credentials, result=AuthenticationToken, public=True)
async def send_sms(call: Call, given: Credentials) -> AuthenticationToken:  # noqa: ARG001 - as every handler
    """Refuse to send a code: they come from authenticator apps here (our choice)."""
    raise errors.forbidden("Codes are not sent by telephone here.")


OPERATIONS: Final[Operations] = (authenticate, authenticate_with_code, set_phone, send_sms)


async def _log_in(call: Call, given: Credentials, code: str | None) -> AuthenticationToken:
    if given.provider not in {"", "email"} or not given.user_name or not given.password:
        raise errors.authentication_failed()
    outcome = await log_in(call.store, given.user_name, given.password, call.address, call.now, code)
    if outcome.wait:
        raise errors.too_many_attempts(-(-outcome.wait // SECOND))
    if outcome.needs_code:
        return AuthenticationToken(token=None, tfa=True)
    if outcome.holder is None:
        raise errors.authentication_failed()
    lifetime = call.settings.onlyoffice.session_days * DAY
    opened = await call.write(sessions.begin, "onlyoffice", outcome.holder.user_id, call.now, lifetime)
    call.headers["Set-Cookie"] = _cookie(call, opened.token, lifetime)
    return AuthenticationToken(token=opened.token, expires=dates.moment(opened.expires_at, call.zone), tfa=code is not None)


def _cookie(call: Call, token: str, lifetime: int) -> str:
    """Return the cookie; a form on another site does not bring it along (our choice), which would be enough to send mail with it."""
    private = call.settings.public_url.startswith("https:") or call.request.url.scheme == "https"
    secure = "; Secure" if private else ""
    return f"{KEY}={token}; Path=/; Max-Age={lifetime // SECOND}; HttpOnly; SameSite=Lax{secure}"
