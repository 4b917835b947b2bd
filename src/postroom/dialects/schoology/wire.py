"""Bodies in JSON and XML: what comes becomes a dictionary, and records become what the caller accepts (wire/schoology.md §3.2, §3.3).

XML has no lists, numbers or nulls: elements of one name that repeat are a list, everything else is text, and an empty element
is the empty text. So whoever reads a body must take one value for a list of one, and digits for a number.
"""

import re
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import msgspec
from defusedxml.ElementTree import DefusedXMLParser
from msgspec import Struct

from postroom.dialects import xml
from postroom.dialects.schoology.errors import SchoologyError

MAX_DEPTH: Final = 10
"""Elements inside each other in an XML body."""
MAX_ELEMENTS: Final = 5_000
"""Elements of an XML body: ten for each recipient that a message may have."""

JSON: Final = "application/json"
XML: Final = "text/xml; charset=UTF-8"

_JSON_TYPES: Final = frozenset({"application/json", "text/json"})
_XML_TYPES: Final = frozenset({"text/xml", "application/xml"})
_RANGES: Final = {"application/json": ("application/*",), "text/xml": ("text/*",), "application/xml": ("application/*",)}
_CHARSETS: Final = {
    "utf-8": "utf-8-sig",  # a byte order mark is no part of the text
    "utf8": "utf-8-sig",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "utf-16": "utf-16",
}
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*"?([^\s";]+)""", re.IGNORECASE)
_QUALITY: Final = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def read_body(content_type: str | None, body: bytes) -> dict[str, object]:
    """Read the body of a request by its content type; without one it must be JSON. No body at all is an empty dictionary.

    Raises ``SchoologyError``: 415 for any other type or an unknown charset, 400 for what is no JSON object or XML document, for XML
    with a DTD (and so with entities of its own), with text beside elements, or beyond ``MAX_DEPTH`` or ``MAX_ELEMENTS``. Attributes, and
    the name of the root, mean nothing.
    """
    kind, charset = _parsed_type(content_type)
    if not body:
        return {}
    return _read_xml(_decoded(body, charset)) if kind in _XML_TYPES else _read_json(_decoded(body, charset or "utf-8-sig"))


def encode(content: Struct | str | None, accept: str | None) -> tuple[bytes, str]:
    """Return the bytes and the content type of an answer, as the Accept header wants it; nothing is no bytes at all.

    JSON unless XML is liked better: for ``*/*``, without the header, and for whoever likes neither (§7.1; our choice: no 406).
    A text stands alone: a string in JSON, the content of ``result`` in XML.
    """
    if wants_xml(accept):
        return (b"" if content is None else _xml(content)), XML
    return (b"" if content is None else msgspec.json.encode(content)), JSON


def wants_xml(accept: str | None) -> bool:
    """Tell whether an Accept header prefers XML to JSON (RFC 9110 section 12.5.1)."""
    if not accept:
        return False
    liked = _liked(accept)
    return max(_quality(liked, "text/xml"), _quality(liked, "application/xml")) > _quality(liked, "application/json")


def _parsed_type(content_type: str | None) -> tuple[str, str | None]:
    """Return the type, and the Python name of its charset if it tells one."""
    if not content_type:
        return JSON, None
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES | _XML_TYPES:
        raise SchoologyError(415, "The body must be sent as application/json or text/xml")
    named = _CHARSET.search(content_type)
    if named is None:
        return kind, None
    charset = _CHARSETS.get(named[1].lower())
    if charset is None:
        raise SchoologyError(415, f"The charset of the body must be one of {', '.join(_CHARSETS)}")
    return kind, charset


def _decoded(body: bytes, charset: str | None) -> str | bytes:
    """Decode a body; bytes of an unknown charset stay, for the XML declaration to tell."""
    if charset is None:
        return body
    try:
        return body.decode(charset)
    except UnicodeDecodeError:
        raise SchoologyError(400, "The body is not encoded as its content type says") from None


def _read_json(body: str | bytes) -> dict[str, object]:
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise SchoologyError(400, "The body is not valid JSON") from None
    if not isinstance(read, dict):
        raise SchoologyError(400, "The body must be a JSON object")
    return read


def _read_xml(body: str | bytes) -> dict[str, object]:
    reader = _Reader()
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except (ParseError, ValueError, LookupError):  # what defusedxml refuses is a ValueError, an unknown encoding a LookupError
        raise SchoologyError(400, "The body is not valid XML, or has a DTD") from None
    if not isinstance(reader.read, dict):
        raise SchoologyError(400, "The body must hold elements below its root")
    return reader.read


class _Element(Struct):
    """An element that is being read."""

    children: dict[str, Any]
    text: list[str]

    def add(self, name: str, value: object) -> None:
        """Add a child; the second of one name makes a list of both."""
        before = self.children.get(name)
        if before is None:
            self.children[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            self.children[name] = [before, value]

    def value(self) -> object:
        """Return what the element stands for. Raises ``SchoologyError`` for text beside elements: such as HTML that is not escaped."""
        text = "".join(self.text)
        if not self.children:
            return text
        if text.strip():
            raise SchoologyError(400, "The XML has text beside elements; markup in a text must be escaped")
        return self.children


class _Reader:
    """Makes dictionaries of the events of a parser (a target of ``xml.etree.ElementTree.XMLParser``)."""

    def __init__(self) -> None:
        self.read: object = None
        self._open: list[_Element] = []
        self._elements = 0

    def start(self, _name: str, _attributes: object) -> None:
        """Take note of an opening tag. Raises ``SchoologyError`` beyond the bounds."""
        self._elements += 1
        if len(self._open) == MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise SchoologyError(400, "The XML has too many elements")
        self._open.append(_Element({}, []))

    def data(self, text: str) -> None:
        """Take note of text."""
        self._open[-1].text.append(text)

    def end(self, name: str) -> None:
        """Take note of a closing tag; its namespace means nothing."""
        value = self._open.pop().value()
        if self._open:
            self._open[-1].add(name.rpartition("}")[2], value)
        else:
            self.read = value

    def close(self) -> None:
        """Do nothing: what was read is there already."""


def _liked(accept: str) -> dict[str, float]:
    """Return the qualities of the ranges of an Accept header; one that cannot be read counts as 1."""
    liked = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((found for text in parameters if (found := _QUALITY.fullmatch(text))), None)
        liked[name] = 1.0 if quality is None else float(quality[1])
    return liked


def _quality(liked: dict[str, float], name: str) -> float:
    """Return the quality of a type: that of the most specific range which it is in."""
    return next((liked[place] for place in (name, *_RANGES[name], "*/*") if place in liked), 0.0)


def _xml(content: Struct | str) -> bytes:
    return xml.document("result", msgspec.to_builtins(content), _in_words)


def _in_words(value: object) -> str:
    """Write a value as PHP would: null and false are empty texts (§3.2)."""
    if value is None or value is False:
        return ""
    return "1" if value is True else str(value)
