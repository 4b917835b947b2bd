"""Several requests in one (wire/onlyoffice.md §1b, Batch): each is answered as if it had come alone, for the same person."""

from typing import Final

from msgspec import Struct, field

from postroom.dialects.onlyoffice import errors
from postroom.dialects.onlyoffice.call import Call, Inner
from postroom.dialects.onlyoffice.errors import ApiError
from postroom.dialects.onlyoffice.operation import Operations, operation

MOST: Final = 100
"""Requests in one."""

_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"


class BatchItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """One request. The web client says ``relativeMethod`` for ``method``."""

    name: str | None = None
    relative_url: str = ""
    method: str = ""
    relative_method: str = ""
    body: str = ""
    body_content_type: str = _FORM
    order: int = 0


class Batch(Struct, frozen=True, kw_only=True):
    """The requests, as a list in JSON in one field."""

    batch: list[BatchItem] = field(default_factory=list)


class BatchAnswer(Struct, frozen=True, kw_only=True):
    """The answer to one request."""

    name: str | None
    status: int
    headers: dict[str, str]
    data: str
    """The body of the answer, as text."""


@operation("POST", "/batch", Batch, result=list[BatchAnswer | None])
async def post_batch(call: Call, given: Batch) -> list[BatchAnswer | None]:
    """Answer several requests, one after the other by their ``order``; one that leads nowhere is answered with null."""
    return await _answers(call, given)


@operation("GET", "/batch", Batch, result=list[BatchAnswer | None])
async def get_batch(call: Call, given: Batch) -> list[BatchAnswer | None]:
    """Answer several requests, as POST does."""
    return await _answers(call, given)


OPERATIONS: Final[Operations] = (post_batch, get_batch)


async def _answers(call: Call, given: Batch) -> list[BatchAnswer | None]:
    if not given.batch:
        raise ApiError(200, "no batch specified", errors.INVALID_OPERATION)  # the status is that of the original
    if len(given.batch) > MOST:
        raise errors.argument(f"More than {MOST} requests.", "batch")
    return [await _answer(call, item) for item in sorted(given.batch, key=lambda item: item.order)]


async def _answer(call: Call, item: BatchItem) -> BatchAnswer | None:
    verb = (item.method or item.relative_method or "GET").upper()
    url = f"/{item.relative_url.lstrip('/')}"
    reply = await call.answer(Inner(verb=verb, url=url, content_type=item.body_content_type or _FORM, body=item.body.encode()))
    if reply is None:
        return None
    return BatchAnswer(name=item.name, status=reply.status, headers=reply.headers, data=reply.body.decode())
