"""services/mailclient: files of messages (wire/usos.md §1.4 rows 1, 2, 5, 9, 15)."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.blobs import delete_if_unused, delete_unused
from postroom.dialects.endpoint import ErrorCase, endpoint
from postroom.dialects.usos import errors, wire
from postroom.dialects.usos.arguments import Upload, file, identifier, identifiers, number, selector, text
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.mailclient.common import ACCESS, DRAFT_REQUIRED, MODULE, NO_ATTACHMENT, NO_MESSAGE, NOTHING
from postroom.dialects.usos.selectors import Selection
from postroom.dialects.usos.wire import ATTACHMENT, AttachmentView
from postroom.messages import attachments as files
from postroom.messages.records import MAX_DESCRIPTION, MAX_FILENAME, Attachment, NewAttachment
from postroom.storage.store import Store

_MAX_CONTENT_TYPE: Final = 255
_UNKNOWN_TYPE: Final = "application/octet-stream"

_NO_ROOM: Final = ErrorCase(
    error="object_invalid",
    reasons=("attachment_limit_exceeded", "draft_required"),
    description="the message has 10 attachments already, or is not a draft any more",
)


class Shown(Struct, frozen=True):
    """Arguments of ``attachment``."""

    attachment_id: Annotated[int, identifier("Attachment ID.")]
    fields: Annotated[Selection, selector(ATTACHMENT, default="id|filename")]


class ShownTogether(Struct, frozen=True):
    """Arguments of ``attachments``."""

    attachment_ids: Annotated[dict[str, int], identifiers("Attachment IDs.", required=True)]
    fields: Annotated[Selection, selector(ATTACHMENT, default="id|filename")]


class Put(Struct, frozen=True):
    """Arguments of ``put_attachment``."""

    message_id: Annotated[int, identifier("Message ID.")]
    data: Annotated[Upload, file("The file. Its size is bounded by the installation, never below 100 MB.")]
    filename: Annotated[str | None, text("Name of the file; taken from the upload if absent.", MAX_FILENAME)]
    content_type: Annotated[str | None, text("Media type of the file; guessed if absent.", _MAX_CONTENT_TYPE)]
    description: Annotated[str, text("Description of the file.", MAX_DESCRIPTION, default="")]


class Updated(Struct, frozen=True):
    """Arguments of ``update_attachment``."""

    attachment_id: Annotated[int, identifier("Attachment ID.")]
    description: Annotated[str, text("Description of the file.", MAX_DESCRIPTION, required=True)]


class Deleted(Struct, frozen=True):
    """Arguments of ``delete_attachments``."""

    attachment_ids: Annotated[dict[str, int], identifiers("Attachment IDs.", required=True)]


@endpoint(
    MODULE + "attachment",
    Shown,
    access=ACCESS,
    brief=True,
    returns="A dictionary of the selected fields and their values.",
    result=ATTACHMENT,
    errors=(NO_ATTACHMENT,),
)
async def attachment(call: Call, given: Shown) -> dict[str, object]:
    """Get information on one attachment."""
    found = await call.read(files.get, call.user_id, given.attachment_id)
    return given.fields.render(view(call.store, found))


@endpoint(
    MODULE + "attachments",
    ShownTogether,
    access=ACCESS,
    returns="A dictionary: attachment ID → dictionary of the selected fields, or null for an attachment that could not be found.",
    result=ATTACHMENT,
)
async def attachments(call: Call, given: ShownTogether) -> dict[str, object]:
    """Get information on several attachments."""
    found = await call.read(files.by_ids, call.user_id, given.attachment_ids.values())
    return {
        key: given.fields.render(view(call.store, found[wanted])) if wanted in found else None
        for key, wanted in given.attachment_ids.items()
    }


async def _check_may_put(call: Call, known: Mapping[str, str]) -> None:
    """Refuse a file before it is received, if its message is known by then."""
    if "message_id" in known:
        await call.read(files.check_may_add, call.user_id, number(known["message_id"]))


@endpoint(
    MODULE + "put_attachment",
    Put,
    access=ACCESS,
    returns='A dictionary {"attachment_id": ID of the new attachment}.',
    errors=(_NO_ROOM, NO_MESSAGE),
    before_file=_check_may_put,
)
async def put_attachment(call: Call, given: Put) -> dict[str, object]:
    """Upload an attachment to a draft.

    A multipart/form-data POST; the other arguments may stand in the query, or in fields before or after the file.
    """
    filename = given.data.filename if given.filename is None else given.filename
    if not filename:
        raise errors.param_missing("filename")
    new = NewAttachment(
        blob_key=await given.data.blob.commit(),
        filename=filename,
        content_type=given.content_type or _declared_type(given.data),
        size=given.data.blob.size,
        description=given.description,
    )
    try:
        attachment_id = await call.write(files.add, call.user_id, given.message_id, new, call.now)
    except Exception:
        await delete_if_unused(call.store, new.blob_key)
        raise
    return {"attachment_id": str(attachment_id)}


@endpoint(
    MODULE + "update_attachment",
    Updated,
    access=ACCESS,
    brief=True,
    returns="An empty dictionary.",
    errors=(DRAFT_REQUIRED, NO_ATTACHMENT),
)
async def update_attachment(call: Call, given: Updated) -> dict[str, object]:
    """Change the description of an attachment of a draft.

    Nothing else can be changed: delete the attachment and upload another one for that.
    """
    await call.write(files.describe, call.user_id, given.attachment_id, given.description, call.now)
    return NOTHING


@endpoint(
    MODULE + "delete_attachments",
    Deleted,
    access=ACCESS,
    returns='A dictionary {"matched": list of IDs of the attachments that were deleted}.',
)
async def delete_attachments(call: Call, given: Deleted) -> dict[str, object]:
    """Delete attachments of drafts."""
    matched, blob_keys = await call.write(files.delete, call.user_id, list(given.attachment_ids.values()), call.now)
    await delete_unused(call.store, blob_keys)
    return {"matched": wire.ids(matched)}


def view(store: Store, found: Attachment) -> AttachmentView:
    """Join an attachment with the URL of its file."""
    return AttachmentView(attachment=found, url=store.settings.public_url + files.link_path(store.vault, found))


def _declared_type(upload: Upload) -> str:
    """Return the type that the upload declares; the general one, which many clients always send, counts as none."""
    declared = upload.content_type or ""
    return "" if declared.partition(";")[0].strip().lower() == _UNKNOWN_TYPE else declared
