"""Who is calling: an administrative client, by its key and secret over HTTP Basic (RFC 7617)."""

import binascii
import hmac
from base64 import b64decode

from postroom.dialects.postroom import errors
from postroom.directory import clients
from postroom.storage.store import Store


async def authenticate(store: Store, authorization: str | None) -> None:
    """Admit the bearer of the credentials. Raises ``ApiError``: ``unauthenticated``, ``administrative_required``.

    An unknown key and a wrong secret are answered alike.
    """
    if authorization is None:
        raise errors.unauthenticated("Key and secret of an administrative client are needed, as HTTP Basic credentials.")
    key, secret = _credentials(authorization)
    client = await store.database.read(clients.client_by_key, store.vault, key)
    if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
        raise errors.unauthenticated("The key or the secret is wrong.")
    if not client.administrative:
        raise errors.administrative_required()


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        key, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        key = colon = secret = ""
    if scheme.lower() != "basic" or not colon:
        raise errors.unauthenticated("The Authorization header holds no HTTP Basic credentials.")
    return key, secret
