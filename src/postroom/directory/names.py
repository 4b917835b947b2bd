"""Searching people by their names: every word of a name, folded, stands in an index of its own.

Case and accents do not matter: ``zolkiewska`` finds *Żółkiewska*. Words are folded here, not by the databases, which disagree
about letters beyond ASCII. Whoever adds people or changes their names calls ``index``.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, select

from postroom.directory.values import chunks
from postroom.errors import Invalid, TooLarge
from postroom.storage.database import Tx
from postroom.storage.tables import user_words, users

MAX_QUERY: Final = 100
"""Characters of a query."""
MAX_WORDS: Final = 8
"""Words of a query."""
SHORTEST: Final = 2
"""Characters that the longest word of a query has at least: one letter alone begins the names of half the organisation."""

_LONGEST_WORD: Final = 50
_CHUNK: Final = 5_000
_WORD: Final = re.compile(r"[^\W_]+")
_UNDECOMPOSED: Final = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe"})
"""Letters whose stroke or shape is no accent to Unicode."""
_BEYOND: Final = "\U0010ffff"


def fold(text: str) -> str:
    """Return ``text`` without case and accents."""
    # Decomposed twice: what stands for a capital letter in another type face becomes one first; and casefolding can compose letters again.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).translate(_UNDECOMPOSED)


def words_of(text: str) -> list[str]:
    """Return the folded words of a name or a query, each once, cut to 50 characters; a hyphen parts words."""
    return list(dict.fromkeys(word[:_LONGEST_WORD] for word in _WORD.findall(fold(text))))


def index(tx: Tx, people: Iterable[tuple[int, str]]) -> None:
    """Make people found by the words of their names alone: pairs of number and all names, whatever was known of them before."""
    for chunk in chunks(people):
        tx.execute(delete(user_words).where(user_words.c.user_id.in_([number for number, _ in chunk])))
        rows = [{"word": word, "user_id": number} for number, names in chunk for word in words_of(names)]
        for some in chunks(rows, _CHUNK):
            tx.execute(insert(user_words), some)


def search(tx: Tx, query: str, start: int, limit: int) -> list[int]:
    """Return the numbers of active people of whose names each word of ``query`` begins one, ``limit`` of them from the ``start``-th on.

    First who is called exactly so, then by the word that begins like the longest one of the query, then by number. Raises ``TooLarge``
    or ``Invalid`` (``query``) for a query that is too long, of too many words, or of none with two letters or digits.
    """
    longest, *others = _checked(query)
    found = (
        select(user_words.c.user_id)
        .join(users, users.c.id == user_words.c.user_id)
        .where(_begins(user_words.c.word, longest), users.c.active)
        .group_by(user_words.c.user_id)
        .order_by(func.min(user_words.c.word), user_words.c.user_id)
    )
    for word in others:
        other = user_words.alias()
        found = found.where(exists().where(other.c.user_id == user_words.c.user_id, _begins(other.c.word, word)))
    return list(tx.execute(found.offset(start).limit(limit)).scalars())


def called(query: str) -> list[ColumnElement[bool]]:
    """Return, in SQL, for each word of ``query`` whether it begins one of a person's names. Raises as ``search``."""
    return [users.c.id.in_(select(user_words.c.user_id).where(_begins(user_words.c.word, word))) for word in _checked(query)]


def _checked(query: str) -> list[str]:
    """Return the words of a query, the longest one first."""
    if len(query) > MAX_QUERY:
        raise TooLarge("query", MAX_QUERY)
    words = sorted(words_of(query), key=len, reverse=True)
    if len(words) > MAX_WORDS:
        raise Invalid("query", f"more than {MAX_WORDS} words")
    if not words or len(words[0]) < SHORTEST:
        raise Invalid("query", f"one of its words must have {SHORTEST} letters or digits")
    return words


def _begins(column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    return and_(column >= word, column < word + _BEYOND)
