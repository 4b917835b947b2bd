"""Guessing at passwords, slowed down: for each person and for each address that it comes from, across all processes.

The first wrong passwords in a row are free; after that each one closes the door for twice as long as the one before, up to a quarter of
an hour, never for good. A try is counted before the password is compared, in one transaction with the question whether it is
allowed, so that many tries at once gain nothing; a right password takes it back.
"""

import hashlib
import ipaddress
from typing import Final

from msgspec import Struct
from sqlalchemy import delete, select, update

from postroom.clock import DAY, MINUTE, SECOND
from postroom.directory.inserting import insert_into
from postroom.storage.database import Tx
from postroom.storage.tables import login_failures

LONGEST_WAIT: Final = 15 * MINUTE
REMEMBERED: Final = DAY
"""Milliseconds without a try after which those before are forgotten."""

_FREE_FOR_A_PERSON: Final = 5
_FREE_FOR_AN_ADDRESS: Final = 50
"""Many people may come from one address: a campus behind one router."""
_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that say whose it is; the rest anybody draws as he likes."""

_f: Final = login_failures.c


class Subject(Struct, frozen=True, kw_only=True):
    """Whose tries are counted together."""

    key: str
    free: int
    """Wrong passwords in a row without a wait."""


def of_person(user_id: int | None, name: str) -> Subject:
    """Return the subject for a person; somebody unknown is known by a digest of the name, which may be a password in the wrong field."""
    key = f"user {user_id}" if user_id is not None else f"name {hashlib.sha256(name.strip().casefold().encode()).hexdigest()[:32]}"
    return Subject(key=key, free=_FREE_FOR_A_PERSON)


def of_address(address: str) -> Subject:
    """Return the subject for the address that a request came from; an IPv6 address stands for its network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # no address at all, such as a socket in the file system
        return Subject(key=f"address {address[:64]}", free=_FREE_FOR_AN_ADDRESS)
    network = ipaddress.ip_network((ip, _IPV6_NETWORK if ip.version == 6 else ip.max_prefixlen), strict=False)  # noqa: PLR2004 - IPv6
    return Subject(key=f"address {network}", free=_FREE_FOR_AN_ADDRESS)


def attempt(tx: Tx, address: Subject, person: Subject, now: int) -> int:
    """Count a try for both, if both may try now; return 0, else the milliseconds to wait, with nothing counted.

    The address goes first: while it waits, it cannot fill the store with names that it makes up.
    """
    counted: list[tuple[Subject, int]] = []
    for subject in (address, person):
        failures, last_at = _read(tx, subject, now)
        pause = _pause(subject, failures)
        if pause and last_at + pause > now:
            return last_at + pause - now
        counted.append((subject, failures))
    for subject, failures in counted:
        tx.execute(update(login_failures).where(_f.subject == subject.key).values(failures=failures + 1, last_at=now))
    return 0


def succeeded(tx: Tx, address: Subject, person: Subject) -> None:
    """Take a try back that had the right password: the person begins anew, the address has one try less.

    Else whoever has a password of his own could guess at those of others for ever.
    """
    tx.execute(update(login_failures).where(_f.subject == address.key, _f.failures > 0).values(failures=_f.failures - 1))
    tx.execute(delete(login_failures).where(_f.subject == person.key))


def forget(tx: Tx, before: int, limit: int) -> int:
    """Forget at most ``limit`` subjects whose last try was before a time (ms); return how many were."""
    old = select(_f.subject).where(_f.last_at < before).order_by(_f.last_at).limit(limit)
    return tx.execute(delete(login_failures).where(_f.subject.in_(old))).rowcount


def _read(tx: Tx, subject: Subject, now: int) -> tuple[int, int]:
    """Return the failures and the time of the last one, and keep others from changing them until the end of the transaction."""
    tx.execute(insert_into(tx, login_failures).values(subject=subject.key, failures=0, last_at=now).on_conflict_do_nothing())
    row = tx.execute(select(_f.failures, _f.last_at).where(_f.subject == subject.key).with_for_update()).one()
    return (row.failures, row.last_at) if row.last_at > now - REMEMBERED else (0, row.last_at)


def _pause(subject: Subject, failures: int) -> int:
    """Return how long the door is closed after so many failures in a row."""
    if failures < subject.free:
        return 0
    return min(SECOND << min(failures - subject.free, 20), LONGEST_WAIT)
