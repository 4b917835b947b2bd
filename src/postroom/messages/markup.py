"""What people write to each other may be plain text or HTML: which of the two it is, and HTML that is safe to show.

A text is kept as it was written and made safe on reading, so that better rules help old messages too.
"""

import re
from html import unescape
from typing import Final

import nh3

from postroom.directory.values import one_line
from postroom.messages.records import ContentFormat

_SCHEMES: Final = {"http", "https", "mailto", "tel"}
_IN_MAIL: Final = nh3.ALLOWED_TAGS - {"img", "map", "area"}
"""What a mail in the server's own name shows of somebody's HTML: no pictures, which tell their owner who reads it, and when."""

_TAG: Final = re.compile(r"<[/!?]?[A-Za-z][^<>]*>|<!--")
# In front of somebody's page a tag without an end takes the next ">" for one: where it looks like an attack, the text is no plain one.
_BEGUN_TAG: Final = re.compile(r"<[A-Za-z][^<>]*\b(?:on[a-z]+|src|srcset|href|style|data|action|formaction)\s*=", re.IGNORECASE)


def format_of(content: str) -> ContentFormat:
    """Tell what a text is: ``html`` if there is a tag in it."""
    return "html" if _TAG.search(content) or _BEGUN_TAG.search(content) else "plain"


def safe(content: str, content_format: ContentFormat) -> str:
    """Return a text as it may be shown: of HTML only elements and attributes that do nothing by themselves, and links by known schemes."""
    return nh3.clean(content, url_schemes=_SCHEMES) if content_format == "html" else content


def safe_in_mail(html: str) -> str:
    """Return HTML as a mail in the server's own name may quote it: ``safe``, and without pictures."""
    return nh3.clean(html, tags=_IN_MAIL, url_schemes=_SCHEMES)


def words(content: str, content_format: ContentFormat, limit: int) -> str:
    """Return a text on one line of at most ``limit`` characters; what stands in different elements of HTML is kept apart."""
    plain = unescape(nh3.clean(content.replace("<", " <"), tags=set())) if content_format == "html" else content
    return one_line(plain, limit)
