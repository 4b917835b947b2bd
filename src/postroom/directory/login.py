"""Logging in with a password, and a code for whoever has a second factor: throttled, and as long for those who do not exist."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
from msgspec import Struct

from postroom.directory import passwords, throttle, totp
from postroom.directory.passwords import Holder
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.store import Store

_HASHING: Final = ThreadPoolExecutor(2, thread_name_prefix="passwords")
"""Each comparison takes 64 MiB and a whole core, so few run at once, however many people log in."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a try."""

    holder: Holder | None = None
    """Who it is; ``None``: the name, the password or the code is wrong or missing, or it is too early."""
    wait: int = 0
    """Milliseconds until another try is allowed; nothing was compared."""
    needs_code: bool = False
    """Name and password are right, and a code is needed beside them."""


class _Try(Struct, frozen=True, kw_only=True):
    holder: Holder | None
    person: throttle.Subject
    address: throttle.Subject
    wait: int


async def log_in(store: Store, name: str, password: str, address: str, now: int, code: str | None = None) -> Outcome:  # noqa: PLR0917 - who, whence, when
    """Check the password of whoever ``name`` stands for (``passwords.holder``), and the ``code``, asked for from ``address``.

    A code from somebody who has no second factor is wrong. A right password without its code stays counted as a try until the code
    has come, else whoever knows the password could guess at codes for ever.
    """
    tried = await store.database.write(_begin, name, address, now)
    if tried.wait:
        return Outcome(wait=tried.wait)
    kept = None if tried.holder is None else tried.holder.password_hash
    loop = asyncio.get_running_loop()
    if not await loop.run_in_executor(_HASHING, passwords.matches, kept, password) or tried.holder is None:
        return Outcome()
    if tried.holder.second_factor and code is None:
        return Outcome(needs_code=True)
    renewed = None
    if passwords.outdated(tried.holder.password_hash):
        renewed = await loop.run_in_executor(_HASHING, passwords.digest, password)
    return Outcome(holder=await store.database.write(_finish, store.vault, tried, code, renewed, now))


def _begin(tx: Tx, name: str, address: str, now: int) -> _Try:
    holder = passwords.holder(tx, name)
    person = throttle.of_person(None if holder is None else holder.user_id, name)
    origin = throttle.of_address(address)
    return _Try(holder=holder, person=person, address=origin, wait=throttle.attempt(tx, origin, person, now))


def _finish(tx: Tx, vault: Vault, tried: _Try, code: str | None, renewed: str | None, now: int) -> Holder | None:  # noqa: PLR0917 - as units are called
    """Take the try back, and keep a renewed hash.

    ``None`` if the code is wrong, the password was changed, a second factor came or went, or the holder left meanwhile.
    """
    if tried.holder is None or passwords.by_id(tx, tried.holder.user_id) != tried.holder:
        return None
    if code is not None and not totp.use(tx, vault, tried.holder.user_id, code, now):
        return None
    throttle.succeeded(tx, tried.address, tried.person)
    if renewed is None:
        return tried.holder
    passwords.keep(tx, tried.holder.user_id, renewed, now)
    return msgspec.structs.replace(tried.holder, password_hash=renewed)
