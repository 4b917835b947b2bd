"""Pages for people, in Polish or English: short, without scripts and without anything from elsewhere."""

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
    "label,input{display:block;width:100%;box-sizing:border-box;font:inherit}"
    "label{margin-top:1rem}"
    "input{padding:.4rem .6rem;color:inherit;background:transparent;border:1px solid #767676;border-radius:.3rem}"
    "fieldset{margin:1.25rem 0 0;padding:.4rem .9rem .9rem;border:1px solid #767676;border-radius:.3rem}"
    ".choice{display:flex;gap:.6rem;align-items:baseline}"
    ".choice input{width:auto}"
    "button{font:inherit;margin:1.25rem .5rem 0 0;padding:.4rem 1.1rem;border:1px solid #767676;border-radius:.3rem;"
    "color:inherit;background:transparent;cursor:pointer}"
    "button.first{color:#fff;background:#1d4f91;border-color:#1d4f91}"
    ":focus-visible{outline:3px solid #1d4f91;outline-offset:2px}"
    "[role=alert]{padding:.6rem .9rem;border-left:.3rem solid #b3261e}"
    "output{font-size:2rem;letter-spacing:.15em}"
    "@media(prefers-color-scheme:dark){body{color:#ececec;background:#161616}"
    ":focus-visible{outline-color:#8ab4f8}[role=alert]{border-color:#f2b8b5}"
    "button.first{color:#10131a;background:#8ab4f8;border-color:#8ab4f8}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
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
    return notice(text[language], language, status)


def notice(text: Text, language: Language, status: int = 200) -> HTMLResponse:
    """Answer with a text."""
    content = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in text.paragraphs)
    content += "".join(f'<p><a href="{escape(address)}">{escape(words)}</a></p>' for address, words in text.links)
    return document(text.title, content, language, status)


def document(
    title: str, content: str, language: Language, status: int = 200, *, form_action: str = "'none'", prefix: str = ""
) -> HTMLResponse:
    """Answer with a page of HTML that is safe already.

    Its forms may lead to the sources of ``form_action`` (Content-Security-Policy), redirects included. ``prefix`` stands before
    the title in the window, which is read out first.
    """
    heading = escape(title)
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(prefix)}{heading}</title><style>{_STYLE}</style></head><body><main><h1>{heading}</h1>{content}</main></body></html>"
    )
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    return HTMLResponse(html, status, {**_HEADERS, "Content-Security-Policy": policy, "Content-Language": language})
