"""OAuth 1.0 signatures (RFC 5849), verified: HMAC-SHA1 and PLAINTEXT, from header, query and urlencoded body.

Three steps, so that a caller can look up secrets between them and a nonce is used up only by a request whose signature
is right: ``read_claim`` (what the request says of itself, no secret needed), ``verify`` (its signature), and then
``directory.clients.claim_nonce``. Messages and the split into malformed (400) and refused (401) follow wire/usos.md §2.4; a dialect
with words of its own goes by the classes.

The URI of the base string is oauthlib's work. Its endpoint class is not used: it refuses repeated parameters and short
nonces, which real clients send (§5.4). Nor are its functions that normalise and quote: they go through a text byte by byte, twice.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode
from urllib.request import parse_http_list

from msgspec import Struct
from oauthlib.oauth1.rfc5849 import signature as rfc5849

from postroom.dialects.parameters import BadParameter, Pairs, escape, unescape

_PROTOCOL: Final = (
    "oauth_consumer_key",
    "oauth_token",
    "oauth_signature_method",
    "oauth_signature",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_version",
)
_REQUIRED: Final = ("oauth_consumer_key", "oauth_signature_method", "oauth_signature", "oauth_timestamp", "oauth_nonce")
_METHODS: Final = ("HMAC-SHA1", "PLAINTEXT")
_LONGEST: Final = 255
"""Characters of a key, token or nonce."""
_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}")


class OAuthError(Exception):
    """The signature of a request is not accepted; ``message`` may be shown to the caller."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Malformed(OAuthError):
    """The OAuth parameters are incomplete, unsupported, stale or used already."""


