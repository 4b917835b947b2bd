"""What people write to each other may be plain text or HTML: which of the two it is, and HTML that is safe to show.

A text is kept as it was written and made safe on reading, so that better rules help old messages too.
"""

import re
from typing import Final

import nh3

from postroom.messages.records import ContentFormat

_SCHEMES: Final = {"http", "https", "mailto", "tel"}

_TAG: Final = re.compile(r"<[/!?]?[A-Za-z][^<>]*>|<!--")
# In front of somebody's page a tag without an end takes the next ">" for one: where it looks like an attack, the text is no plain one.
_BEGUN_TAG: Final = re.compile(r"<[A-Za-z][^<>]*\b(?:on[a-z]+|src|srcset|href|style|data|action|formaction)\s*=", re.IGNORECASE)


def format_of(content: str) -> ContentFormat:
    """Tell what a text is: ``html`` if there is a tag in it."""
    return "html" if _TAG.search(content) or _BEGUN_TAG.search(content) else "plain"


def safe(content: str, content_format: ContentFormat) -> str:
    """Return a text as it may be shown: of HTML only elements and attributes that do nothing by themselves, and links by known schemes."""
    return nh3.clean(content, url_schemes=_SCHEMES) if content_format == "html" else content
