"""Foreign addresses: what of them is a mailbox (``postroom.mailbox``), and its one way of being written.

Internationalised domains become their ASCII form (RFC 5891, mapped as in UTS 46), since the relay may not know SMTPUTF8; for
the same reason local parts beyond ASCII are refused.
"""

from collections.abc import Iterable

import idna

from postroom.mailbox import MAX_EMAIL, is_mailbox


def normalise(address: str) -> str | None:
    """Return ``address`` trimmed of blanks, its domain in lower case and ASCII; ``None`` if it is no mailbox.

    The local part stays as it is: only its own server knows whether case matters there.
    """
    local, _, domain = address.strip(" \t").rpartition("@")
    if len(address) > 2 * MAX_EMAIL:
        return None
    normal = f"{local}@{_to_ascii(domain)}"
    return normal if is_mailbox(normal) else None


def unique(addresses: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the addresses in their normal form, each once regardless of case, the first spelling of it; and those that are none."""
    good: dict[str, str] = {}
    bad: list[str] = []
    for address in addresses:
        normal = normalise(address)
        if normal is None:
            bad.append(address)
        else:
            good.setdefault(normal.lower(), normal)
    return list(good.values()), bad


def _to_ascii(domain: str) -> str:
    """Return the lower-case ASCII form of ``domain``, or ``""`` if it has none."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError:  # what idna raises is a UnicodeError, too
        return ""
