"""Callbacks: where a person's browser may be sent after the consent, so that nobody but the program that asked gets the verifier.

A program registers its callbacks; what it names in a request must be one of them, or lie below one: the same scheme, host and port, and
the same path or one below it, with any query. (RFC 9700 §2.1 wants exact URLs; programs of OAuth 1.0a put their own state into path
and query.) Mobile applications have a scheme of their own (RFC 8252 §7.1), which only they are started by.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from postroom.directory.values import MAX_URL
from postroom.errors import Invalid, TooLarge

OUT_OF_BAND: Final = "oob"
"""In place of a callback: the person reads the verifier from the page and types it into the program (RFC 5849 §2.1)."""

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""What a URL consists of (RFC 3986), without a fragment: browsers agree with us about no other characters."""
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_UPWARDS: Final = re.compile(r"[/\\]\.\.?([/\\;]|$)")
"""A step upwards in an unescaped path, as the most lenient of servers reads it: escaped slashes, backslashes and parameters count."""
_FOREIGN_SCHEMES: Final = frozenset(
    {
        "about",
        "blob",
        "chrome",
        "data",
        "file",
        "filesystem",
        "ftp",
        "intent",
        "jar",
        "javascript",
        "mailto",
        "resource",
        "sms",
        "tel",
        "vbscript",
        "view-source",
        "ws",
        "wss",
    }
)
"""Schemes that mean something to a browser already; most of them would let the page of one program run in that of another."""


def check(callback: str) -> str:
    """Return a callback as it is, if it is a URL that a browser may be sent to. Raises ``Invalid("callback", …)``, or ``TooLarge``."""
    if len(callback) > MAX_URL:
        raise TooLarge("callback", MAX_URL)
    if not _CHARACTERS.fullmatch(callback):
        raise Invalid("callback", "not a URL, or one with a fragment")
    parts = _split(callback)
    if not _SCHEME.fullmatch(parts.scheme) or parts.scheme in _FOREIGN_SCHEMES:
        raise Invalid("callback", "its scheme must be https, http, or that of a mobile application; oob needs no registering")
    if parts.scheme in {"http", "https"}:
        _check_host(parts)
    if _UPWARDS.search(unquote(parts.path)):
        raise Invalid("callback", "its path may not go upwards")
    return callback


def allowed(callback: str, registered: Iterable[str]) -> bool:
    """Tell whether a checked callback is one of those that a program has registered, or lies below one."""
    parts = _split(callback)
    return any(_lies_below(parts, _split(one)) for one in registered)


def with_answer(callback: str, answer: dict[str, str]) -> str:
    """Return the URL of a callback with an answer added to its query."""
    return f"{callback}{'&' if urlsplit(callback).query else '' if callback.endswith('?') else '?'}{urlencode(answer)}"


def source(callback: str) -> str:
    """Return what names the place of a callback in a Content-Security-Policy."""
    parts = _split(callback)
    if parts.scheme not in {"http", "https"} or "[" in parts.netloc:  # no source can name an IPv6 address
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc.lower()}"


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this very machine, so that nobody is on the way to it."""
    host = _split(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_host(parts: SplitResult) -> None:
    host, _, port = parts.netloc.lower().rpartition(":") if re.search(r":\d*$", parts.netloc) else (parts.netloc.lower(), "", "")
    if not _HOST.fullmatch(host) or (port and not 0 < int(port) < 65_536):  # noqa: PLR2004 - ports
        raise Invalid("callback", "it names no host, or a user")


def _split(callback: str) -> SplitResult:
    try:
        return urlsplit(callback)
    except ValueError:
        raise Invalid("callback", "not a URL") from None


def _lies_below(callback: SplitResult, registered: SplitResult) -> bool:
    if (callback.scheme, callback.netloc.lower()) != (registered.scheme, registered.netloc.lower()):
        return False
    if registered.query:
        return (callback.path, callback.query) == (registered.path, registered.query)
    path, below = callback.path or "/", registered.path or "/"
    return path == below or path.startswith(below if below.endswith("/") else below + "/")
