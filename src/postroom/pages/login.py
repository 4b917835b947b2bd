"""Logging in with a password: throttled, and of the same length for those who exist and those who do not."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from msgspec import Struct

from postroom.directory import passwords, throttle
from postroom.directory.passwords import Holder
from postroom.storage.database import Tx
from postroom.storage.store import Store

_HASHING: Final = ThreadPoolExecutor(2, thread_name_prefix="passwords")
"""Each comparison takes 64 MiB and a whole core, so few run at once, however many people log in."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a try."""

    holder: Holder | None = None
    """Who it is; ``None``: the name or the password is wrong, or it is too early."""
    wait: int = 0
    """Milliseconds until another try is allowed; nothing was compared."""


class _Try(Struct, frozen=True, kw_only=True):
    holder: Holder | None
    person: throttle.Subject
    address: throttle.Subject
    wait: int


async def log_in(store: Store, name: str, password: str, address: str, now: int) -> Outcome:
    """Check the password of whoever ``name`` stands for (``passwords.holder``), asked for from ``address``."""
    tried = await store.database.write(_begin, name, address, now)
    if tried.wait:
        return Outcome(wait=tried.wait)
    kept = None if tried.holder is None else tried.holder.password_hash
    loop = asyncio.get_running_loop()
    if not await loop.run_in_executor(_HASHING, passwords.matches, kept, password) or tried.holder is None:
        return Outcome()
    renewed = None
    if passwords.outdated(tried.holder.password_hash):
        renewed = await loop.run_in_executor(_HASHING, passwords.digest, password)
    return Outcome(holder=await store.database.write(_finish, tried, renewed, now))


def _begin(tx: Tx, name: str, address: str, now: int) -> _Try:
    holder = passwords.holder(tx, name)
    person = throttle.of_person(None if holder is None else holder.user_id, name)
    origin = throttle.of_address(address)
    return _Try(holder=holder, person=person, address=origin, wait=throttle.attempt(tx, origin, person, now))


def _finish(tx: Tx, tried: _Try, renewed: str | None, now: int) -> Holder | None:
    """Take the try back, and keep a renewed hash; ``None`` if the password was changed, or its holder left, meanwhile."""
    if tried.holder is None or passwords.by_id(tx, tried.holder.user_id) != tried.holder:
        return None
    throttle.succeeded(tx, tried.address, tried.person)
    if renewed is None:
        return tried.holder
    passwords.keep(tx, tried.holder.user_id, renewed, now)
    return Holder(user_id=tried.holder.user_id, password_hash=renewed)
