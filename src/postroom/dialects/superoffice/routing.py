"""Where a path leads (wire/superoffice.md §1.3, §7.1): perhaps a tenant, then ``/api/…`` or ``/swagger/…``, in letters of either case."""

import re
from typing import Final, Literal

from msgspec import Struct

PATTERN: Final = r"(?:(?P<tenant>[^/]+)/)?(?P<rest>(?:api|swagger)(?:/.*)?)"

_AGENT: Final = "agents/email/"

Place = Literal["version", "methods", "method", "state", "document", "ticket", ""]


class Found(Struct, frozen=True):
    """A path."""

    tenant: str | None
    place: Place
    """Empty: it leads nowhere."""
    name: str = ""
    """Of the method, or of the tenant whose state is asked for."""


def find(path: str) -> Found | None:
    """Return where a path leads, without its first slash; ``None`` for one that is not of this interface."""
    found = re.fullmatch(PATTERN, path, re.IGNORECASE | re.DOTALL)
    if found is None:
        return None
    rest = found["rest"].rstrip("/")
    lower = rest.lower()
    place: Place = ""
    name = ""
    if lower == "api":
        place = "version"
    elif lower == "api/v1":
        place = "methods"
    elif lower == "api/v1/ticket":
        place = "ticket"
    elif lower == "swagger/docs/v1-agents":
        place = "document"
    elif lower.startswith("api/state/"):
        place, name = "state", rest[len("api/state/") :]
    elif lower.startswith(f"api/v1/{_AGENT}"):
        place, name = "method", rest[len("api/v1/") + len(_AGENT) :]
    return Found(found["tenant"], place, name)
