"""Files for drafts at the address where the original's web client sends them, none of its interface (wire/onlyoffice.md §1b Attachments).

The answer is 200 and says in ``Success`` whether there is a file now; only whoever is not known hears of it by the status.
"""

import re
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from postroom import clock
from postroom.dialects.multipart import BadMultipart
from postroom.dialects.onlyoffice import auth, errors, mail_files
from postroom.dialects.onlyoffice.binder import bind
from postroom.dialects.onlyoffice.call import Call, Inner
from postroom.dialects.onlyoffice.downloads import PATH as DOWNLOADS
from postroom.dialects.onlyoffice.envelope import JSON
from postroom.dialects.onlyoffice.errors import ApiError
from postroom.dialects.onlyoffice.mail_files import FileAdding
from postroom.dialects.onlyoffice.names import Names
from postroom.dialects.parameters import BadParameter, decode
from postroom.errors import PostroomError
from postroom.storage.store import Store

PATH: Final = "/UploadProgress.ashx"
"""In letters of either case, also beside the pages of the original; with ``messageId`` and ``name``."""


class Upload(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What became of a file."""

    success: bool
    file_name: str = ""
    file_url: str = msgspec.field(default="", name="FileURL")
    data: Any = None
    """The file, as ``messages/attachment/add`` answers it."""
    message: str = ""


def route(store: Store) -> Route:
    """Return the route of uploads to ``store``."""

    async def upload(request: Request) -> Response:
        now = clock.now()
        caller = await auth.identify(store, request, request.query_params.getlist(auth.KEY), now)
        if caller is None:
            return PlainTextResponse("Access denied.", 403, {"Cache-Control": "no-store"})
        result = await _received(Call(store, request, caller, now, _nowhere))
        return Response(msgspec.json.encode(result), 200, {"Cache-Control": "no-store"}, JSON)

    found = Route(PATH, upload, methods=["POST"])
    found.path_regex = re.compile(rf"^(?:/addons/mail)?{re.escape(PATH)}$", re.IGNORECASE)
    return found


async def _received(call: Call) -> Upload:
    names = Names()
    try:
        given = decode(call.request.scope["query_string"])
        names.add_pairs([("id_message" if name.lower() == "messageid" else name, value) for name, value in given])
        file = await mail_files.received(call, bind(names.root, FileAdding, call.zone))
    except ApiError as error:
        return Upload(success=False, message=error.message)
    except (PostroomError, BadParameter, BadMultipart) as error:
        return Upload(success=False, message=errors.translate(error).message)
    url = f"{call.settings.public_url}{DOWNLOADS}?attachid={file.file_id}"
    return Upload(success=True, file_name=file.file_name or "", file_url=url, data=file)


async def _nowhere(_inner: Inner) -> None:
    return None
