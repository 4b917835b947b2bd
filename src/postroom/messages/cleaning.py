"""HTML that people wrote, made safe for others to see, and the words in it."""

from html import unescape
from typing import Final

import nh3

from postroom.directory.values import one_line

_SCHEMES: Final = {"http", "https", "mailto"}
_IN_MAIL: Final = nh3.ALLOWED_TAGS - {"img", "map", "area"}
"""What a mail in our own name shows of somebody's words: no pictures, which tell their owner who reads it, and when."""


def clean(html: str) -> str:
    """Return HTML without scripts, handlers, styles, unknown elements, and links other than http, https and mailto."""
    return nh3.clean(html, url_schemes=_SCHEMES)


def clean_for_mail(html: str) -> str:
    """``clean``, and without pictures."""
    return nh3.clean(html, tags=_IN_MAIL, url_schemes=_SCHEMES)


def words(html: str, limit: int) -> str:
    """Return the text of HTML on one line of at most ``limit`` characters; what stands in different elements is kept apart."""
    return one_line(unescape(nh3.clean(html.replace("<", " <"), tags=set())), limit)
