"""Programs that call the API, the tokens by which they act for people, and the nonces of their signed requests.

Keys and secrets are drawn at random. Secrets are encrypted at rest, each bound to its own key, since HMAC needs them back.
"""

import secrets
import string
from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, delete, insert, or_, select, tuple_, update

from postroom.directory import contacts
from postroom.directory.contacts import Contact
from postroom.directory.inserting import insert_for
from postroom.directory.records import Client, RequestToken, Token
from postroom.directory.values import LARGEST_ID, MAX_NAME, check_line, storable
from postroom.errors import Invalid, NotFound
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import clients, nonces, request_tokens, tokens, users

KEY_LENGTH: Final = 20
SECRET_LENGTH: Final = 40

_ALPHABET: Final = string.ascii_letters + string.digits

# Every signed request runs these three.
_CLIENT: Final = plain.compiled(
    lambda _: (
        select(clients.c.id, clients.c.secret, clients.c.name, clients.c.administrative, clients.c.user_id)
        .where(clients.c.key == bindparam("key"), clients.c.active)
        .where(or_(clients.c.user_id.is_(None), select(users.c.id).where(users.c.id == clients.c.user_id, users.c.active).exists()))
    )
)
_TOKEN: Final = plain.compiled(
    lambda _: (
        select(tokens.c.secret, tokens.c.client_id, tokens.c.user_id, tokens.c.scopes)
        .join(users, users.c.id == tokens.c.user_id)
        .where(tokens.c.token == bindparam("token"), tokens.c.revoked_at.is_(None), users.c.active)
        .where(or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > bindparam("now")))
    )
)
_CLAIM_NONCE: Final = plain.compiled(
    lambda dialect: (
        insert_for(dialect, nonces)
        .values({name: bindparam(name) for name in ("client_id", "timestamp", "nonce")})
        .on_conflict_do_nothing()
        .returning(nonces.c.nonce)
    )
)


def add_client(
    tx: Tx, vault: Vault, name: str, *, administrative: bool, now: int, contact: Contact | None = None, user_id: int | None = None
) -> Client:
    """Register a program; return it with its new key and secret. An administrative one may act for anybody without a token.

    With ``user_id`` it is a personal key, which acts for that person. Raises ``Invalid`` for a name that is empty or not one line and
    for a malformed ``url``, ``email`` or ``callback``, ``TooLarge``, and ``NotFound("user", id)``.
    """
    name = check_line("name", name, MAX_NAME, required=True)
    if user_id is not None:
        _check_exists(tx, "user", user_id)
    known = contacts.checked(contact or Contact())
    key, secret = new_credentials()
    values = {"key": key, "secret": vault.encrypt(secret, purpose("client", key)), "name": name}
    statement = insert(clients).values(values).values(**known, administrative=administrative, user_id=user_id, created_at=now)
    number = tx.execute(statement.returning(clients.c.id)).scalar_one()
    return Client(id=number, key=key, secret=secret, name=name, administrative=administrative, user_id=user_id)


def client_by_key(tx: Tx, vault: Vault, key: str) -> Client | None:
    """Return the active client with this key; a personal key ends with its person.

    Raises ``Unavailable`` when the secret key of the installation was changed.
    """
    if not storable(key):
        return None
    rows = plain.run(tx, (_CLIENT, {"key": key}))[0]
    if not rows:
        return None
    number, secret, name, administrative, user_id = rows[0]
    secret = vault.decrypt(secret, purpose("client", key))
    return Client(id=number, key=key, secret=secret, name=name, administrative=bool(administrative), user_id=user_id)


def disable_client(tx: Tx, key: str) -> None:
    """Let a program call no more, and its tokens with it. Raises ``NotFound("client", key)``."""
    if not storable(key) or tx.execute(update(clients).where(clients.c.key == key).values(active=False)).rowcount == 0:
        raise NotFound("client", key)


def check_vault(tx: Tx, vault: Vault) -> None:
    """Check that the vault opens what the store holds, by one secret of a client. Raises ``Unavailable`` when it does not."""
    row = tx.execute(select(clients.c.key, clients.c.secret).limit(1)).first()
    if row is not None:
        vault.decrypt(row.secret, purpose("client", row.key))


