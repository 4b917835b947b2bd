"""Pictures of contacts at the addresses that contacts name, which are none of the interface (wire/onlyoffice.md §4 Contact).

Of a person of the organisation it is the photograph that the directory knows; of anybody else the initials, drawn (ours).
"""

import html
import re
from typing import Final
from zlib import crc32

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from postroom import clock
from postroom.dialects.onlyoffice import auth
from postroom.directory import address_books, owned_addresses, people
from postroom.directory.address_books import Contact, Search
from postroom.storage.database import Tx
from postroom.storage.store import Store

PATH: Final = "/addons/mail/httphandlers/contactphoto.ashx"
"""In letters of either case, with the number of the contact as ``cid`` and a size as ``ps``: 2 is the larger one."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_WORD: Final = re.compile(r"[^\W_]+")
_SMALL, _LARGE = 32, 82

_HEADERS: Final = {
    "Cache-Control": "private, max-age=300",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def route(store: Store) -> Route:
    """Return the route of pictures of contacts in ``store``."""

    async def picture(request: Request) -> Response:
        user_id = await auth.identify(store, request, request.query_params.getlist(auth.KEY), clock.now())
        given = request.query_params.get("cid", "")
        found = None
        if user_id is not None and _NUMBER.fullmatch(given):
            found = await store.database.read(_found, user_id, int(given))
        if found is None:
            return PlainTextResponse("Access denied.", 403, {"Cache-Control": "no-store"})
        contact, photograph = found
        if photograph.startswith(("https://", "http://")):
            return RedirectResponse(photograph, 303, _HEADERS)
        size = _LARGE if request.query_params.get("ps") == "2" else _SMALL
        return Response(_drawn(contact, size), 200, _HEADERS, "image/svg+xml")

    made = Route(PATH, picture, methods=["GET", "HEAD"])
    made.path_regex = re.compile(f"^{re.escape(PATH)}$", re.IGNORECASE)
    return made


def _found(tx: Tx, user_id: int, contact_id: int) -> tuple[Contact, str] | None:
    """Return a contact of a person, and the photograph of the one person of the organisation whom one of its addresses belongs to."""
    contacts, _ = address_books.page(tx, user_id, 0, 1, Search(number=contact_id))
    if not contacts:
        return None
    (contact,) = contacts
    owners = owned_addresses.owners(tx, [info.value for info in contact.infos if info.kind == "email"])
    alone = {numbers[0] for numbers in owners.values() if len(numbers) == 1}
    return contact, (people.get(tx, alone.pop()).picture or "" if len(alone) == 1 else "")


def _drawn(contact: Contact, size: int) -> str:
    """Draw the initials of a contact, on a ground whose colour stays the same."""
    said = contact.name or next((info.value for info in contact.infos), "")
    words = _WORD.findall(said.partition("@")[0])
    initials = html.escape("".join(word[0] for word in (words[:1] + words[1:][-1:])).upper())
    ground = f"hsl({crc32(said.encode()) % 360}, 45%, 42%)"
    letters = f'<text x="50%" y="50%" dy=".35em" text-anchor="middle" font-family="sans-serif" font-size="{size * 0.42:.0f}" fill="#fff">'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
        f'<rect width="100%" height="100%" fill="{ground}"/>{letters}{initials}</text></svg>'
    )
