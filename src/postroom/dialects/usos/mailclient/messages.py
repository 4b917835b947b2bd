"""services/mailclient: create, show, list, change, copy and delete messages (wire/usos.md §1.4 rows 3, 4, 6, 7, 8, 16, 18)."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Raw, Struct

from postroom.dialects.blobs import delete_unused
from postroom.dialects.endpoint import endpoint
from postroom.dialects.usos import wire
from postroom.dialects.usos.arguments import boolean, choice, choices, days, identifier, identifier_or_null, identifiers, selector, text
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.formats import ListBuilder
from postroom.dialects.usos.mailclient.attachments import view as attachment_view
from postroom.dialects.usos.mailclient.common import (
    ACCESS,
    DRAFT_REQUIRED,
    MODULE,
    NO_ADDRESS,
    NO_MESSAGE,
    NOTHING,
    UNASSIGNED,
    OneMessage,
)
from postroom.dialects.usos.objects import AddressView
from postroom.dialects.usos.selectors import Selection
from postroom.dialects.usos.wire import MESSAGE, MessageView
from postroom.directory import addresses
from postroom.messages import attachments, drafts, roll
from postroom.messages.records import (
    DEFAULT_LIFETIME,
    MAX_CONTENT,
    MAX_SUBJECT,
    ContentFormat,
    DraftChange,
    DraftContent,
    Message,
    MessageStatus,
)
from postroom.storage.database import Tx

_PAGE: Final = 500
"""Messages that ``user`` reads at a time."""

_FORMATS: Final = ("plain", "html")


class Shown(Struct, frozen=True):
    """Arguments of ``message``."""

    message_id: Annotated[int, identifier("Message ID.")]
    fields: Annotated[Selection, selector(MESSAGE, default="id|subject")]


class ShownTogether(Struct, frozen=True):
    """Arguments of ``messages``."""

    message_ids: Annotated[dict[str, int], identifiers("Message IDs.", required=True)]
    fields: Annotated[Selection, selector(MESSAGE, default="id|subject", only_primary=True)]


class Listed(Struct, frozen=True):
    """Arguments of ``user``."""

    fields: Annotated[Selection, selector(MESSAGE, default="id|subject", only_primary=True)]
    status: Annotated[
        frozenset[MessageStatus] | None,
        choices("Statuses wanted; messages with another one are left out. All, if absent.", ("draft", "pending", "sent", "error")),
    ]


class Created(Struct, frozen=True):
    """Arguments of ``create_message``."""

    subject: Annotated[str, text("Subject.", MAX_SUBJECT, default="")]
    from_inst_address_id: Annotated[
        int, identifier_or_null("Institutional address to send from; null: the user's own address, the normal case.", default="")
    ]
    content: Annotated[str, text("Content.", MAX_CONTENT, default="")]
    content_format: Annotated[ContentFormat, choice("Format of the content.", _FORMATS, default="plain")]
    send_summary: Annotated[bool, boolean("Whether the user gets a summary report.", default="false")]
    send_to_myself: Annotated[bool, boolean("Whether the user gets a copy.", default="false")]
    attachments_lifetime: Annotated[
        int, days("Days that attachments are available, counted from sending; 1 to 3650.", default=str(DEFAULT_LIFETIME))
    ]


class Updated(Struct, frozen=True):
    """Arguments of ``update_message``; whatever is absent stays as it is."""

    message_id: Annotated[int, identifier("Message ID.")]
    subject: Annotated[str | None, text("Subject.", MAX_SUBJECT)]
    from_inst_address_id: Annotated[int | None, identifier_or_null("Institutional address to send from, or null (the empty string).")]
    content: Annotated[str | None, text("Content.", MAX_CONTENT)]
    content_format: Annotated[ContentFormat | None, choice("Format of the content.", _FORMATS)]
    send_summary: Annotated[bool | None, boolean("Whether the user gets a summary report.")]
    send_to_myself: Annotated[bool | None, boolean("Whether the user gets a copy.")]
    attachments_lifetime: Annotated[int | None, days("Days that attachments are available, counted from sending; 1 to 3650.")]


class Deleted(Struct, frozen=True):
    """Arguments of ``delete_messages``."""

    message_ids: Annotated[dict[str, int], identifiers("Message IDs.", required=True)]


@endpoint(
    MODULE + "message",
    Shown,
    access=ACCESS,
    brief=True,
    returns="A dictionary of the selected fields and their values.",
    result=MESSAGE,
    errors=(NO_MESSAGE,),
)
async def message(call: Call, given: Shown) -> dict[str, object]:
    """Get information on one message."""

    def unit(tx: Tx) -> MessageView:
        return _views(tx, call, [drafts.get(tx, call.user_id, given.message_id)], given.fields)[0]

    return given.fields.render(await call.read(unit))


@endpoint(
    MODULE + "messages",
    ShownTogether,
    access=ACCESS,
    returns="A dictionary: message ID → dictionary of the selected fields, or null for a message that could not be found.",
    result=MESSAGE,
)
async def messages(call: Call, given: ShownTogether) -> dict[str, object]:
    """Get information on several messages."""

    def unit(tx: Tx) -> dict[int, MessageView]:
        found = drafts.by_ids(tx, call.user_id, given.message_ids.values())
        return dict(zip(found, _views(tx, call, list(found.values()), given.fields), strict=True))

    found = await call.read(unit)
    return {key: given.fields.render(found[number]) if number in found else None for key, number in given.message_ids.items()}


@endpoint(
    MODULE + "user",
    Listed,
    access=ACCESS,
    returns="A list of dictionaries of the selected fields, oldest message first.",
    result=MESSAGE,
)
async def user(call: Call, given: Listed) -> Raw:
    """Get the user's messages."""

    def unit(tx: Tx) -> Raw:
        answer = ListBuilder(call.output)
        after: int | None = None
        while page := drafts.of_author(tx, call.user_id, given.status, after, _PAGE):
            answer.extend([given.fields.render(view) for view in _views(tx, call, page, given.fields)])
            after = page[-1].id
            if len(page) < _PAGE:
                break
        return answer.finish()

    return await call.read(unit)


