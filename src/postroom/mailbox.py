"""The grammar of a mailbox in ASCII: a Dot-string local part at a domain (RFC 5321 §4.1.2; limits §4.5.3.1).

No quoted strings, no address literals, no comments. A domain of one label (``localhost``) passes: real clients use such.
``directory.emails`` brings foreign addresses into this form; settings must have it from the start.
"""

import re
from typing import Final

MAX_EMAIL: Final = 254
"""Characters of an address: RFC 5321 §4.5.3.1.3 without the angle brackets."""

_LOCAL: Final = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")


def is_domain(text: str) -> bool:
    """Tell whether this is the name of a domain; its last label is no number, as that of an IPv4 address would be."""
    return _DOMAIN.fullmatch(text) is not None


def is_mailbox(text: str) -> bool:
    """Tell whether this is an address of at most ``MAX_EMAIL`` characters."""
    local, at, domain = text.rpartition("@")
    return bool(at) and len(text) <= MAX_EMAIL and _LOCAL.fullmatch(local) is not None and is_domain(domain)
