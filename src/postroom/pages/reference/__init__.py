"""The reference of the USOS dialect for people: ``/developers/api/``, made out of the declarations that serve the methods.

Its addresses are those of the pages of USOS API installations: ``services/<module>/#<method>`` and ``definitions/<subject>/``.
Links between the pages are relative, so they hold below whatever path a proxy puts the server.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from postroom.dialects.usos.apiref.reference import PAGES
from postroom.dialects.usos.modules import Module
from postroom.pages import home
from postroom.pages.reference.definitions import DEFINITIONS
from postroom.pages.reference.layout import Site, document
from postroom.pages.reference.modules import module_page, overview
from postroom.settings import Settings

_ENTRANCES: Final = {"/developers": "developers/api/", "/developers/": "api/", "/developers/api": "api/"}
"""Shorter addresses, and where the first page is from there."""


def routes(settings: Settings, modules: Sequence[Module]) -> list[Route]:
    """Return the routes of the pages that describe ``modules`` as they are on this installation."""
    site = Site(settings=settings, modules=modules, definitions=[one.entry for one in DEFINITIONS.values()])
    by_path = {f"{module.name}/": module for module in modules}

    def content(path: str) -> tuple[str, str] | None:
        """Return title and content of a page."""
        if not path:
            return "Overview", overview(site)
        if path in by_path:
            return by_path[path].title, module_page(by_path[path], site)
        if path in DEFINITIONS:
            return DEFINITIONS[path].entry.title, DEFINITIONS[path].content(site)
        return None

    async def show(request: Request) -> Response:
        """Answer with a page; an address that lacks its last slash leads there."""
        path = request.path_params["path"]
        if found := content(path):
            return document(site, path, *found)
        if f"{path}/" in by_path or f"{path}/" in DEFINITIONS:
            return RedirectResponse(path.rpartition("/")[2] + "/", 308)
        return await home.not_found(request)

    return [
        Route(f"/{PAGES}{{path:path}}", show, methods=["GET", "HEAD"]),
        *[Route(path, _leads_to(target), methods=["GET", "HEAD"]) for path, target in _ENTRANCES.items()],
    ]


def _leads_to(target: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(_request: Request) -> Response:
        return RedirectResponse(target, 308)

    return redirect
