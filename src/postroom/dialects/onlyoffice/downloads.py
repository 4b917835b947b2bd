"""Files of messages at the address where the original has them, which is none of its interface (wire/onlyoffice.md §1b Attachments).

Whoever has the message is led to the link of the file, which knows ranges, and whose answer cannot run in a browser; or gets all
files of the message in one archive.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from postroom import clock
from postroom.dialects.item_numbers import key_of
from postroom.dialects.onlyoffice import auth, zipping
from postroom.messages import attachments, items
from postroom.messages.items import Key
from postroom.messages.records import Attachment
from postroom.storage.database import Tx
from postroom.storage.store import Store

PATH: Final = "/addons/mail/HttpHandlers/Download.ashx"
"""In letters of either case, with the number of the file as ``attachid``."""

PATH_OF_ALL: Final = "/addons/mail/HttpHandlers/DownloadAll.ashx"
"""The same for all files of a message, with its number as ``messageid``."""

_ARCHIVE: Final = {
    "Cache-Control": "no-store",
    "Content-Disposition": 'attachment; filename="attachments.zip"',
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


def path_of_all(number: int) -> str:
    """Return where all files of a message are fetched in one archive."""
    return f"{PATH_OF_ALL}?messageid={number}"


def routes(store: Store) -> list[Route]:
    """Return the routes of downloads from ``store``."""

    async def download(request: Request) -> Response:
        user_id, number = await _asked(store, request, "attachid")
        file = None if user_id is None else await store.database.read(_file, user_id, number)
        if file is None:
            return _denied()
        where = store.settings.public_url + attachments.link_path(store.vault, file)
        return RedirectResponse(where, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    async def download_all(request: Request) -> Response:
        user_id, number = await _asked(store, request, "messageid")
        files = [] if user_id is None else await store.database.read(files_of, user_id, key_of(number))
        if not files:
            return _denied()
        if request.method == "HEAD":
            return Response(None, 200, _ARCHIVE, "application/zip")
        return StreamingResponse(zipping.zipped(store.blobs, files), 200, _ARCHIVE, "application/zip")

    found = [Route(PATH, download, methods=["GET", "HEAD"]), Route(PATH_OF_ALL, download_all, methods=["GET", "HEAD"])]
    for route in found:
        route.path_regex = re.compile(f"^{re.escape(route.path)}$", re.IGNORECASE)
    return found


def files_of(tx: Tx, user_id: int, key: Key) -> list[Attachment]:
    """Return the files of a message that a person has, wherever it lies; none of any other."""
    found = items.find(tx, user_id, [key])
    return [file for one in found for file in attachments.of_messages(tx, [one.message_id]).get(one.message_id, [])]


async def _asked(store: Store, request: Request, name: str) -> tuple[int | None, int]:
    """Return who is calling, ``None`` for nobody known and where the number that is asked for is none, and this number."""
    given = request.query_params.get(name, "")
    if not _NUMBER.fullmatch(given):
        return None, 0
    return await auth.identify(store, request, request.query_params.getlist(auth.KEY), clock.now()), int(given)


def _denied() -> Response:
    return PlainTextResponse("Access denied.", 403, {"Cache-Control": "no-store"})


def _file(tx: Tx, user_id: int, attachment_id: int) -> Attachment | None:
    """Return a file of a message that a person has, wherever the message lies."""
    file = attachments.find(tx, attachment_id)
    if file is None:
        return None
    own = Key(own=True, id=file.message_id)
    return file if items.find(tx, user_id, [own]) or items.lines_of(tx, user_id, [file.message_id]) else None
