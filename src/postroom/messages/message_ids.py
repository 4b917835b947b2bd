"""Message-IDs of our own mails (RFC 5322 section 3.6.4), made of numbers of ours and signed.

Nobody can guess the one of somebody else's mail, and one that comes back, in an answer, leads to its message without a look-up.
"""

import re
from typing import Final

from postroom.directory.values import LARGEST_ID
from postroom.storage.secrets import Vault

_PURPOSE: Final = "message-id"
_SIGNED: Final = 16
"""Characters of the signature."""

_OWN: Final = re.compile(
    rf"<?(?P<name>(?P<message>[1-9]\d{{0,9}})(?:\.\d{{1,19}})?)\.(?P<signature>[\w-]{{{_SIGNED}}})@[^<>@]+>?", re.ASCII
)


def made(vault: Vault, domain: str, message_id: int, recipient_id: int | None = None) -> str:
    """Return the Message-ID of the mail to one recipient, or of the message itself, in angle brackets; the same in every retry."""
    name = f"{message_id}" if recipient_id is None else f"{message_id}.{recipient_id}"
    return f"<{name}.{_signature(vault, name)}@{domain}>"


def message_of(vault: Vault, identifier: str) -> int | None:
    """Return the number of the message that one of our own Message-IDs belongs to; ``None`` for a foreign, or a forged, one.

    Angle brackets may be missing. The domain does not count: it may have been another one then.
    """
    found = _OWN.fullmatch(identifier)
    if found is None or _signature(vault, found["name"]) != found["signature"] or int(found["message"]) > LARGEST_ID:
        return None
    return int(found["message"])


def _signature(vault: Vault, name: str) -> str:
    return vault.sign(_PURPOSE, name)[:_SIGNED]
