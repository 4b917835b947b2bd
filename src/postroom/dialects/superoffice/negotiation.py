"""What the headers of a request ask for: the form of the answer (wire/superoffice.md §3.1) and the language of its texts (§2.2)."""

import re
from typing import Final

from msgspec import Struct
from starlette.datastructures import Headers

_LANGUAGE: Final = re.compile(r"\s*([A-Za-z]{2})(?:[-_;\s].*)?")
_RAW: Final = frozenset({"application/octet-stream", "application/pdf", "text/plain", "multipart/related", "message/rfc822"})
_MOST: Final = 50


class Wanted(Struct, frozen=True, kw_only=True):
    """The form of an answer."""

    media_type: str = "application/json"
    """The one that is preferred of those that are known here."""

    @property
    def xml(self) -> bool:
        """An object is wanted in XML."""
        return self.media_type in {"application/xml", "text/xml"}

    @property
    def html(self) -> bool:
        """A page is wanted, where there is one."""
        return self.media_type == "text/html"

    @property
    def raw(self) -> bool:
        """The bytes of a file are wanted as they are."""
        return self.media_type in _RAW or self.html

    @property
    def content_type(self) -> str:
        """The Content-Type of an object."""
        named = self.media_type if self.xml or self.media_type == "text/json" else "application/json"
        return f"{named}; charset=utf-8"


def wanted(accept: str | None) -> Wanted:
    """Return what Accept prefers: the greatest q, then the first; JSON where it names nothing that is known here, or anything."""
    best, weight = "application/json", 0.0
    for part in (accept or "").split(",")[:_MOST]:
        media_type, *parameters = part.lower().split(";")
        quality, named = _quality(parameters), _known(media_type.strip())
        if quality > weight and named is not None:
            best, weight = named, quality
    return Wanted(media_type=best)


def _known(media_type: str) -> str | None:
    if media_type in {"*/*", "application/*", "application/json"}:
        return "application/json"
    if media_type in {"text/json", "application/xml", "text/xml", "text/html"} or media_type in _RAW:
        return media_type
    return None


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def language(headers: Headers) -> str:
    """Return the language of texts: that of SO-Language, else the first of Accept-Language; ``*``, ``x`` and ``-`` name none."""
    text = headers.get("so-language")
    found = _LANGUAGE.fullmatch((text if text is not None else headers.get("accept-language", "")).partition(",")[0])
    return "" if found is None else found[1].lower()
