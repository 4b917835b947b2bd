"""What people write to each other may be plain text or HTML: which of the two it is, and HTML that is safe to show.

A text is kept as it was written and made safe on reading, so that better rules help old messages too.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
from html import escape, unescape
from typing import Final
from urllib.parse import unquote

import nh3

from postroom.directory.values import one_line
from postroom.messages.records import ContentFormat

_SCHEMES: Final = {"http", "https", "mailto", "tel"}
_PART: Final = "cid"
_LINKS: Final = frozenset({"href", "src", "cite"})
_IN_MAIL: Final = nh3.ALLOWED_TAGS - {"img", "map", "area"}
"""What a mail in the server's own name shows of somebody's HTML: no pictures, which tell their owner who reads it, and when."""

_TAG: Final = re.compile(r"<[/!?]?[A-Za-z][^<>]*>|<!--")
# In front of somebody's page a tag without an end takes the next ">" for one: where it looks like an attack, the text is no plain one.
_BEGUN_TAG: Final = re.compile(r"<[A-Za-z][^<>]*\b(?:on[a-z]+|src|srcset|href|style|data|action|formaction)\s*=", re.IGNORECASE)

# Elements of formatting that were left open are opened anew by a parser in each paragraph that follows. So a text of n of them and n
# paragraphs would become one of n² elements, a thousand times as long. Of elements that are alike no more than three are opened anew.
_FORMATTING: Final = re.compile(
    r"<(b|big|code|em|font|i|s|small|strike|strong|tt|u)(?![^\s/>])"
    r"""((?:\s++[\w:-]++(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++))?+)*+\s*+/?+>)?""",
    re.IGNORECASE,
)
"""The tag of such an element, and its attributes if they are written so that everybody agrees where they end."""
_ALIKE: Final = 3
_UNREPEATED: Final = 2
"""Of ``a`` and ``nobr`` one each is open at most."""
_MOST_COPIES: Final = 50_000
"""Elements of formatting that may be opened anew in a text: more than in any that somebody wrote."""
_GROWTH: Final = 4
"""What the attributes of all elements may take together, in lengths of the whole text."""


def format_of(content: str) -> ContentFormat:
    """Tell what a text is: ``html`` if there is a tag in it."""
    return "html" if _TAG.search(content) or _BEGUN_TAG.search(content) else "plain"


def safe(content: str, content_format: ContentFormat, content_ids: Collection[str] = ()) -> str:
    """Return a text as it may be shown: of HTML only elements and attributes that do nothing by themselves, and links by known schemes.

    HTML that a parser would make very much longer is shown as the text that it is. Images that are parts of the mail (``cid:``, RFC 2392)
    keep their names if these are among the ``content_ids``.
    """
    return _clean(content, nh3.ALLOWED_TAGS, content_ids) if content_format == "html" else content


def safe_in_mail(html: str) -> str:
    """Return HTML as a mail in the server's own name may quote it: ``safe``, and without pictures."""
    return _clean(html, _IN_MAIL)


def words(content: str, content_format: ContentFormat, limit: int) -> str:
    """Return a text on one line of at most ``limit`` characters; what stands in different elements of HTML is kept apart."""
    plain = unescape(_clean(content.replace("<", " <"), set())) if content_format == "html" else content
    return one_line(plain, limit)


def _clean(html: str, tags: set[str], content_ids: Collection[str] = ()) -> str:
    if _grows(html):
        return escape(html)
    return nh3.clean(html, tags=tags, url_schemes={*_SCHEMES, _PART}, attribute_filter=_within(_GROWTH * len(html), content_ids))


def _grows(html: str) -> bool:
    """Tell whether a parser might open very many elements anew; it is rather said of too many texts than of too few."""
    tags = Counter((name.lower(), attributes) for name, attributes in _FORMATTING.findall(html))
    left_open = sum(min(count, _ALIKE) if attributes else count for (_, attributes), count in tags.items())
    return (left_open + _UNREPEATED) * html.count("<") > _MOST_COPIES


def _within(characters: int, content_ids: Collection[str]) -> Callable[[str, str, str], str | None]:
    """Return a filter that lets attributes pass until their values have so many characters together; of names of parts those known."""
    left = characters

    def value_of(tag: str, attribute: str, value: str) -> str | None:
        nonlocal left
        left -= len(value)
        scheme, _, name = value.strip().partition(":")
        if attribute in _LINKS and scheme.lower() == _PART and not (tag == "img" and unquote(name) in content_ids):
            return None
        return value if left >= 0 else None

    return value_of
