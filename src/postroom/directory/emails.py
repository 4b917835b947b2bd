"""Foreign addresses: what of them is a mailbox (``postroom.mailbox``), and its one way of being written.

Internationalised domains become their ASCII form (RFC 5891, mapped as in UTS 46), since the relay may not know SMTPUTF8; for
the same reason local parts beyond ASCII are refused.
"""

from collections.abc import Iterable
from typing import Final

import idna

from postroom.errors import Invalid
from postroom.mailbox import MAX_EMAIL, is_mailbox

_NAMED: Final = 10
"""Bad addresses that an error names at most."""

_SHOWN: Final = 100
"""Characters of each that it shows."""


def normalise(address: str) -> str | None:
    """Return ``address`` trimmed of blanks, its domain in lower case and ASCII; ``None`` if it is no mailbox.

    The local part stays as it is: only its own server knows whether case matters there.
    """
    local, _, domain = address.strip(" \t").rpartition("@")
    if len(address) > 2 * MAX_EMAIL:
        return None
    normal = f"{local}@{_to_ascii(domain)}"
    return normal if is_mailbox(normal) else None


def checked(parameter: str, addresses: Iterable[str]) -> list[str]:
    """Return the addresses in their normal form, each once regardless of case, the first spelling of it.

    Raises ``Invalid(parameter, …)``, which names those that are none: the first ten of them, and how many more there are.
    """
    good: dict[str, str] = {}
    bad: list[str] = []
    for address in addresses:
        normal = normalise(address)
        if normal is None:
            bad.append(address)
        else:
            good.setdefault(normal.lower(), normal)
    if bad:
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise Invalid(parameter, "not an address: " + ", ".join(repr(address[:_SHOWN]) for address in bad[:_NAMED]) + more)
    return list(good.values())


def _to_ascii(domain: str) -> str:
    """Return the lower-case ASCII form of ``domain``, or ``""`` if it has none."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError:  # what idna raises is a UnicodeError, too
        return ""
