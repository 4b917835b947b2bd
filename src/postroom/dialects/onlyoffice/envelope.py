"""The envelope of every answer, in JSON and in XML (wire/onlyoffice.md §3.1, §3.3, §3.4)."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from postroom.dialects import xml
from postroom.dialects.onlyoffice.errors import ApiError
from postroom.dialects.onlyoffice.lists import Shown

JSON: Final = "application/json; charset=UTF-8"
XML: Final = "text/xml; charset=UTF-8"


class Success(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What was asked for. Keys that would hold their default are left out."""

    count: int = 0
    start_index: int = 0
    next_index: int | None = None
    total: int | None = None
    status: int
    status_code: int
    response: Any


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong: the text that programs show, and the number of the .NET exception."""

    message: str
    hresult: int
    data: dict[str, str]


class Failure(Struct, frozen=True, kw_only=True, rename="camel"):
    """The envelope of an error."""

    status: int
    status_code: int
    error: Problem


def success(verb: str, result: object) -> Success:
    """Put a result into its envelope: what was created by POST has 201, nothing at all is ``{}`` (§8.29)."""
    status = 201 if verb == "POST" else 200
    if result is None:
        return Success(status=0, status_code=status, response={})
    if isinstance(result, Shown):
        return Success(
            count=len(result.items),
            start_index=result.start,
            next_index=result.next,
            total=result.total,
            status=0,
            status_code=status,
            response=result.items,
        )
    return Success(count=_count(result), status=0, status_code=status, response=result)


def failure(error: ApiError) -> Failure:
    """Put an error into its envelope; never with a stack trace (§8.14)."""
    return Failure(status=1, status_code=error.status, error=Problem(message=error.message, hresult=error.hresult, data={}))


def encode(content: Success | Failure, *, as_xml: bool) -> bytes:
    """Write an envelope. In XML the items of ``response`` are so many elements of this name."""
    if as_xml:
        return xml.document("result", msgspec.to_builtins(content), _in_words)
    return msgspec.json.encode(content)


def _count(result: object) -> int:
    """Count as the original does: a text by its characters in UTF-16 (§8.28), anything else is one."""
    return len(result.encode("utf-16-le", "surrogatepass")) // 2 if isinstance(result, str) else 1


def _in_words(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
