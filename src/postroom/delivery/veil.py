"""Passwords taken out of what servers say: some repeat what they do not understand, and we keep and show their words."""

import base64
import re
from typing import Final

from msgspec import structs

from postroom.delivery.replies import Reply

_INSTEAD: Final = "…"
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/=]{8,}")
"""What may be a piece of base64; shorter ones tell next to nothing."""


class Veil:
    """Hides one password: as it is, in base64 as AUTH LOGIN and PLAIN have it (RFC 4616), in any case of letters, and pieces of base64."""

    def __init__(self, username: str, password: str) -> None:
        """Hide ``password``; an empty one is none."""
        texts = (password, f"\0{username}\0{password}", f"{username}\0{username}\0{password}") if password else ()
        self._encoded = [base64.b64encode(text.encode()).decode("ascii") for text in texts]
        forms = sorted([password, *self._encoded], key=len, reverse=True)  # the longest first: one may hold another
        self._forms = re.compile("|".join(map(re.escape, forms)), re.IGNORECASE) if password else None

    def __repr__(self) -> str:
        return "Veil(…)"

    def over(self, words: str) -> str:
        """Return the words without the password."""
        if self._forms is None:
            return words
        return _ENCODED.sub(self._piece, self._forms.sub(_INSTEAD, words))

    def over_reply(self, reply: Reply) -> Reply:
        """Return a reply without the password in its text. Its lines stay: they say what a server can do, and are not kept."""
        return reply if self._forms is None else structs.replace(reply, text=self.over(reply.text))

    def _piece(self, found: re.Match[str]) -> str:
        return _INSTEAD if any(found[0] in encoded for encoded in self._encoded) else found[0]
