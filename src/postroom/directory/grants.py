"""Consent of people to programs (OAuth 1.0, RFC 5849 §2): a program asks, a person allows or refuses, the program gets a token.

A request token is good for one question and one exchange, within half an hour. The verifier proves to the program's server that the
person came back to it; only its signature is kept. Where the person has to type it, it is a PIN of eight digits, and five wrong ones
end the request.

A dialect may ask as OAuth 1.0 was before its revision A: the callback is named when the person comes, and there is no verifier, neither
made nor wanted. Such a request stays one of that kind to its end.
"""

import secrets
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update

from postroom.clock import DAY, MINUTE
from postroom.directory import clients, people
from postroom.directory.callbacks import OUT_OF_BAND, allowed, check
from postroom.directory.records import RequestToken, Token
from postroom.directory.values import LARGEST_ID, storable
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import clients as clients_table
from postroom.storage.tables import request_tokens, tokens, users

LIFETIME: Final = 30 * MINUTE
"""Milliseconds from the request to the exchange."""
TRIES: Final = 5
"""Wrong verifiers with which a request token ends."""
KEPT: Final = 30 * DAY
"""How long after its end a token is kept: so long a person who has allowed something is not asked for it again."""

_NAMED_LATER: Final = ""
"""In place of a callback, in a request without a verifier: the person brings it along."""
_PIN_DIGITS: Final = 8
_VERIFIER_BYTES: Final = 24

_r: Final = request_tokens.c
_t: Final = tokens.c


class Question(Struct, frozen=True, kw_only=True):
    """What a person is asked: whether a program may do something."""

    token: str
    client_id: int
    client_name: str
    client_url: str | None
    callback: str
    scopes: frozenset[str]
    verified: bool
    """A verifier goes back with the person, as revision A has it."""

    @property
    def out_of_band(self) -> bool:
        """The person carries the verifier to the program."""
        return self.callback == OUT_OF_BAND

    @property
    def stays(self) -> bool:
        """The person stays on the page: nobody has named a callback."""
        return self.callback in {OUT_OF_BAND, _NAMED_LATER}


class Standing(Struct, frozen=True, kw_only=True):
    """A token that holds, as an operator sees it: nobody is shown the token itself."""

    id: int
    client_name: str
    user_id: int
    user_name: str
    scopes: list[str]
    created_at: int
    expires_at: int | None
    """``None``: it holds until it is revoked."""


