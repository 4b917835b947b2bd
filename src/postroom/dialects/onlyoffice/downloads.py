"""Files of messages at the address where the original has them, which is none of its interface (wire/onlyoffice.md §1b Attachments).

Whoever has the message is led to the link of the file, which knows ranges, and whose answer cannot run in a browser.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from postroom import clock
from postroom.dialects.onlyoffice import auth
from postroom.messages import attachments, items
from postroom.messages.items import Key
from postroom.messages.records import Attachment
from postroom.storage.database import Tx
from postroom.storage.store import Store

PATH: Final = "/addons/mail/HttpHandlers/Download.ashx"
"""In letters of either case, with the number of the file as ``attachid``."""

_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


def route(store: Store) -> Route:
    """Return the route of downloads from ``store``."""

    async def download(request: Request) -> Response:
        now = clock.now()
        user_id = await auth.identify(store, request, request.query_params.getlist(auth.KEY), now)
        given = request.query_params.get("attachid", "")
        file = None
        if user_id is not None and _NUMBER.fullmatch(given):
            file = await store.database.read(_file, user_id, int(given))
        if file is None:
            return PlainTextResponse("Access denied.", 403, {"Cache-Control": "no-store"})
        where = store.settings.public_url + attachments.link_path(store.vault, file)
        return RedirectResponse(where, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    found = Route(PATH, download, methods=["GET", "HEAD"])
    found.path_regex = re.compile(f"^{re.escape(PATH)}$", re.IGNORECASE)
    return found


def _file(tx: Tx, user_id: int, attachment_id: int) -> Attachment | None:
    """Return a file of a message that a person has, wherever the message lies."""
    file = attachments.find(tx, attachment_id)
    if file is None:
        return None
    own = Key(own=True, id=file.message_id)
    return file if items.find(tx, user_id, [own]) or items.lines_of(tx, user_id, [file.message_id]) else None
