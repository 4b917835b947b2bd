"""The text of an HTML document, as it stands beside it in a mail, and as programs show it that know no HTML."""

import re
from html.parser import HTMLParser
from typing import Final

from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from inscriptis.model.css import CssParse
from inscriptis.model.html_element import HtmlElement

_NEWLINE: Final = re.compile(r"\r\n|\r|\n|\x0b|\x0c|\x85|\u2028|\u2029")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_UNCLOSED: Final = re.compile(r"<(?=[^<>]*(?:<|\Z))")
"""A ``<`` that begins no tag. Parsers look for its end again and again: 5,000 of them take seconds."""

_LONGEST_TEXT: Final = 100_000
"""Characters of a text made from HTML. Tables fill columns with spaces, so a small document can become many times as long."""

_HEEDED: Final = frozenset({"display", "white-space"})
"""What style attributes may say of a text. Not lengths: a padding of a million characters on each line takes all memory."""


def normalised(text: str) -> str:
    """Return text with LF line ends only (every other line break becomes one) and without control characters but tab."""
    return _CONTROL.sub("", _NEWLINE.sub("\n", text))


def from_html(html: str) -> str:
    """Return the text of an HTML document, with the addresses of its links; whatever the HTML is like, there is some text."""
    clean = _UNCLOSED.sub("&lt;", normalised(html))
    try:
        text = get_text(clean, _INSCRIPTIS)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):  # the parser's ways to give up on odd HTML
        text = ""
    fits = text.strip() and len(text) <= _LONGEST_TEXT
    text = text if fits else _stripped(clean)  # the parser drops what is nested too deeply, without a word
    return "\n".join(line.rstrip() for line in normalised(text).strip("\n").split("\n"))


def _style(value: str, element: HtmlElement) -> None:
    """Apply what is heeded of a style attribute."""
    directives = (directive for directive in value.split(";") if directive.partition(":")[0].strip().lower() in _HEEDED)
    CssParse.attr_style(";".join(directives), element)


def _parser_config() -> ParserConfig:
    config = ParserConfig(display_links=True)
    config.attribute_handler.attribute_mapping = {**config.attribute_handler.attribute_mapping, "style": _style}
    return config


_INSCRIPTIS: Final = _parser_config()


class _Stripper(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _stripped(html: str) -> str:
    stripper = _Stripper()
    stripper.feed(html)
    stripper.close()
    return "".join(stripper.texts)
