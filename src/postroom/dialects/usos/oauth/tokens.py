"""services/oauth: request tokens, access tokens, and their end (wire/usos.md §2.2, §2.4)."""

from typing import Annotated, Final

from msgspec import Struct

from postroom.clock import SECOND
from postroom.dialects.endpoint import Access, ErrorCase, endpoint
from postroom.dialects.oauth1 import Form, Refused
from postroom.dialects.usos.arguments import boolean, text, texts
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.scopes import OFFLINE, SCOPES
from postroom.directory import clients, grants
from postroom.directory.values import MAX_URL
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx

_MODULE: Final = "services/oauth/"
_LONGEST_VERIFIER: Final = 255


class Asked(Struct, frozen=True):
    """Arguments of ``request_token``."""

    oauth_callback: Annotated[
        str,
        text("URL that the person is sent back to, one that this consumer has registered; or oob.", MAX_URL, required=True),
    ]
    scopes: Annotated[list[str] | None, texts("Scopes that the program needs; without any the token tells who the person is, no more.")]


class Exchanged(Struct, frozen=True):
    """Arguments of ``access_token``."""

    oauth_verifier: Annotated[str, text("What the person came back with, or typed in.", _LONGEST_VERIFIER, required=True)]


class Ended(Struct, frozen=True):
    """Arguments of ``revoke_token``."""

    deauthorize: Annotated[bool, boolean("End all that the person has allowed this consumer, not only this token.", default="false")]


@endpoint(
    _MODULE + "request_token",
    Asked,
    access=Access(consumer="required", token="ignored"),  # noqa: S106 - a need, no token
    returns="An urlencoded body: oauth_token, oauth_token_secret, oauth_callback_confirmed=true.",
    errors=(
        ErrorCase(
            error="param_invalid",
            param_names=("oauth_callback", "scopes"),
            description="the callback is not registered by this consumer, or there is no such scope",
        ),
    ),
)
async def request_token(call: Call, given: Asked) -> Form:
    """Begin to ask a person for consent.

    The request token is good for half an hour and one access token.
    """
    wanted = given.scopes or []
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        raise Invalid("scopes", f"there is no scope {unknown[0]!r}")
    made = await call.write(grants.ask, call.store.vault, call.client.id, given.oauth_callback, wanted, call.now)
    return Form((("oauth_token", made.token), ("oauth_token_secret", made.secret), ("oauth_callback_confirmed", "true")))


@endpoint(
    _MODULE + "access_token",
    Exchanged,
    access=Access(consumer="required", token="required", request_token=True, secure=True),  # noqa: S106 - as above
    returns="An urlencoded body: oauth_token, oauth_token_secret. More may be added.",
)
async def access_token(call: Call, given: Exchanged) -> Form:
    """Exchange a request token that the person has allowed for an access token.

    The access token holds for two hours, or until it is revoked if the scope offline_access was allowed.
    """
    if call.caller.token is None:  # as_user_id stands instead of a token elsewhere, but nobody has consented here
        raise Refused("Invalid token")
    lifetime = call.store.settings.oauth.token_lifetime * SECOND
    expires_at = None if OFFLINE in call.caller.scopes else call.now + lifetime
    try:
        made = await call.write(grants.exchange, call.store.vault, call.caller.token, given.oauth_verifier, call.now, expires_at)
    except NotFound:
        raise Refused("Invalid token: it was used already, or its user has not authorised it yet.") from None
    if made is None:
        raise Refused("Invalid verifier")
    return Form((("oauth_token", made.token), ("oauth_token_secret", made.secret)))


@endpoint(
    _MODULE + "revoke_token",
    Ended,
    access=Access(consumer="required", token="required"),  # noqa: S106 - as above
    returns="An empty dictionary.",
)
async def revoke_token(call: Call, given: Ended) -> dict[str, object]:
    """End the access token that the request is signed with.

    With deauthorize all tokens of this consumer for this person end, and the person will be asked again.
    """
    if call.caller.token is None:  # as_user_id stands instead of a token elsewhere, but there is none to end
        raise Refused("Invalid token")
    await call.write(_end, call.client.id, call.user_id, call.caller.token, call.now, everything=given.deauthorize)
    return {}


def _end(tx: Tx, client_id: int, user_id: int, token: str, now: int, *, everything: bool) -> None:
    if everything:
        grants.withdraw(tx, client_id, user_id, now)
    else:
        clients.revoke_token(tx, token, now)
