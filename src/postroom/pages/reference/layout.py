"""What all reference pages have in common: the frame around their content, their style, and their headers.

One column of reading width, with the navigation beside it where there is room, else below, where the first line leads.
It works without scripts, by keyboard, in the dark and in print, and loads nothing.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Final

from msgspec import Struct
from starlette.responses import HTMLResponse

from postroom.dialects.usos.modules import Module
from postroom.settings import Settings

_STYLE: Final = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Language": "en",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}

UP: Final = "../../"
"""From a page of a module, or of definitions, to the first page."""


class Entry(Struct, frozen=True, kw_only=True):
    """A page in the navigation."""

    path: str
    """Below the first page, such as ``services/mailclient/``; the first page has the empty path."""
    title: str
    below: Sequence[str] = ()
    """Names of anchors in it, listed while it is shown."""


class Site(Struct, frozen=True, kw_only=True):
    """The installation whose interface the pages describe."""

    settings: Settings
    modules: Sequence[Module]
    definitions: Sequence[Entry]

    @property
    def url(self) -> str:
        """Its address, with a slash at the end."""
        return f"{self.settings.public_url}/"

    def entries(self) -> list[Entry]:
        """Return the pages of modules."""
        return [
            Entry(path=f"{module.name}/", title=module.title, below=[one.name.rpartition("/")[2] for one in module.endpoints])
            for module in self.modules
        ]


def document(site: Site, path: str, title: str, content: str) -> HTMLResponse:
    """Answer with a page: ``path`` is its place below the first page, ``content`` HTML that is safe already."""
    up = UP if path else ""
    first = f'<a href="{up or "./"}"{_current(not path)}>Overview</a>'
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - Postroom API</title><style>{_STYLE}</style></head><body>"
        '<a class="skip" href="#main-content">Skip to the content</a>'
        f'<header><p><a href="{up or "./"}">Postroom API</a><span>{escape(site.settings.mail.organisation)}</span>'
        '<a class="menu" href="#menu">Contents</a></p></header>'
        f'<div class="frame"><main id="main-content" tabindex="-1">{content}</main>'
        f'<nav id="menu" aria-label="Reference"><ul><li>{first}</li></ul>'
        f"<h2>Modules</h2>{_list(site.entries(), path, up)}<h2>Definitions</h2>{_list(site.definitions, path, up)}</nav></div>"
        f"<footer>Made out of the declarations that serve {escape(site.url)}.</footer></body></html>"
    )
    return HTMLResponse(html, headers=_HEADERS)


def _list(entries: Sequence[Entry], path: str, up: str) -> str:
    items = "".join(
        f'<li><a href="{up}{entry.path}"{_current(entry.path == path)}>{escape(entry.title)}</a>{_anchors(entry, path)}</li>'
        for entry in entries
    )
    return f"<ul>{items}</ul>"


def _anchors(entry: Entry, path: str) -> str:
    if entry.path != path or not entry.below:
        return ""
    return "<ul>" + "".join(f'<li><a href="#{name}">{escape(name)}</a></li>' for name in entry.below) + "</ul>"


def _current(current: bool) -> str:  # noqa: FBT001 - one word of a template
    return ' aria-current="page"' if current else ""
