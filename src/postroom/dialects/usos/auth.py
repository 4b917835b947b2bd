"""Who is calling: the signature, the token, ``as_user_id``, and what the method demands (wire/usos.md §2, §7).

Two ways in: an ordinary consumer with a token of the right scopes, and an administrative consumer, which needs no scopes,
with a token or with ``as_user_id``. The setting ``usos.administrative_mail`` closes the first one for services/mailclient.
What a method ignores is not even looked at; what is optional must be right where it is given.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from postroom.clock import SECOND
from postroom.dialects import oauth1
from postroom.dialects.endpoint import Access, Endpoint
from postroom.dialects.oauth1 import Claim
from postroom.dialects.parameters import Pairs, length
from postroom.dialects.signed_call import Nonce
from postroom.dialects.threads import aside
from postroom.dialects.usos import errors
from postroom.dialects.usos.arguments import number
from postroom.dialects.usos.call import Caller
from postroom.directory import clients, people
from postroom.directory.callbacks import is_loopback
from postroom.directory.records import Client, RequestToken, Token
from postroom.settings import UsosSettings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.store import Store

AS_USER = "as_user_id"


class _Identity(Struct, frozen=True, kw_only=True):
    """What the store knows of a claim."""

    client: Client | None
    token: Token | RequestToken | None
    person_exists: bool
    """The person whom ``as_user_id`` names is there and active."""


async def authenticate(store: Store, scope: Mapping[str, Any], pairs: Pairs, endpoint: Endpoint[Any, Any], now: int) -> Caller:
    """Verify the signature of a request and that its sender may call the method. The nonce is not used up yet.

    ``pairs`` are the distinct signed pairs: header, query and urlencoded body. Raises ``UsosError`` and ``OAuthError``.
    """
    access = endpoint.access
    if access.consumer == "ignored":
        return Caller()
    settings = store.settings
    claim = oauth1.read_claim(pairs, now // SECOND, settings.oauth.timestamp_window)
    if claim is None:
        if access.consumer == "required":
            raise errors.method_forbidden("consumer_missing")
        return Caller()
    url = oauth1.client_url(scope, settings.http.public_url)
    _check_connection(claim, access, url, plaintext_over_http=settings.oauth.plaintext_over_http)
    as_user = None if access.token == "ignored" else _as_user(pairs)  # noqa: S105 - a need, no token
    identity = await store.database.look_up(_look_up, store.vault, claim, as_user, access, now)
    client = await aside(length(claim.signed), _verified, identity, claim, scope["method"], url)
    if access.is_administrative(configured=settings.usos.administrative_mail) and not client.administrative:
        raise errors.method_forbidden("trusted_required")
    nonce = Nonce(client_id=client.id, timestamp=claim.timestamp, nonce=claim.nonce)
    user_id, scopes = _admit(identity, client, as_user, endpoint)
    key = None if identity.token is None else identity.token.token
    return Caller(client=client, user_id=user_id, scopes=scopes, token=key, nonce=nonce)


def _check_connection(claim: Claim, access: Access, url: str, *, plaintext_over_http: bool) -> None:
    """Refuse what would show a secret on its way: of a signature in PLAINTEXT, or in the answer where that leaves the machine."""
    if plaintext_over_http or url.startswith("https:"):
        return
    if claim.method == "PLAINTEXT" or (access.secure and not is_loopback(url)):
        raise errors.method_forbidden("secure_required")


def administers(settings: UsosSettings, client: Client, endpoint: Endpoint[Any, Any]) -> bool:
    """Tell whether a method is for administrative consumers only, and the client is one."""
    return client.administrative and endpoint.access.is_administrative(configured=settings.administrative_mail)


def _as_user(pairs: Pairs) -> str | None:
    named = [value for name, value in pairs if name == AS_USER and value]
    if len(named) > 1:
        raise errors.param_invalid(AS_USER, "it was given more than once, with different values")
    return named[0] if named else None


def _look_up(tx: Tx, vault: Vault, claim: Claim, as_user: str | None, access: Access, now: int) -> _Identity:  # noqa: PLR0917 - as units are called
    client = clients.client_by_key(tx, vault, claim.consumer_key)
    token: Token | RequestToken | None = None
    if client is not None and claim.token is not None:
        by_key = clients.request_token_by_key if access.request_token else clients.token_by_key
        token = by_key(tx, vault, claim.token, now)
    return _Identity(
        client=client,
        token=token,
        person_exists=client is not None and client.administrative and as_user is not None and _exists(tx, number(as_user)),
    )


def _exists(tx: Tx, user_id: int) -> bool:
    return bool(people.existing_ids(tx, [user_id]))


def _verified(identity: _Identity, claim: Claim, http_method: str, url: str) -> Client:
    """Return the client, once the signature is right.

    Where a method ignores the token, the signature may all the same have been made with one, so it counts if it is known.
    """
    client, token = identity.client, identity.token
    if client is None:
        raise oauth1.Refused("Invalid consumer")
    if claim.token is not None and (token is None or token.client_id != client.id):
        raise oauth1.Refused("Invalid token")
    oauth1.verify(claim, http_method, [url], client.secret, "" if token is None else token.secret)
    return client


def _admit(identity: _Identity, client: Client, as_user: str | None, endpoint: Endpoint[Any, Any]) -> tuple[int | None, frozenset[str]]:
    """Check for whom a caller whose signature is right may act; return that person, and within what."""
    token, access = identity.token, endpoint.access
    if access.token == "ignored":  # noqa: S105 - a need, no token
        return None, frozenset()
    if as_user is not None:
        if not client.administrative:
            raise errors.method_forbidden("impersonate_required")
        if token is not None:
            raise errors.param_forbidden(AS_USER, "token_present", "it stands instead of an access token, not beside one")
        if not identity.person_exists:
            raise errors.object_not_found(AS_USER, endpoint.name)
        return number(as_user), frozenset()
    if token is None:
        if access.token == "required":  # noqa: S105 - a need, no token
            raise errors.method_forbidden("user_missing")
        return None, frozenset()
    missing = [] if client.administrative else [scope for scope in access.scopes if scope not in token.scopes]
    if missing:
        raise errors.method_forbidden("scope_missing", missing)
    return token.user_id, token.scopes
