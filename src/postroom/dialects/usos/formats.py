"""Output formats (wire/usos.md §3.2): json, jsonp and xmlmap2. Long lists are encoded piece by piece."""

import re
from typing import Annotated, Any, Final, Literal
from xml.etree import ElementTree as ET

import msgspec
from msgspec import Struct

from postroom.dialects.oauth1 import Form
from postroom.dialects.usos.arguments import choice, matching

Name = Literal["json", "jsonp", "xmlmap2"]

_TYPES: Final[dict[Name, str]] = {
    "json": "application/json; charset=utf-8",
    "jsonp": "application/javascript; charset=utf-8",
    "xmlmap2": "text/xml; charset=utf-8",
}
_CALLBACK: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
_LONGEST_CALLBACK: Final = 100
_PROLOGUE: Final = b'<?xml version="1.0" encoding="utf-8"?>\n'
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that an XML 1.0 document cannot hold."""


class Output(Struct, frozen=True):
    """How the caller wants the answer: two arguments that every method has."""

    format: Annotated[Name, choice("Format of the answer. Errors are JSON always.", ("json", "jsonp", "xmlmap2"), default="json")]
    callback: Annotated[
        str | None, matching("Name of the JavaScript function to call; required with jsonp.", _CALLBACK, limit=_LONGEST_CALLBACK)
    ]


class Encoded(Struct, frozen=True):
    """The body of an answer, as it goes out."""

    content: bytes
    content_type: str


class ListBuilder:
    """A list in an answer, encoded as it grows, so that its dictionaries need not all be in memory."""

    def __init__(self, output: Output) -> None:
        self._xml = output.format == "xmlmap2"
        self._pieces: list[bytes] = []

    def extend(self, values: list[dict[str, object]]) -> None:
        """Append some elements."""
        if not values:
            return
        if self._xml:
            self._pieces.extend(ET.tostring(_element(value), encoding="utf-8") for value in values)
        else:
            self._pieces.append(msgspec.json.encode(values)[1:-1])

    def finish(self) -> msgspec.Raw:
        """Return the encoded list, which ``encode`` takes as it is."""
        if self._xml:
            return msgspec.Raw(b"<array>" + b"".join(self._pieces) + b"</array>")
        return msgspec.Raw(b"[" + b",".join(self._pieces) + b"]")


def encode(value: object, output: Output) -> Encoded:
    """Encode an answer: plain values, lists and dictionaries, what a ``ListBuilder`` made for the same output, or a ``Form``."""
    if isinstance(value, Form):
        return Encoded(value.encoded(), Form.TYPE)
    return Encoded(_content(value, output), _TYPES[output.format])


def _content(value: object, output: Output) -> bytes:
    if output.format == "xmlmap2":
        return _PROLOGUE + (bytes(value) if isinstance(value, msgspec.Raw) else ET.tostring(_element(value), encoding="utf-8"))
    body = bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
    if output.format == "json":
        return body
    # two line breaks of JavaScript before ES2019 that JSON lets stand in strings
    body = body.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return (output.callback or "").encode() + b"(" + body + b");"


def _element(value: Any, key: str | None = None) -> ET.Element:  # noqa: ANN401 - whatever JSON can hold
    match value:
        case None:
            element = ET.Element("null")
        case bool():
            element = _leaf("boolean", "true" if value else "false")
        case int() | float():
            element = _leaf("number", str(value))
        case str():
            element = _leaf("string", _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value))
        case dict():
            element = ET.Element("object")
            element.extend(_element(one, str(name)) for name, one in value.items())
        case _:
            element = ET.Element("array")
            element.extend(_element(one) for one in value)
    if key is not None:
        element.set("key", _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", key))
    return element


def _leaf(tag: str, text: str) -> ET.Element:
    element = ET.Element(tag)
    element.text = text
    return element
