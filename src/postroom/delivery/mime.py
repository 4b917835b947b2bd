"""The parts of a mail and how they nest (RFC 2045 to 2049, 2183, 2231, 2387).

    mixed( related( alternative( plain, html, calendar ), inline… ), attachments… )

A part is a tuple of pieces, header fields first. Every piece begins at the beginning of a line and ends with CRLF, so pieces can be
checked, and their leading dots doubled, one by one. What differs for each recipient is a ``Slot``, all else is bytes; a
large file is many pieces, which are never copied together.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import quote

from msgspec import Struct

from postroom.delivery import headers, text
from postroom.delivery.contexts import File
from postroom.delivery.mail import SEPARATE
from postroom.directory.values import storable
from postroom.errors import Invalid
from postroom.messages.attachments import CONTENT_ID, MEDIA_TYPE

LINE_BYTES: Final = 57
"""Bytes of a file that make a line of base64."""

_FILE_PIECE: Final = LINE_BYTES * 16_384
"""Bytes of a file in one piece: whole lines, encoded in a few milliseconds."""

_BASE64_LINE: Final = 76
_NEWLINE: Final = re.compile(r"\r\n|\r|\n")
_LONGEST_NAME: Final = 255
_SECTION: Final = 54
"""Characters of a file name in one section of a parameter (RFC 2231 section 3)."""

_CANNOT_BE_ENCODED: Final = ("message/", "multipart/")


class Values(Struct):
    """What stands in for the placeholders of a template, as text and as HTML."""

    plain: Mapping[str, str]
    html: Mapping[str, str]


class Slot(Protocol):
    """A piece that differs for each recipient."""

    def fill(self, values: Values) -> bytes:
        """Return the lines for one recipient, as a piece."""
        ...


Piece = bytes | Slot
Part = tuple[Piece, ...]


def leaf(content_type: str, encoding: str, body: Iterable[Piece], fields: Sequence[bytes] = ()) -> Part:
    """Return a part without parts; ``content_type`` is the whole value of its field."""
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n".encode("ascii")
    return (b"".join((head, *fields, b"\r\n")), *body)


def multipart(kind: str, boundary: str, parts: Sequence[Part], root: str = "") -> Part:
    """Return parts in one; a single one stays by itself. ``root`` is the type of the first part, which ``related`` needs to say."""
    if len(parts) == 1:
        return parts[0]
    of_type = f';\r\n type="{root}"' if root else ""
    pieces: list[Piece] = [f'Content-Type: multipart/{kind}{of_type};\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii")]
    for part in parts:
        pieces += [f"--{boundary}\r\n".encode("ascii"), *part, b"\r\n"]
    return (*pieces, f"--{boundary}--\r\n".encode("ascii"))


def body_of(content: str) -> tuple[str, bytes]:
    """Return how a text is encoded, and the text so encoded."""
    body = text.encoded(content)
    return body.encoding, body.data


def file(described: File, lines: Iterable[bytes], parameters: str = "") -> Part:
    """Return a file as a part, its type with these parameters; ``lines`` are what ``base64_pieces`` makes of it.

    Raises ``Invalid("attachments", …)`` for a name, type or Content-ID that cannot stand in a header.
    """
    _check(described)
    fields = [_disposition(described)]
    if described.disposition == "inline":
        fields.append(f"Content-ID: <{described.content_id}>\r\n".encode("ascii"))
    if described.description:
        fields.append(headers.unstructured("Content-Description", described.description))
    kind = described.content_type
    if kind.startswith(_CANNOT_BE_ENCODED):  # such a part must not be in base64 (RFC 2046 section 5.2.1)
        kind = "application/octet-stream"
    return leaf(f"{kind}{parameters};\r\n {_name(described.filename)}", "base64", lines, fields)


def calendar(ics: str, method: str) -> Part:
    """Return a calendar message as an alternative to the text (RFC 6047 section 2.4), in base64: no line of it may change."""
    return leaf(f"text/calendar; charset=utf-8; method={method}", "base64", base64_pieces(_icalendar(ics)))


def calendar_file(ics: str, method: str, filename: str) -> Part:
    """Return the same as a file, for programs that look for one. Raises ``Invalid`` as ``file``."""
    content = _icalendar(ics)
    described = File(
        id=0,
        blob_key="",
        filename=filename,
        content_type="application/ics",
        size=len(content),
        description="",
        disposition="attachment",
        content_id=None,
        withdrawn=False,
    )
    return file(described, base64_pieces(content), f"; method={method}")


def base64_pieces(content: bytes) -> Iterator[bytes]:
    """Yield ``content`` in lines of base64; whole ones if its size is a multiple of ``LINE_BYTES``."""
    for start in range(0, len(content), _FILE_PIECE):
        line = binascii.b2a_base64(content[start : start + _FILE_PIECE], newline=False)
        yield b"".join([line[at : at + _BASE64_LINE] + b"\r\n" for at in range(0, len(line), _BASE64_LINE)])


def merged(pieces: Iterable[Piece]) -> Part:
    """Join the small bytes that stand next to each other."""
    found: list[Piece] = []
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes) and len(piece) < SEPARATE:
            run.append(piece)
            continue
        if run:
            found.append(b"".join(run))
            run = []
        found.append(piece)
    return (*found, b"".join(run)) if run else tuple(found)


def _icalendar(ics: str) -> bytes:
    """Return a calendar message with the line ends that RFC 5545 section 3.1 asks for."""
    return (_NEWLINE.sub("\r\n", ics).rstrip("\r\n") + "\r\n").encode()


def _check(described: File) -> None:
    name = described.filename
    if not name or len(name) > _LONGEST_NAME or not storable(name):
        raise Invalid("attachments", "a file name that cannot stand in a header")
    if not MEDIA_TYPE.fullmatch(described.content_type):
        raise Invalid("attachments", "no media type")
    if described.disposition == "inline" and not CONTENT_ID.fullmatch(described.content_id or ""):
        raise Invalid("attachments", "an inline part needs a Content-ID without spaces, quotes and angle brackets")


def _disposition(described: File) -> bytes:
    """Return Content-Disposition, with the name as RFC 2231 wants it."""
    name = described.filename
    if _is_simple(name):
        parameters = [f"filename={_quoted_string(name)}"]
    elif len(sections := _sections(quote(name, safe=""))) == 1:
        parameters = [f"filename*=utf-8''{sections[0]}"]
    else:
        sections[0] = f"utf-8''{sections[0]}"
        parameters = [f"filename*{number}*={section}" for number, section in enumerate(sections)]
    value = ";\r\n ".join([described.disposition, *parameters])
    return f"Content-Disposition: {value}\r\n".encode("ascii")


def _name(filename: str) -> str:
    """Return the parameter ``name`` of Content-Type, for programs that know only this one; in encoded words, as they expect."""
    if _is_simple(filename):
        return f"name={_quoted_string(filename)}"
    words = "\r\n ".join(headers.encoded_words(filename))
    return f'name="{words}"'


def _is_simple(name: str) -> bool:
    return name.isascii() and "=?" not in name and name == name.strip()


def _quoted_string(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _sections(encoded: str) -> list[str]:
    """Cut a percent-encoded value, never inside of an octet."""
    return re.findall(rf"(?:%..|[^%]){{1,{_SECTION // 3}}}", encoded)