class Incomplete(Malformed):
    """Parameters are missing: ``names``, in the order in which they are looked for."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"Missing OAuth parameters: {', '.join(names)}.")
        self.names = names


class Stale(Malformed):
    """The timestamp is too far from our clock (seconds)."""

    def __init__(self, yours: int, ours: int, window: int) -> None:
        super().__init__(f"Expired timestamp, yours {yours}, ours {ours} (threshold {window}).")
        self.yours = yours
        self.ours = ours
        self.window = window


class Replayed(Malformed):
    """This consumer has used the nonce with this timestamp before."""

    def __init__(self, nonce: str) -> None:
        super().__init__(f"Nonce already used: {nonce}.")


class Refused(OAuthError):
    """The consumer, token or signature is not valid."""


class Form(Struct, frozen=True):
    """An answer in the form of an urlencoded body, whatever format was asked for: what OAuth 1.0 calls for (RFC 5849 §2.1)."""

    TYPE: ClassVar[str] = "application/x-www-form-urlencoded"

    pairs: tuple[tuple[str, str], ...]

    def encoded(self) -> bytes:
        """Return the body."""
        return urlencode(self.pairs).encode()


class Claim(Struct, frozen=True, kw_only=True):
    """Who a request says it comes from, not yet verified."""

    consumer_key: str
    token: str | None
    method: str
    signature: str
    timestamp: int
    """Seconds since the epoch, as the client sent them."""
    nonce: str
    signed: Pairs
    """Every pair that goes into the signature base string."""


def from_header(authorization: str | None) -> Pairs:
    """Read the parameters of an ``Authorization: OAuth …`` header (RFC 5849 §3.5.1), without the realm; another scheme has none.

    Raises ``Malformed``.
    """
    if authorization is None or authorization[:6].lower() != "oauth ":
        return []
    pairs: Pairs = []
    for item in parse_http_list(authorization[6:]):
        name, equals, value = item.partition("=")
        if not equals:
            raise Malformed("Malformed Authorization header.")
        if name.strip().lower() != "realm":
            pairs.append((_unescape(name.strip()), _unescape(value.strip().strip('"'))))
    return pairs


def read_claim(pairs: Pairs, now: int, window: int) -> Claim | None:
    """Find the claim among the distinct pairs of a request; ``None`` when it carries no OAuth parameters at all.

    ``now`` and ``window`` are in seconds. Raises ``Malformed``.
    """
    given = _protocol_parameters(pairs)
    if not given:
        return None
    _check_complete(given)
    if given.get("oauth_version", "1.0") != "1.0":
        raise Malformed(f"OAuth version '{given['oauth_version']}' is not supported.")
    if given["oauth_signature_method"] not in _METHODS:
        raise Malformed(f"Signature method '{given['oauth_signature_method']}' is not supported, try one of: {', '.join(_METHODS)}.")
    return Claim(
        consumer_key=given["oauth_consumer_key"],
        token=given.get("oauth_token") or None,
        method=given["oauth_signature_method"],
        signature=given["oauth_signature"],
        timestamp=_timestamp(given["oauth_timestamp"], now, window),
        nonce=given["oauth_nonce"],
        signed=[pair for pair in pairs if pair[0] != "oauth_signature"],
    )


def verify(claim: Claim, http_method: str, urls: Iterable[str], consumer_secret: str, token_secret: str) -> None:
    """Compare the signature with the right one, in constant time. Raises ``Refused``.

    ``urls`` are those, without the query, that the client may have signed: mostly one. Whether PLAINTEXT is acceptable on this
    connection is for the caller to decide.
    """
    key = f"{escape(consumer_secret)}&{escape(token_secret)}"
    right = [key] if claim.method == "PLAINTEXT" else _hmac_sha1(key, claim.signed, http_method, urls)
    given = claim.signature.encode()
    if not any(hmac.compare_digest(one.encode(), given) for one in right):
        raise Refused("Invalid signature.")


def client_url(scope: Mapping[str, Any], public_url: str) -> str:
    """Return the URL of an ASGI request as its client used it, without the query, for the signature base string.

    The path is kept byte for byte, doubled slashes and escapes included (§2.3). Scheme and host are those of ``public_url`` when
    it is set (a path in it is one that the proxy in front takes away), else those of the connection and the Host header.
    """
    return (public_url.rstrip("/") or f"{scope['scheme']}://{_host(scope)}") + _path(scope)


def client_urls(scope: Mapping[str, Any], public_url: str, authorities: Iterable[str]) -> list[str]:
    """Return every URL that ``client_url`` may be for a client that signs what it thinks it calls (wire/schoology.md §2.1).

    Those are the Host header with either scheme, ``public_url``, and the ``authorities`` (scheme and host) of the installation.
    """
    path, host = _path(scope), _host(scope)
    bases = [f"{scope['scheme']}://{host}", f"http://{host}", f"https://{host}", public_url, *authorities]
    return list(dict.fromkeys(base.rstrip("/") + path for base in bases if base))


def _path(scope: Mapping[str, Any]) -> str:
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("latin-1")


def _host(scope: Mapping[str, Any]) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


def _hmac_sha1(key: str, signed: Iterable[tuple[str, str]], http_method: str, urls: Iterable[str]) -> Iterator[str]:
    """Return the signature for each of the URLs that is one: only the URI varies, so the rest is normalised once."""
    method, parameters = escape(http_method.upper()), _normalised(signed)
    for url in urls:
        try:
            base_uri = _base_uri(url)
        except ValueError:  # a Host header that is no host
            continue
        base = f"{method}&{base_uri}&{parameters}"
        # hmac.digest would let go of the interpreter lock, and wait long to get it back from threads that use the store
        yield base64.b64encode(hmac.new(key.encode(), base.encode(), "sha1").digest()).decode()


@lru_cache(maxsize=1_024)
def _base_uri(url: str) -> str:
    """Return the escaped base string URI (RFC 5849 §3.4.1.2). Raises ``ValueError``."""
    return escape(rfc5849.base_string_uri(url))


def _normalised(signed: Iterable[tuple[str, str]]) -> str:
    """Return the normalised parameters (§3.4.1.3.2), escaped once more: of what an escaped text consists, only three characters change."""
    pairs = sorted((escape(name), escape(value)) for name, value in signed)
    joined = "&".join([f"{name}={value}" for name, value in pairs])
    return joined.replace("%", "%25").replace("=", "%3D").replace("&", "%26")


def _protocol_parameters(pairs: Pairs) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in _PROTOCOL:
            if name in given:
                raise Malformed(f"OAuth parameter {name} was given more than once, with different values.")
            given[name] = value
    return given


def _check_complete(given: dict[str, str]) -> None:
    missing = [name for name in _REQUIRED if not given.get(name)]
    if missing:
        raise Incomplete(missing)
    for name in ("oauth_consumer_key", "oauth_token", "oauth_nonce"):
        if len(given.get(name, "")) > _LONGEST:
            raise Malformed(f"OAuth parameter {name} is longer than {_LONGEST} characters.")


def _timestamp(text: str, now: int, window: int) -> int:
    if not _TIMESTAMP.fullmatch(text):
        raise Malformed("oauth_timestamp must be a whole number of seconds since 1970-01-01 UTC.")
    if abs(now - int(text)) > window:
        raise Stale(int(text), now, window)
    return int(text)


def _unescape(text: str) -> str:
    """Undo percent-escapes; a bare ``/`` passes (§2.3: one client leaves it so), and ``+`` stands for itself in a header."""
    try:
        return unescape(text)
    except BadParameter:
        raise Malformed("Malformed Authorization header.") from None
