"""A mail as it goes over the wire, made once and sent as it is.

CRLF is the only line end, lines that begin with a dot are stuffed (RFC 5321 section 4.5.2), and a bare CR or LF is refused:
no server of whatever taste takes a line end of its own for the end of the mail, and what follows for another one (SMTP
smuggling).
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from postroom.errors import Invalid

FINAL_DOT: Final = b".\r\n"

SEPARATE: Final = 64 * 1024
"""Bytes from which a piece stays by itself: writing it is cheaper than copying it for each recipient."""


class Mail(Struct, frozen=True):
    """Header and body: dots stuffed, CRLF line ends only, closed by one, without the final dot."""

    chunks: tuple[bytes, ...]
    """To be written one after the other; large ones are shared by all mails of the message."""
    size: int
    """Octets of all chunks. SIZE (RFC 1870 section 3) counts no doubled dots, so it may say a few too many, never too few."""
    eight_bit: bool = False
    """Whether there is anything beyond ASCII in it, which the composer never makes."""


def sealed(piece: bytes) -> bytes:
    """Return a piece of a mail as it goes over the wire, its leading dots doubled. A piece begins at the beginning of a line.

    Raises ``Invalid`` for what is no piece: a bare CR or LF in it, anything but ASCII, or no CRLF at its end.
    """
    ends = piece.count(b"\r\n")
    if not (piece.isascii() and piece.endswith(b"\r\n") and piece.count(b"\r") == ends == piece.count(b"\n")):
        raise Invalid("content", "a line end that is no CRLF, or a character beyond ASCII")
    stuffed = piece.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if piece.startswith(b".") else stuffed


def joined(pieces: Iterable[bytes]) -> Mail:
    """Make a mail of sealed pieces: small ones that stand next to each other become one, large ones stay by themselves."""
    chunks: list[bytes] = []
    run: list[bytes] = []
    for piece in pieces:
        if len(piece) < SEPARATE:
            run.append(piece)
        else:
            chunks += [b"".join(run), piece] if run else [piece]
            run = []
    if run:
        chunks.append(b"".join(run))
    return Mail(tuple(chunks), sum(map(len, chunks)))
