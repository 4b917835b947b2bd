"""Return paths that say by themselves whose mail came back: ``b-<recipient>-<signature>@bounces.domain``.

A mail to one recipient has the return path of that recipient; one that names many recipients in one transaction has that of
the message, ``m-<message>-<signature>@…``. The signature, 96 bits of an HMAC, keeps strangers from making bounces up. It is
written in hexadecimal digits, since mail systems between here and there may fold case, and the whole stays so short that
a tag which a relay puts in front (BATV has 16 characters) still fits into the 64 octets of RFC 5321 section 4.5.3.1.1.

Known limit: whoever gets a mail can read its return path, so a recipient can report a bounce for itself, and of a shared
message for any of its recipients.
"""

import base64
import hmac
import re
from typing import Final, Literal

from msgspec import Struct

from postroom.settings import Settings
from postroom.storage.secrets import Vault

_SIGNED_BYTES: Final = 12
_LOCAL: Final = re.compile(r"([bm])-([1-9][0-9]{0,18})-([0-9a-f]{24})")


class ReturnPath(Struct, frozen=True):
    """Whose mail came back."""

    kind: Literal["recipient", "message"]
    number: int
    """Of a row of ``recipients`` or of ``messages``; there may be no such row any more."""


def of_recipient(settings: Settings, vault: Vault, recipient_id: int) -> str:
    """Return the envelope sender of the mail to one recipient; without ``bounces.domain`` that of all mail. Some microseconds."""
    return _address(settings, vault, f"b-{recipient_id}")


def of_message(settings: Settings, vault: Vault, message_id: int) -> str:
    """Return the envelope sender of a mail to many recipients of a message; without ``bounces.domain`` that of all mail."""
    return _address(settings, vault, f"m-{message_id}")


def read(settings: Settings, vault: Vault, address: str) -> ReturnPath | None:
    """Return whose return path ``address`` is, in whatever case; ``None`` for every other address and for a wrong signature.

    Signatures are compared in constant time.
    """
    local, _, domain = address.lower().rpartition("@")
    match = _LOCAL.fullmatch(local)
    if match is None or not settings.bounces.domain or domain != settings.bounces.domain.lower():
        return None
    kind, number, signature = match.groups()
    if not hmac.compare_digest(_signature(vault, f"{kind}-{number}"), signature):
        return None
    return ReturnPath("recipient" if kind == "b" else "message", int(number))


def _address(settings: Settings, vault: Vault, what: str) -> str:
    if not settings.bounces.domain:
        return settings.return_path
    return f"{what}-{_signature(vault, what)}@{settings.bounces.domain}"


def _signature(vault: Vault, what: str) -> str:
    return base64.urlsafe_b64decode(vault.sign("return-path", what))[:_SIGNED_BYTES].hex()