def ask(tx: Tx, vault: Vault, client_id: int, callback: str | None, scopes: Iterable[str], now: int) -> RequestToken:  # noqa: PLR0917 - as units are called
    """Begin a request of a program for a person's consent.

    Without a callback it is one that is named later, and there is no verifier. Raises ``Invalid("callback", …)`` for one that is neither
    ``oob`` nor registered by this program, and ``TooLarge``.
    """
    if callback not in {OUT_OF_BAND, None}:
        _check_registered(tx, client_id, callback)
    callback = _NAMED_LATER if callback is None else callback
    token, secret = clients.new_credentials()
    wanted = frozenset(scopes)
    tx.execute(
        insert(request_tokens).values(
            token=token,
            secret=vault.encrypt(secret, clients.purpose("request token", token)),
            client_id=client_id,
            callback=callback,
            scopes="|".join(sorted(wanted)),
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    return RequestToken(token=token, secret=secret, client_id=client_id, callback=callback, scopes=wanted, user_id=None)


def question(tx: Tx, token: str, now: int) -> Question | None:
    """Return the question that a request token stands for; ``None`` when it is unknown, answered, expired, or of a disabled program."""
    if not storable(token):
        return None
    row = tx.execute(
        select(_r.token, _r.client_id, clients_table.c.name, clients_table.c.url, _r.callback, _r.scopes)
        .join(clients_table, clients_table.c.id == _r.client_id)
        .where(*_open(token, now), clients_table.c.active)
    ).first()
    if row is None:
        return None
    return Question(
        token=row.token,
        client_id=row.client_id,
        client_name=row.name,
        client_url=row.url,
        callback=row.callback,
        scopes=clients.split_scopes(row.scopes),
        verified=row.callback != _NAMED_LATER,
    )


def with_callback(tx: Tx, asked: Question, callback: str) -> Question:
    """Return the question with the callback that a person brought along. Raises ``Invalid("callback", …)`` as ``ask``, and ``TooLarge``."""
    _check_registered(tx, asked.client_id, callback)
    return msgspec.structs.replace(asked, callback=callback)


def allow(tx: Tx, vault: Vault, asked: Question, user_id: int, now: int) -> str | None:
    """Let a person say yes; return the verifier, if there is one.

    Raises ``NotFound("request_token", …)`` when the question was answered, or is over.
    """
    verifier = _new_verifier(asked) if asked.verified else None
    kept = None if verifier is None else _signed(vault, asked.token, verifier)
    answered = update(request_tokens).where(*_open(asked.token, now)).values(user_id=user_id, verifier=kept)
    if tx.execute(answered).rowcount == 0:
        raise NotFound("request_token", asked.token)
    return verifier


def refuse(tx: Tx, asked: Question, now: int) -> None:
    """Let a person say no, which ends the request. Raises as ``allow``."""
    if tx.execute(delete(request_tokens).where(*_open(asked.token, now))).rowcount == 0:
        raise NotFound("request_token", asked.token)


def exchange(tx: Tx, vault: Vault, token: str, verifier: str | None, now: int, expires_at: int | None) -> Token | None:  # noqa: PLR0917 - as above
    """Exchange a request token that a person has allowed for an access token, once; ``None`` for a wrong verifier (``TRIES``).

    ``verifier`` is ``None`` for a request without one, and for no other. Raises ``NotFound("request_token", …)`` when it is unknown, not
    answered yet, exchanged, expired, or of the other kind.
    """
    row = tx.execute(select(request_tokens).where(_r.token == token, _r.expires_at > now).with_for_update()).first()
    if row is None or row.user_id is None or (row.verifier is None) != (verifier is None):
        raise NotFound("request_token", token)
    own = delete(request_tokens).where(_r.id == row.id)
    if verifier is not None and not secrets.compare_digest(_signed(vault, token, verifier), row.verifier):
        wrong = row.wrong_verifiers + 1
        tx.execute(own if wrong >= TRIES else update(request_tokens).where(_r.id == row.id).values(wrong_verifiers=wrong))
        return None
    tx.execute(own)
    return clients.add_token(tx, vault, row.client_id, row.user_id, clients.split_scopes(row.scopes), now, expires_at)


def has_allowed(tx: Tx, asked: Question, user_id: int) -> bool:
    """Tell whether a person has allowed the program all of this, in tokens that were not revoked and ended no longer than ``KEPT`` ago."""
    kept = select(_t.scopes).where(_t.user_id == user_id, _t.client_id == asked.client_id, _t.revoked_at.is_(None))
    allowed = [clients.split_scopes(scopes) for scopes in tx.execute(kept).scalars()]
    return bool(allowed) and asked.scopes <= frozenset().union(*allowed)


def withdraw(tx: Tx, client_id: int, user_id: int, now: int) -> None:
    """End everything that a person has allowed a program: all tokens, and requests under way."""
    own = (_t.client_id == client_id, _t.user_id == user_id, _t.revoked_at.is_(None))
    tx.execute(update(tokens).where(*own).values(revoked_at=now))
    tx.execute(delete(request_tokens).where(_r.client_id == client_id, _r.user_id == user_id))


def standing(tx: Tx, client_id: int | None, user_id: int | None, now: int, limit: int) -> list[Standing]:
    """Return tokens that hold now, of a client, for a person, or all; the newest first."""
    chosen = [column == number for column, number in ((_t.client_id, client_id), (_t.user_id, user_id)) if number is not None]
    holds = and_(_t.revoked_at.is_(None), or_(_t.expires_at.is_(None), _t.expires_at > now))
    columns = (_t.id, clients_table.c.name.label("client_name"), _t.user_id, people.full_name().label("user_name"))
    source = tokens.join(clients_table, clients_table.c.id == _t.client_id).join(users, users.c.id == _t.user_id)
    rows = tx.execute(
        select(*columns, _t.scopes, _t.created_at, _t.expires_at)
        .select_from(source)
        .where(holds, *chosen)
        .order_by(_t.id.desc())
        .limit(limit)
    )
    return [Standing(**{**row._asdict(), "scopes": sorted(clients.split_scopes(row.scopes))}) for row in rows]


def end(tx: Tx, number: int, now: int) -> None:
    """End the token of that number (``Standing.id``) for good. Raises ``NotFound("token", number)``."""
    own = (_t.id == number, _t.revoked_at.is_(None))
    if not 0 < number <= LARGEST_ID or tx.execute(update(tokens).where(*own).values(revoked_at=now)).rowcount == 0:
        raise NotFound("token", number)


def forget_requests(tx: Tx, now: int, limit: int) -> int:
    """Forget at most ``limit`` request tokens that have expired; return how many were."""
    old = select(_r.id).where(_r.expires_at <= now).order_by(_r.expires_at).limit(limit)
    return tx.execute(delete(request_tokens).where(_r.id.in_(old))).rowcount


def forget_tokens(tx: Tx, before: int, limit: int) -> int:
    """Forget at most ``limit`` access tokens that expired, or were revoked, before a time (ms); return how many were."""
    for ended in (_t.expires_at, _t.revoked_at):
        old = select(_t.id).where(ended < before).order_by(ended).limit(limit)
        gone = tx.execute(delete(tokens).where(_t.id.in_(old))).rowcount
        if gone:
            return gone
    return 0


def _check_registered(tx: Tx, client_id: int, callback: str) -> None:
    registered = tx.execute(select(clients_table.c.callbacks).where(clients_table.c.id == client_id)).scalar_one()
    if not allowed(check(callback), str(registered).splitlines()):
        raise Invalid("callback", "this consumer has not registered it")


def _new_verifier(asked: Question) -> str:
    if asked.out_of_band:
        return "".join(secrets.choice("0123456789") for _ in range(_PIN_DIGITS))
    return secrets.token_hex(_VERIFIER_BYTES)


def _open(token: str, now: int) -> tuple[ColumnElement[bool], ...]:
    return (_r.token == token, _r.expires_at > now, _r.user_id.is_(None))


def _signed(vault: Vault, token: str, verifier: str) -> str:
    return vault.sign("verifier", f"{token} {verifier}")
