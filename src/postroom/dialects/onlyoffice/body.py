"""The body of a request, by its media type (wire/onlyoffice.md §1a.4): JSON, XML, else a form."""

from typing import Final

from starlette.requests import Request

from postroom.dialects.multipart import Part, is_multipart, read_form
from postroom.dialects.onlyoffice.names import Names
from postroom.dialects.parameters import Pairs, decode
from postroom.dialects.threads import aside
from postroom.errors import TooLarge

JSON: Final = "application/json"
XML: Final = "text/xml"


def media_type(request: Request) -> str:
    """Return the media type of a body without its parameters; empty: none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_form(request: Request) -> bool:
    """Tell whether the body is read as a form: any that is neither JSON nor XML, except that of a GET."""
    return request.method != "GET" and media_type(request) not in {JSON, XML}


async def read_into(names: Names, request: Request, limit: int) -> None:
    """Add what the body says; files in it are skipped.

    Raises ``ApiError`` 400, ``BadParameter``, ``BadMultipart``, and ``TooLarge("body", limit)`` beyond ``limit`` bytes.
    """
    content_type = request.headers.get("content-type")
    if is_form(request) and is_multipart(content_type):
        names.add_pairs(await read_form(request.stream(), content_type, limit=limit, open_file=_no_file))
        return
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise TooLarge("body", limit)
    if content:
        await aside(len(content), _add, names, request, bytes(content))


def _add(names: Names, request: Request, content: bytes) -> None:
    match media_type(request):
        case "application/json":
            names.add_json(content)
        case "text/xml":
            names.add_xml(content)
        case _ if is_form(request):
            names.add_pairs(decode(content))


async def _no_file(_part: Part, _fields: Pairs) -> None:
    return None