def add_token(  # noqa: PLR0917 - the order in which every rule takes them
    tx: Tx, vault: Vault, client_id: int, user_id: int, scopes: Iterable[str], now: int, expires_at: int | None = None
) -> Token:
    """Let a client act for a person within ``scopes``, until ``expires_at`` (milliseconds; ``None``: for good); return the new token.

    Raises ``NotFound`` (``client``, ``user``), or ``Invalid`` for the name of a scope that is empty, holds ``|`` or is no line.
    """
    granted = frozenset(scopes)
    for scope in granted:
        if not scope or "|" in scope or not storable(scope):
            raise Invalid("scopes", f"{scope!r} is no name of a scope")
    _check_exists(tx, "client", client_id)
    _check_exists(tx, "user", user_id)
    token, secret = new_credentials()
    values = {"token": token, "secret": vault.encrypt(secret, purpose("token", token)), "client_id": client_id, "user_id": user_id}
    tx.execute(insert(tokens).values(values).values(scopes="|".join(sorted(granted)), created_at=now, expires_at=expires_at))
    return Token(token=token, secret=secret, client_id=client_id, user_id=user_id, scopes=granted)


def token_by_key(tx: Tx, vault: Vault, token: str, now: int) -> Token | None:
    """Return a token that holds: not revoked, not expired, of an active person. Raises ``Unavailable`` as ``client_by_key`` does."""
    if not storable(token):
        return None
    rows = plain.run(tx, (_TOKEN, {"token": token, "now": now}))[0]
    if not rows:
        return None
    secret, client_id, user_id, scopes = rows[0]
    secret = vault.decrypt(secret, purpose("token", token))
    return Token(token=token, secret=secret, client_id=client_id, user_id=user_id, scopes=split_scopes(scopes))


def request_token_by_key(tx: Tx, vault: Vault, token: str, now: int) -> RequestToken | None:
    """Return a request token that was neither exchanged nor has expired. Raises ``Unavailable`` as ``client_by_key`` does."""
    if not storable(token):
        return None
    alive = (request_tokens.c.token == token, request_tokens.c.expires_at > now)
    row = tx.execute(select(request_tokens).where(*alive)).first()
    if row is None:
        return None
    return RequestToken(
        token=row.token,
        secret=vault.decrypt(row.secret, purpose("request token", token)),
        client_id=row.client_id,
        callback=row.callback,
        scopes=split_scopes(row.scopes),
        user_id=row.user_id,
    )


def revoke_token(tx: Tx, token: str, now: int) -> None:
    """End a token for good; the date of an earlier revocation stays. Raises ``NotFound("token", token)``."""
    if not storable(token) or tx.execute(select(tokens.c.id).where(tokens.c.token == token)).first() is None:
        raise NotFound("token", token)
    tx.execute(update(tokens).where(tokens.c.token == token, tokens.c.revoked_at.is_(None)).values(revoked_at=now))


def new_credentials() -> tuple[str, str]:
    """Draw a key and its secret: 20 and 40 letters and digits."""
    return _random(KEY_LENGTH), _random(SECRET_LENGTH)


def split_scopes(kept: str) -> frozenset[str]:
    """Read scopes as they are kept, separated by ``|``."""
    return frozenset(kept.split("|")) if kept else frozenset()


def purpose(kind: str, key: str) -> str:
    """Bind a sealed secret to its own row: moved to another one, it cannot be opened."""
    return f"{kind} {key}"


def claim_nonce(tx: Tx, client_id: int, timestamp: int, nonce: str) -> bool:
    """Use a nonce up; ``False`` when this client used it with this timestamp (seconds, as sent) before (RFC 5849 §3.3).

    Raises ``Invalid`` for a nonce that cannot be stored.
    """
    if not storable(nonce):
        raise Invalid("oauth_nonce", "control characters are not allowed")
    values = {"client_id": client_id, "timestamp": timestamp, "nonce": nonce}
    return bool(plain.run(tx, (_CLAIM_NONCE, values))[0])


def has_used_nonce(tx: Tx, client_id: int, timestamp: int, nonce: str) -> bool:
    """Tell whether this client has used a nonce up with this timestamp."""
    own = (nonces.c.client_id == client_id, nonces.c.timestamp == timestamp, nonces.c.nonce == nonce)
    return storable(nonce) and tx.execute(select(nonces.c.nonce).where(*own)).first() is not None


def prune_nonces(tx: Tx, before_timestamp: int, limit: int) -> int:
    """Forget at most ``limit`` nonces with timestamps (seconds) before ``before_timestamp``; return how many were."""
    key = (nonces.c.client_id, nonces.c.timestamp, nonces.c.nonce)
    old = select(*key).where(nonces.c.timestamp < before_timestamp).order_by(nonces.c.timestamp).limit(limit)
    return tx.execute(delete(nonces).where(tuple_(*key).in_(old))).rowcount


def _check_exists(tx: Tx, kind: str, number: int) -> None:
    table = {"client": clients, "user": users}[kind]
    if not 0 < number <= LARGEST_ID or tx.execute(select(table.c.id).where(table.c.id == number)).first() is None:
        raise NotFound(kind, number)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
