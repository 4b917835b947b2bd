"""Header values that are made from foreign text, or read from it: file names, media types, ranges, languages."""

import re
import unicodedata
from typing import Final, Literal
from urllib.parse import quote

from msgspec import Struct

Language = Literal["pl", "en"]

_ATTR_CHARS: Final = "!#$&+-.^_`|~"
"""What RFC 8187 section 3.2.1 leaves unquoted beside letters and digits."""

_TRANSLITERATED: Final = str.maketrans("łŁßæÆøØđĐ", "lLsaAoOdD")
"""Letters that Unicode does not decompose."""

_SAFE_TYPES: Final = frozenset(
    {
        "application/gzip",
        "application/json",
        "application/msword",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/zip",
        "text/calendar",
        "text/csv",
        "text/plain",
    }
)
_SAFE_PREFIXES: Final = (
    "audio/",
    "image/",
    "video/",
    "application/vnd.oasis.opendocument.",
    "application/vnd.openxmlformats-officedocument.",
)
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_RANGE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)
_QUALITY: Final = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


class ByteRange(Struct, frozen=True):
    """The bytes from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int


def attachment_disposition(filename: str) -> str:
    """Return a Content-Disposition that always saves, never shows (RFC 6266), with the name in ASCII and in UTF-8 (RFC 8187)."""
    name = "".join("_" if _deceives(character) else character for character in filename).strip(" .") or "attachment"
    plain = unicodedata.normalize("NFKD", name.translate(_TRANSLITERATED)).encode("ascii", "ignore").decode("ascii")
    plain = re.sub(r'["%]', "_", plain).strip(" .") or "attachment"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def safe_media_type(stored: str) -> str:
    """Return the stored type without parameters if no browser runs it, else ``application/octet-stream``.

    Types that may carry script (HTML, SVG, every XML, JavaScript) are not on the list, nor is anything unknown.
    """
    bare = stored.split(";", 1)[0].strip().lower()
    known = bare in _SAFE_TYPES or (bare.startswith(_SAFE_PREFIXES) and not bare.endswith("xml"))
    return bare if known and _MEDIA_TYPE.fullmatch(bare) else "application/octet-stream"


def byte_range(value: str | None, size: int) -> ByteRange | None:
    """Read a Range header for a file of ``size`` bytes (RFC 9110 section 14.2).

    ``None`` means the whole file: no header, another unit, several ranges, or no range at all by the grammar. A range that
    lies outside of the file comes back empty (``start == stop``), which is answered with 416.
    """
    match = _RANGE.fullmatch(value) if value else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return ByteRange(max(0, size - int(last)), size)
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None  # section 14.1.1: such a range is invalid, and an invalid one is ignored
    return ByteRange(start, stop) if start < size else ByteRange(size, size)


def preferred_language(accept_language: str | None) -> Language:
    """Choose between Polish and English (RFC 9110 section 12.5.4): Polish when nothing is asked for, English for everybody else."""
    if not accept_language:
        return "pl"
    wanted = {"pl": 0.0, "en": 0.0}
    for part in accept_language[:500].lower().split(","):
        tag, _, parameters = part.partition(";")
        quality = _QUALITY.fullmatch(parameters.strip())
        primary = tag.strip().split("-")[0]
        if primary in wanted:
            wanted[primary] = max(wanted[primary], float(quality[1]) if quality else 1.0)
    return "pl" if wanted["pl"] > wanted["en"] else "en"


def _deceives(character: str) -> bool:
    """Tell whether a character could end the header, name another folder, or turn the name around when it is shown."""
    return character in '/\\"' or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
