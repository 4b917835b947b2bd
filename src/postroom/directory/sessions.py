"""Sessions that programs open with a person's password and are known by a token, at interfaces that have such.

Only a hash of the token is kept: the store cannot give it away, and nobody needs it back. A token has 256 random bits, so a plain hash is
enough. What people do in a browser has sessions of another kind, which are in their cookie (``pages.sessions``).
"""

import hashlib
import secrets
from typing import Final, Literal

from msgspec import Struct
from sqlalchemy import bindparam, delete, insert, select

from postroom.directory.values import storable
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import sessions, users

Kind = Literal["onlyoffice", "superoffice"]
"""The interface that a session was opened at; it is good there and nowhere else."""

MOST: Final = 1_000
"""Sessions of one person at one interface: some programs log in for each call. One more ends the oldest."""

_TOKEN_BYTES: Final = 32

# Every request with a token runs it.
_HOLDER: Final = plain.compiled(
    lambda _: (
        select(sessions.c.user_id)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.token_hash == bindparam("token_hash"), sessions.c.kind == bindparam("kind"))
        .where(sessions.c.expires_at > bindparam("now"), users.c.active)
    )
)


class Opened(Struct, frozen=True, kw_only=True):
    """A new session."""

    token: str
    """43 letters, digits, ``-`` and ``_``; shown this once."""
    expires_at: int

    def __repr__(self) -> str:
        return f"Opened(expires_at={self.expires_at})"


def begin(tx: Tx, kind: Kind, user_id: int, now: int, lifetime: int) -> Opened:
    """Open a session for ``lifetime`` milliseconds; the person is there, and has proved to be the one."""
    token, expires_at = secrets.token_urlsafe(_TOKEN_BYTES), now + lifetime
    values = {"kind": kind, "token_hash": _hashed(token), "user_id": user_id, "created_at": now, "expires_at": expires_at}
    tx.execute(insert(sessions).values(values))
    theirs = select(sessions.c.id).where(sessions.c.user_id == user_id, sessions.c.kind == kind)
    beyond = tx.execute(theirs.order_by(sessions.c.id.desc()).offset(MOST).limit(1)).scalar_one_or_none()
    if beyond is not None:
        tx.execute(delete(sessions).where(sessions.c.user_id == user_id, sessions.c.kind == kind, sessions.c.id <= beyond))
    return Opened(token=token, expires_at=expires_at)


def holder(tx: Tx, kind: Kind, token: str, now: int) -> int | None:
    """Return whose session this token is for; ``None`` for one that is unknown, over, of another kind, or of nobody active."""
    if not storable(token):
        return None
    rows = plain.run(tx, (_HOLDER, {"token_hash": _hashed(token), "kind": kind, "now": now}))[0]
    return rows[0][0] if rows else None


def end(tx: Tx, kind: Kind, token: str) -> None:
    """End a session, if there is one."""
    if storable(token):
        tx.execute(delete(sessions).where(sessions.c.token_hash == _hashed(token), sessions.c.kind == kind))


def end_all(tx: Tx, user_id: int) -> int:
    """End every session of a person, of all kinds; return how many there were."""
    return tx.execute(delete(sessions).where(sessions.c.user_id == user_id)).rowcount


def forget(tx: Tx, now: int, limit: int) -> int:
    """Forget at most ``limit`` sessions that are over; return how many were."""
    old = select(sessions.c.id).where(sessions.c.expires_at <= now).order_by(sessions.c.expires_at).limit(limit)
    return tx.execute(delete(sessions).where(sessions.c.id.in_(old))).rowcount


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
