"""The suppression list: its shapes on the wire and its operations."""

import io
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from postroom.clock import SECOND
from postroom.dialects.operation import Answer, Nothing, Operations, operation
from postroom.dialects.postroom.call import Call
from postroom.dialects.postroom.errors import refusals
from postroom.directory import suppressions
from postroom.directory.importing.suppressions import SuppressionCounts, import_suppressions
from postroom.directory.suppressions import MAX_DETAIL, Reason
from postroom.errors import NotFound
from postroom.mailbox import MAX_EMAIL
from postroom.storage.database import Tx

MAX_PAGE: Final = 1_000

_LIST: Final = "/suppressions"
_ONE: Final = "/suppressions/{email}"

_Time = Annotated[datetime, Meta(tz=True)]


class Entry(Struct, frozen=True, kw_only=True):
    """An address that gets no mail."""

    email: str
    reason: Reason
    detail: str
    """The words of the mail server, or of whoever added it."""
    message_id: int | None
    """Number of the message that bounced."""
    created_at: _Time
    expires_at: _Time | None
    """``null``: until it is removed."""


class EntryPage(Struct, frozen=True, kw_only=True):
    """A page of the list."""

    suppressions: list[Entry]
    next: int | None
    """What ``after`` is to be for the next page; ``null``: this is the last one."""


class NewEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry as a program wants it."""

    reason: Reason = "manual"
    detail: Annotated[str, Meta(max_length=MAX_DETAIL)] = ""
    expires_at: _Time | None = None


class ListParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the list."""

    search: Annotated[str, Meta(max_length=MAX_EMAIL, description="Parts of an address, separated by blanks, in any case.")] = ""
    after: Annotated[int, Meta(ge=0, description="The value of next of the page before.")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Entries on a page at most.")] = 100


class OneParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entry."""

    email: Annotated[str, Meta(max_length=2 * MAX_EMAIL, description="The address, percent-encoded, in any case.")]


@operation("GET", _LIST, parameters=ListParameters, answers={200: EntryPage}, errors=refusals("invalid"))
async def list_suppressions(call: Call, given: ListParameters, _: None) -> Answer:
    """List the addresses that get no mail.

    In the order in which they came onto the list.
    """
    found = await call.store.database.read(suppressions.page, given.search, given.after, given.limit + 1, call.now)
    shown = found[: given.limit]
    more = shown[-1].id if len(found) > given.limit else None
    return Answer(200, EntryPage(suppressions=[_entry(one) for one in shown], next=more))


@operation("GET", _ONE, parameters=OneParameters, answers={200: Entry}, errors=refusals("invalid", "not_found"))
async def get_suppression(call: Call, given: OneParameters, _: None) -> Answer:
    """Tell whether an address is on the list, and why."""
    return Answer(200, _entry(await call.store.database.read(suppressions.get, given.email, call.now)))


@operation(
    "PUT",
    _ONE,
    parameters=OneParameters,
    body=NewEntry,
    answers={200: Entry, 201: Entry},
    errors=refusals("invalid", "too_large", "unsupported_media_type"),
)
async def put_suppression(call: Call, given: OneParameters, wanted: NewEntry) -> Answer:
    """Put an address on the list.

    An earlier entry for it is replaced (200); else it is new (201).
    """
    entry, new = await call.store.database.write(_put, given.email, wanted, call.now)
    return Answer(201 if new else 200, _entry(entry))


@operation("DELETE", _ONE, parameters=OneParameters, answers={204: None}, errors=refusals("invalid", "not_found"))
async def delete_suppression(call: Call, given: OneParameters, _: None) -> Answer:
    """Take an address off the list.

    The next message, or the next retry, goes out to it.
    """
    if not await call.store.database.write(suppressions.remove, given.email, call.now):
        raise NotFound("suppression", given.email)
    return Answer(204)


@operation(
    "POST",
    "/suppressions/import",
    parameters=Nothing,
    body=bytes,
    answers={200: SuppressionCounts},
    errors=refusals("import_failed", "too_large", "unsupported_media_type"),
)
async def import_list(call: Call, _: Nothing, content: bytes) -> Answer:
    """Put the addresses of a CSV file on the list: all of them, or nothing when one line is wrong.

    Columns: email and, if wanted, reason, detail, expires. Of two entries for one address the one that holds longer stays.
    """
    counts = await call.store.database.write(import_suppressions, "body", lambda: io.BytesIO(content), call.now)
    return Answer(200, counts)


OPERATIONS: Final[Operations] = (list_suppressions, import_list, get_suppression, put_suppression, delete_suppression)


def _put(tx: Tx, email: str, wanted: NewEntry, now: int) -> tuple[suppressions.Suppression, bool]:
    expires_at = None if wanted.expires_at is None else round(wanted.expires_at.timestamp()) * SECOND
    new = suppressions.put(tx, email, wanted.reason, wanted.detail, now, expires_at=expires_at)
    return suppressions.get(tx, email, now), new


def _entry(one: suppressions.Suppression) -> Entry:
    return Entry(
        email=one.email,
        reason=one.reason,
        detail=one.detail,
        message_id=one.message_id,
        created_at=_datetime(one.created_at),
        expires_at=None if one.expires_at is None else _datetime(one.expires_at),
    )


def _datetime(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
