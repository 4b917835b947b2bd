"""The second factor: codes of six digits that a person's device makes from the time and a secret (TOTP, RFC 6238).

Each code is good once, for its own 30 seconds and those before and after, since clocks differ. The secret is encrypted at rest, bound to
its person, and is shown once, when it is made.
"""

import base64
import hmac
import secrets
from typing import Final
from urllib.parse import quote, urlencode

from sqlalchemy import select, update

from postroom.clock import SECOND
from postroom.directory import people
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import users

DIGITS: Final = 6
PERIOD: Final = 30
"""Seconds."""

_SKEW: Final = 1
"""Periods that a device's clock may be early or late (RFC 6238 §5.2)."""
_SECRET_BYTES: Final = 20
"""As long as a digest of HMAC-SHA-1 (RFC 4226 §4, R6)."""


def enrol(tx: Tx, vault: Vault, user_id: int) -> str:
    """Give a person a new secret, which ends an older one; return it in base32. Raises ``NotFound("user", id)``."""
    people.get(tx, user_id)
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
    sealed = vault.encrypt(secret, _purpose(user_id))
    tx.execute(update(users).where(users.c.id == user_id).values(totp_secret=sealed, totp_last=0))
    return secret


def remove(tx: Tx, user_id: int) -> None:
    """Let the password alone be enough again. Raises ``NotFound("user", id)``."""
    people.get(tx, user_id)
    tx.execute(update(users).where(users.c.id == user_id).values(totp_secret=None, totp_last=0))


def use(tx: Tx, vault: Vault, user_id: int, code: str, now: int) -> bool:
    """Use a code up; ``False`` for one that is wrong or was used, and for a person without a secret.

    Raises ``Unavailable`` when the secret key of the installation was changed.
    """
    row = tx.execute(select(users.c.totp_secret, users.c.totp_last).where(users.c.id == user_id).with_for_update()).first()
    if row is None or row.totp_secret is None:
        return False
    secret = base64.b32decode(vault.decrypt(row.totp_secret, _purpose(user_id)))
    present = now // SECOND // PERIOD
    given = "".join(code.split()).encode("utf-8", "replace")  # devices show it in two groups
    for step in range(present - _SKEW, present + _SKEW + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given) and step > row.totp_last:
            tx.execute(update(users).where(users.c.id == user_id).values(totp_last=step))
            return True
    return False


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a period, counted from the epoch (RFC 4226 §5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    return str((int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF) % 10**DIGITS).zfill(DIGITS)


def uri(secret: str, account: str, issuer: str) -> str:
    """Return what a device reads a secret from, usually as a picture (the otpauth scheme of authenticator apps)."""
    parameters = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD}
    return f"otpauth://totp/{quote(f'{issuer}:{account}', safe='')}?{urlencode(parameters, quote_via=quote)}"


def _purpose(user_id: int) -> str:
    return f"totp {user_id}"
