"""How a search shows where a name matches: HTML with ``<b>`` around the words that begin as the query does."""

import html
import re
from typing import Final

from postroom.directory.names import words_of

_WORD: Final = re.compile(r"[^\W_]+")


def highlighted(name: str, query: str) -> str:
    """Return a name as HTML with the words in ``<b>`` that a word of ``query`` begins, case and accents apart."""
    wanted = tuple(words_of(query))
    pieces: list[str] = []
    end = 0
    for found in _WORD.finditer(name):
        pieces.append(html.escape(name[end : found.start()]))
        word = html.escape(found.group())
        pieces.append(f"<b>{word}</b>" if any(folded.startswith(wanted) for folded in words_of(found.group())) else word)
        end = found.end()
    return "".join(pieces) + html.escape(name[end:])
