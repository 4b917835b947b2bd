"""Who is calling: the signature, and the person for whom (wire/schoology.md §2).

Three ways to act for a person: a personal key, without a token; an access token with the scope ``schoology``; an administrative
client with ``X-Schoology-Run-As``. A client alone is nobody's, and calls only what needs nobody.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from postroom.clock import SECOND
from postroom.dialects import oauth1
from postroom.dialects.oauth1 import Claim, Refused, Replayed
from postroom.dialects.parameters import Pairs
from postroom.dialects.schoology import errors
from postroom.dialects.schoology.call import Caller
from postroom.dialects.schoology.scopes import SCOPE
from postroom.dialects.signed_call import Nonce
from postroom.directory import clients, people
from postroom.directory.callbacks import is_loopback
from postroom.directory.records import Client, RequestToken, Token
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.store import Store

RUN_AS: Final = "X-Schoology-Run-As"

_NUMBER: Final = re.compile(r"[0-9]{1,20}")


class _Identity(Struct, frozen=True, kw_only=True):
    """What the store knows of a claim."""

    client: Client | None
    token: Token | RequestToken | None
    runs_as: int | None
    """The person whom an administrative client names in ``RUN_AS``, if there and active."""


async def authenticate(store: Store, scope: Mapping[str, Any], pairs: Pairs, run_as: str | None, now: int, *, exchanges: bool) -> Caller:
    """Verify the signature of a request, and find the person for whom it is made. The nonce is not used up yet.

    ``pairs`` are those of header and query, repeated ones included: bodies are not signed. ``run_as`` is the header ``RUN_AS``. With
    ``exchanges`` the token is a request token that is to be exchanged. Raises ``SchoologyError`` and ``OAuthError``.
    """
    settings = store.settings
    claim = oauth1.read_claim(pairs, now // SECOND, settings.oauth.timestamp_window)
    if claim is None:
        raise errors.unsigned()
    if (exchanges or claim.method == "PLAINTEXT") and not (settings.oauth.plaintext_over_http or is_private(scope, settings)):
        raise errors.unauthorized("This is accepted over HTTPS only: the PLAINTEXT signature method, and answers that hold secrets.")
    wanted = int(run_as) if run_as and _NUMBER.fullmatch(run_as) else None
    identity = await store.database.look_up(_look_up, store.vault, claim, wanted, exchanges, now)
    client, token = identity.client, identity.token
    if client is None or (claim.token is not None and (token is None or token.client_id != client.id)):
        raise errors.unknown_caller(claim.consumer_key, claim.token)
    urls = oauth1.client_urls(scope, settings.http.public_url, settings.schoology.authorities)
    nonce = Nonce(client_id=client.id, timestamp=claim.timestamp, nonce=claim.nonce)
    try:
        oauth1.verify(claim, scope["method"], urls, client.secret, "" if token is None else token.secret)
    except Refused:  # a header that is repeated for another URL, after a redirect, is told what it is first of all (§2.2)
        if await store.database.read_briefly(clients.has_used_nonce, nonce.client_id, nonce.timestamp, nonce.nonce):
            raise Replayed(nonce.nonce) from None
        raise
    request_token = token.token if isinstance(token, RequestToken) else None
    return Caller(client=client, user_id=_person(identity, client, run_as), request_token=request_token, nonce=nonce)


def is_private(scope: Mapping[str, Any], settings: Settings) -> bool:
    """Tell whether nobody on the way can read the request: HTTPS, or this very machine. The Host header says nothing about that (§5.2)."""
    public = settings.http.public_url
    if scope["scheme"] == "https" or public.startswith("https:"):
        return True
    return is_loopback(public) if public else _is_here(scope.get("client"))


def _is_here(address: tuple[str, int] | None) -> bool:
    if address is None:  # a socket in the file system
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False


def _look_up(tx: Tx, vault: Vault, claim: Claim, wanted: int | None, exchanges: bool, now: int) -> _Identity:  # noqa: FBT001, PLR0917 - as units are called
    client = clients.client_by_key(tx, vault, claim.consumer_key)
    token: Token | RequestToken | None = None
    if client is not None and claim.token is not None:
        by_key = clients.request_token_by_key if exchanges else clients.token_by_key
        token = by_key(tx, vault, claim.token, now)
    runs_as = None
    if client is not None and client.administrative and wanted is not None:
        runs_as = next(iter(people.existing_ids(tx, [wanted])), None)
    return _Identity(client=client, token=token, runs_as=runs_as)


def _person(identity: _Identity, client: Client, run_as: str | None) -> int | None:
    """Return the person for whom a caller whose signature is right may act (§2.4)."""
    token = identity.token
    if run_as is not None:
        if client.administrative and not _NUMBER.fullmatch(run_as):
            raise errors.not_found()
        if identity.runs_as is None:
            raise errors.forbidden()
        return identity.runs_as
    if isinstance(token, RequestToken):
        return None
    if token is None:
        return client.user_id
    if SCOPE not in token.scopes:
        raise errors.unauthorized(f"The token lacks the scope {SCOPE}")
    return token.user_id
