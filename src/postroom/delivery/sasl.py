"""Logging in to a relay (RFC 4954): PLAIN, LOGIN, or an access token by XOAUTH2.

A conversation is a generator: it yields what the client says after ``AUTH``, and goes on when the server answered 334.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from postroom.settings import RelaySettings

CONTINUE: Final = 334
"""The server wants to hear more."""

_CANCEL: Final = b"*"
"""What a server that asks on and on is told (RFC 4954 section 4)."""


class NoMechanismError(Exception):
    """The relay offers no way of logging in that the settings allow, or the access token cannot be read."""


def conversation(relay: RelaySettings, offered: str) -> Iterator[bytes]:
    """Return what is said to log in to a relay that offers these mechanisms (the words after ``AUTH`` in its EHLO reply).

    Raises ``NoMechanismError``; its text carries neither password nor token.
    """
    names = offered.upper().split()
    if relay.auth == "xoauth2":
        if "XOAUTH2" not in names:
            raise NoMechanismError("the relay offers no AUTH XOAUTH2")
        return _xoauth2(relay.username, _token(relay.token_file))
    for name, said in (("plain", _plain), ("login", _login)):
        if relay.auth in {"auto", name} and name.upper() in names:
            return said(relay.username, relay.password)
    wanted = "neither AUTH PLAIN nor AUTH LOGIN" if relay.auth == "auto" else f"no AUTH {relay.auth.upper()}"
    raise NoMechanismError(f"the relay offers {wanted}")


def _token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoMechanismError(f"the access token in {path} cannot be read: {type(error).__name__}") from None


def _plain(username: str, password: str) -> Iterator[bytes]:
    """RFC 4616."""
    yield b"PLAIN " + _encoded(f"\0{username}\0{password}")
    yield _CANCEL


def _login(username: str, password: str) -> Iterator[bytes]:
    yield b"LOGIN"
    yield _encoded(username)
    yield _encoded(password)
    yield _CANCEL


def _xoauth2(username: str, token: str) -> Iterator[bytes]:
    """As Google and Microsoft document it; a refusal comes as 334 with details, to be answered by an empty line."""
    yield b"XOAUTH2 " + _encoded(f"user={username}\x01auth=Bearer {token}\x01\x01")
    yield b""
    yield _CANCEL


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())
