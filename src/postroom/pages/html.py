"""Short pages for people: one heading, a few sentences, in Polish or English, without scripts and without anything from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse

from postroom.pages.headers import Language, preferred_language

_STYLE: Final = (
    "body{font:1.125rem/1.6 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.25rem;color:#1b1b1b;background:#fff}"
    "h1{font-size:1.6rem;line-height:1.3}"
    "a{color:inherit}"
    "@media(prefers-color-scheme:dark){body{color:#ececec;background:#161616}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Text(Struct, frozen=True):
    """What a page says, as plain text."""

    title: str
    paragraphs: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Address and words of what the page leads on to."""


def page(request: Request, text: Mapping[Language, Text], status: int = 200) -> HTMLResponse:
    """Answer with ``text`` in the language that the browser prefers."""
    language = preferred_language(request.headers.get("accept-language"))
    chosen = text[language]
    paragraphs = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in chosen.paragraphs)
    paragraphs += "".join(f'<p><a href="{escape(address)}">{escape(words)}</a></p>' for address, words in chosen.links)
    title = escape(chosen.title)
    content = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>{paragraphs}</main></body></html>"
    )
    return HTMLResponse(content, status, {**PAGE_HEADERS, "Content-Language": language})
