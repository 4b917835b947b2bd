"""Calls that are made once, however often a client repeats them: it gives each a key of its own choice, for all dialects.

The answer is kept in the transaction that does the work. Within ``LIFETIME`` the same key with the same request gets that answer
again and nothing more is done; with another request it is refused. A call that failed keeps nothing: it may be tried
again under its key. (The header is that of the IETF draft draft-ietf-httpapi-idempotency-key-header.)
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import delete, select, tuple_, update

from postroom.clock import DAY
from postroom.directory.inserting import insert_into
from postroom.errors import Invalid
from postroom.messages.texts import check_line
from postroom.storage.database import Tx
from postroom.storage.tables import idempotency_keys

LIFETIME: Final = DAY
"""Milliseconds that an answer is kept."""
MAX_KEY: Final = 255
HEADER: Final = "Idempotency-Key"
PARAMETER: Final = "idempotency_key"

_k: Final = idempotency_keys.c


class Once(Struct, frozen=True, kw_only=True):
    """A request that its client wants done once."""

    owner: str
    """Dialect, program and person, who have keys of their own."""
    key: str
    digest: str
    """Of everything that the request asks for (``digest_of``)."""


def check_key(key: str) -> None:
    """Check that a key can be kept. Raises ``Invalid("idempotency_key", …)`` for an empty one, ``TooLarge`` beyond 255 characters."""
    if not key.strip():
        raise Invalid(PARAMETER, "it is empty")
    check_line(PARAMETER, key, MAX_KEY)


def digest_of(method: str, parts: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a request: its method and its named parts, in whatever order they came."""
    return hashlib.sha256(msgspec.json.encode([method, sorted(parts)])).hexdigest()


def once(tx: Tx, request: Once, now: int, work: Callable[[Tx], Any]) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Do the work and keep its answer, or return the one that is kept; three statements more than the work, or two.

    The answer is made of what JSON can hold. Of two simultaneous calls one works and the other waits for its end.
    Raises ``Invalid("idempotency_key", …)`` for a key that came with another request before, and what ``work`` raises.
    """
    own = (_k.owner == request.owner, _k.key == request.key)
    reserved = insert_into(tx, idempotency_keys).values(
        owner=request.owner, key=request.key, digest=request.digest, answer="", created_at=now
    )
    statement = reserved.on_conflict_do_update(
        index_elements=[_k.owner, _k.key],
        set_={"digest": request.digest, "answer": "", "created_at": now},
        where=_k.created_at <= now - LIFETIME,
    ).returning(_k.key)
    if tx.execute(statement).first() is None:
        return _kept(tx, request)
    answer = work(tx)
    tx.execute(update(idempotency_keys).where(*own).values(answer=msgspec.json.encode(answer).decode()))
    return answer


def forget(tx: Tx, before: int, limit: int) -> int:
    """Forget at most ``limit`` answers that were kept before a time (ms); return how many were."""
    old = select(_k.owner, _k.key).where(_k.created_at <= before).order_by(_k.created_at).limit(limit)
    return tx.execute(delete(idempotency_keys).where(tuple_(_k.owner, _k.key).in_(old))).rowcount


def _kept(tx: Tx, request: Once) -> Any:  # noqa: ANN401 - as above
    row = tx.execute(select(_k.digest, _k.answer).where(_k.owner == request.owner, _k.key == request.key)).one()
    if row.digest != request.digest:
        raise Invalid(PARAMETER, "it was given with another request before")
    return msgspec.json.decode(row.answer)
