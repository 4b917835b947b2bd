"""Answers in XML, made of what would have been JSON."""

import re
from collections.abc import Callable
from typing import Any, Final
from xml.sax.saxutils import escape

DECLARATION: Final = '<?xml version="1.0" encoding="utf-8" ?>\n'

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document can hold (XML 1.0 section 2.2)."""


def document(root: str, value: object, in_words: Callable[[object], str]) -> bytes:
    """Return a document of what JSON can hold: one element for each member of an object, and for each item of a list.

    ``in_words`` turns null, numbers, truth values and texts into text; where that is empty, so is the element.
    """
    out = [DECLARATION]
    _write(out, root, value, in_words)
    return "".join(out).encode()


def _write(out: list[str], name: str, value: Any, in_words: Callable[[object], str]) -> None:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, list):
        for item in value:
            _write(out, name, item, in_words)
        return
    if isinstance(value, dict):
        content: list[str] = []
        for key, inner in value.items():
            _write(content, key, inner, in_words)
        text = "".join(content)
    else:
        text = _escaped(in_words(value))
    out.append(f"<{name}>{text}</{name}>" if text else f"<{name} />")


def _escaped(text: str) -> str:
    """Return XML text. A carriage return is escaped, since parsers take it for a line feed (XML 1.0 section 2.11)."""
    return escape(_NOT_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})
