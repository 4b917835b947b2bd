"""Passwords of people: how they are kept, whose is asked for, and what a session is bound to.

Only a hash is kept (Argon2id, with its parameters in it). Hashing takes some 50 ms and 64 MiB on purpose, so an event loop leaves it to
a thread: ``digest`` and ``matches`` know nothing of the store.
"""

import unicodedata
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct
from sqlalchemy import Row, case, func, or_, select, update

from postroom.directory.values import LARGEST_ID, MAX_KEY, storable
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.mailbox import MAX_EMAIL
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import users

SHORTEST: Final = 8
LONGEST: Final = 1_000

_HASHER: Final = PasswordHasher()


class Holder(Struct, frozen=True, kw_only=True):
    """Somebody who may log in."""

    user_id: int
    password_hash: str
    second_factor: bool = False
    """A code is needed beside the password (``totp``)."""

    def __repr__(self) -> str:
        return f"Holder(user_id={self.user_id})"


def check(password: str) -> None:
    """Check a new password. Raises ``Invalid("password", …)`` for one under 8 characters, ``TooLarge`` for one over 1,000."""
    if len(password) < SHORTEST:
        raise Invalid("password", f"it must have {SHORTEST} characters or more")
    if len(password) > LONGEST:
        raise TooLarge("password", LONGEST)


def digest(password: str) -> str:
    """Hash a password. Slow on purpose."""
    return _HASHER.hash(_normal(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Compare a password with its hash; without a hash, as for somebody unknown, it takes as long and is wrong. Slow on purpose."""
    if len(password) > LONGEST:
        return False
    try:
        right = _HASHER.verify(password_hash or _of_nobody(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return right and password_hash is not None


def outdated(password_hash: str) -> bool:
    """Tell whether a hash was made with other parameters than new ones are, so that it is to be made anew at the next login."""
    return _HASHER.check_needs_rehash(password_hash)


def holder(tx: Tx, name: str) -> Holder | None:
    """Return the active person with a password whose ``uid``, primary address (in any case of letters) or number ``name`` is.

    The ``uid`` goes first: people know it, while the number is ours. An address that several people share is nobody's.
    """
    name = name.strip()
    if not name or len(name) > max(MAX_KEY, MAX_EMAIL) or not storable(name):
        return None
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= len(str(LARGEST_ID)) and int(name) <= LARGEST_ID else 0
    found = tx.execute(
        select(users.c.id, users.c.uid, users.c.password_hash, users.c.totp_secret)
        .where(or_(users.c.uid == name, users.c.id == number, func.lower(users.c.email) == func.lower(name)), users.c.active)
        .order_by(case((users.c.uid == name, 0), else_=1))
        .limit(2)
    ).all()
    row = found[0] if found and (len(found) == 1 or found[0].uid == name) else None
    return None if row is None else _held(row.id, row)


def keep(tx: Tx, user_id: int, password_hash: str, now: int) -> None:
    """Give a person a password by its hash, which ends the sessions that were opened with another one. Raises ``NotFound("user", id)``."""
    known = 0 < user_id <= LARGEST_ID
    if (
        not known
        or tx.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash, modified_at=now)).rowcount == 0
    ):
        raise NotFound("user", user_id)


def stamp(vault: Vault, held: Holder) -> str:
    """Return what a session of this person is bound to: another password makes another stamp."""
    return vault.sign("session", f"{held.user_id} {held.password_hash}")


def by_id(tx: Tx, user_id: int) -> Holder | None:
    """Return the person with this number, if active and with a password."""
    row = tx.execute(select(users.c.password_hash, users.c.totp_secret).where(users.c.id == user_id, users.c.active)).first()
    return None if row is None else _held(user_id, row)


def _held(user_id: int, row: Row[*tuple[Any, ...]]) -> Holder | None:
    if row.password_hash is None:
        return None
    return Holder(user_id=user_id, password_hash=row.password_hash, second_factor=row.totp_secret is not None)


@cache
def _of_nobody() -> str:
    return _HASHER.hash("the password of nobody")


def _normal(password: str) -> bytes:
    """Bring a password into one form, whatever keyboard it was typed on (RFC 8265 §4.2: NFC)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
