"""What is an address of a mailbox, and its one way of being written.

A mailbox is a Dot-string local part (ASCII) at a domain (RFC 5321 §4.1.2; limits §4.5.3.1): no quoted strings, no address
literals, no comments. Internationalised domains become their ASCII form (RFC 5891, mapped as in UTS 46), since the relay
may not know SMTPUTF8; for the same reason local parts beyond ASCII are refused. A domain of one label (``localhost``)
passes: real clients use such.
"""

import re
from collections.abc import Iterable
from typing import Final

import idna

MAX_EMAIL: Final = 254
"""Characters of an address: RFC 5321 §4.5.3.1.3 without the angle brackets."""

_LOCAL: Final = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")


def normalise(address: str) -> str | None:
    """Return ``address`` trimmed of blanks, its domain in lower case and ASCII; ``None`` if it is no mailbox.

    The local part stays as it is: only its own server knows whether case matters there.
    """
    local, at, domain = address.strip(" \t").rpartition("@")
    if not at or len(address) > 2 * MAX_EMAIL or not _LOCAL.fullmatch(local):
        return None
    ascii_domain = _to_ascii(domain)
    if _DOMAIN.fullmatch(ascii_domain) is None or len(local) + 1 + len(ascii_domain) > MAX_EMAIL:
        return None
    return f"{local}@{ascii_domain}"


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
