"""What the parts of this folder hand to each other."""

from typing import Literal

from msgspec import Struct

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
"""What a mail system did with the mail to one recipient (RFC 3464 section 2.3.3)."""

Kind = Literal["bounce", "complaint", "auto_reply", "unrecognised", "malformed"]
"""A report about delivery, a complaint (RFC 5965), an automatic answer (RFC 3834), something else, or nothing that can be read."""


class Reported(Struct, frozen=True, kw_only=True):
    """What a report says of one recipient."""

    action: Action
    addresses: frozenset[str]
    """What the report gives as original and final recipient, in lower case; nothing that is no mailbox."""
    status: str | None
    """Enhanced status code (RFC 3463) such as ``5.1.1``."""
    code: int | None
    """Reply code of the mail server that refused it, such as 550."""
    text: str
    """Its words on one line, at most ``fields.MAX_TEXT`` characters."""


class Report(Struct, frozen=True, kw_only=True):
    """What came back, as far as it was understood."""

    kind: Kind
    recipients: tuple[Reported, ...] = ()
    """Of a bounce at least one; of a complaint whom it names, which may be nobody."""