@endpoint(
    MODULE + "create_message",
    Created,
    access=ACCESS,
    brief=True,
    returns='A dictionary {"message_id": ID of the new message}.',
    errors=(UNASSIGNED, NO_ADDRESS),
)
async def create_message(call: Call, given: Created) -> dict[str, object]:
    """Create a new message, a draft."""
    return {"message_id": str(await call.write(drafts.create, call.user_id, draft_content(given), call.now, "usos"))}


@endpoint(
    MODULE + "copy_message",
    OneMessage,
    access=ACCESS,
    returns='A dictionary {"message_id": ID of the copy}.',
    errors=(NO_MESSAGE,),
)
async def copy_message(call: Call, given: OneMessage) -> dict[str, object]:
    """Create a copy of a message.

    The copy is a draft and has no attachments. Its recipients group is that of the message; its recipients list is empty.
    """
    return {"message_id": str(await call.write(drafts.copy, call.user_id, given.message_id, call.now))}


@endpoint(
    MODULE + "update_message",
    Updated,
    access=ACCESS,
    brief=True,
    returns="An empty dictionary.",
    errors=(UNASSIGNED, DRAFT_REQUIRED, NO_ADDRESS, NO_MESSAGE),
)
async def update_message(call: Call, given: Updated) -> dict[str, object]:
    """Change a draft."""
    change = DraftChange(
        subject=given.subject,
        content=given.content,
        content_format=given.content_format,
        from_address_id=given.from_inst_address_id,
        send_summary=given.send_summary,
        send_to_myself=given.send_to_myself,
        attachments_lifetime=given.attachments_lifetime,
    )
    await call.write(drafts.update, call.user_id, given.message_id, change, call.now)
    return NOTHING


@endpoint(
    MODULE + "delete_messages",
    Deleted,
    access=ACCESS,
    returns='A dictionary {"matched": list of IDs of the messages that were deleted}.',
)
async def delete_messages(call: Call, given: Deleted) -> dict[str, object]:
    """Delete messages.

    Messages that were sent leave the user's list; they are still delivered, and their attachments stay available.
    """
    deleted = await call.write(drafts.delete, call.user_id, list(given.message_ids.values()), call.now)
    await delete_unused(call.store, deleted.blob_keys)
    return {"matched": wire.ids(deleted.matched)}


def draft_content(given: Created) -> DraftContent:
    """Return what the arguments say of a new message."""
    return DraftContent(
        subject=given.subject,
        content=given.content,
        content_format=given.content_format,
        from_address_id=given.from_inst_address_id or None,
        send_summary=given.send_summary,
        send_to_myself=given.send_to_myself,
        attachments_lifetime=given.attachments_lifetime,
    )


def _views(tx: Tx, call: Call, found: Sequence[Message], fields: Selection) -> list[MessageView]:
    """Fetch what the selected fields need beside the messages: one query for each kind of it, none for what is not wanted."""
    numbers = [one.id for one in found]
    named = {one.from_address_id for one in found if one.from_address_id is not None} if "from_inst_address" in fields else set()
    by_address = {number: AddressView(address=one) for number, one in addresses.by_ids(tx, named).items()} if named else {}
    counts = roll.counts(tx, numbers) if "recipients_count" in fields or "emails_count" in fields else {}
    files = attachments.of_messages(tx, numbers) if "attachments" in fields else {}
    return [
        MessageView(
            message=one,
            date=wire.date_text(one.modified_at if one.sent_at is None else one.sent_at, call.zone),
            recipients_valid=one.roll_valid(call.now),
            address=None if one.from_address_id is None else by_address.get(one.from_address_id),
            counts=counts.get(one.id),
            attachments=[attachment_view(call.store, file) for file in files.get(one.id, ())],
        )
        for one in found
    ]
