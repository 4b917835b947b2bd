"""Mails and their files as bytes (wire/superoffice.md §1.4, §4.3 EMailAttachment), and the head that answers quote (``inline_header``)."""

from typing import Final

from msgspec import Struct, structs

from postroom.dialects.item_numbers import key_of
from postroom.dialects.superoffice import inline_header, mail_entities
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailAttachment, EMailEntity
from postroom.dialects.superoffice.operation import Methods, method
from postroom.dialects.superoffice.wire_types import Stream
from postroom.errors import NotFound, TooLarge
from postroom.messages import attachments, items, markup
from postroom.messages.records import MAX_MAIL_FILES, Attachment
from postroom.storage.database import Tx


class AsFile(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which mail, and whether with its files."""

    email_item_id: int = 0
    include_attachments: bool = False


class OneFile(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which file of which mail."""

    mail_item_id: int = 0
    attachment_id: str = ""


class OnePreview(OneFile, frozen=True, kw_only=True, rename="pascal"):
    """The same; what a program says of the file counts for nothing."""

    attachment_type: str = ""
    attachment_filename: str = ""


class OneEntity(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail."""

    email: EMailEntity | None = None


@method("GetEMailAsEmlStream", AsFile, Stream)
async def get_email_as_eml_stream(call: Call, request: AsFile) -> Stream | None:
    """Return a mail of the caller's as a file (RFC 5322); null for one that is not there."""
    key = key_of(request.email_item_id)
    try:
        return Stream(await call.ports.as_file(call.store, call.user_id, key, with_files=request.include_attachments))
    except NotFound:
        return None


@method("GetAttachmentFromId", OneFile, EMailAttachment)
async def get_attachment_from_id(call: Call, request: OneFile) -> EMailAttachment | None:
    """Return a file of a mail with its bytes, at most 25 MiB; null for one that is not there."""
    return await _attachment(call, request)


@method("GetPreviewAttachmentFromId", OnePreview, EMailAttachment)
async def get_preview_attachment_from_id(call: Call, request: OnePreview) -> EMailAttachment | None:
    """Return the same to be shown: HTML is made safe, anything else as it is."""
    found = await _attachment(call, request)
    if found is None or (found.type or "").partition(";")[0].strip().lower() != "text/html":
        return found
    safe = markup.safe((found.stream or b"").decode("utf-8", "replace"), "html").encode()
    return structs.replace(found, stream=safe, size=len(safe))


@method("CreateInlineHtmlHeader", OneEntity, str)
async def create_inline_html_header(call: Call, request: OneEntity) -> str:
    """Return the head of a mail as HTML, for answers that quote it and for printing: from, date, to, copies, subject."""
    return inline_header.of(request.email or EMailEntity(), call.dates, call.language)


async def _attachment(call: Call, request: OneFile) -> EMailAttachment | None:
    file = await call.read(_file, call.user_id, request)
    if file is None:
        return None
    if file.size > MAX_MAIL_FILES:
        raise TooLarge("AttachmentId", MAX_MAIL_FILES)
    try:
        content = b"".join([chunk async for chunk in call.store.blobs.read(file.blob_key, 0, file.size)])
    except NotFound:  # its time was over meanwhile
        return None
    return mail_entities.attachment(file, content)


def _file(tx: Tx, user_id: int, request: OneFile) -> Attachment | None:
    """Return a file of an item of the caller's by what it is called (``mail_entities.attachment_id``), or by its number."""
    found = items.find(tx, user_id, [key_of(request.mail_item_id)])
    if not found:
        return None
    number = found[0].message_id
    files = mail_entities.readable(attachments.of_messages(tx, [number])[number])
    by_id = {**{str(file.id): file for file in files}, **{mail_entities.attachment_id(file): file for file in files}}
    return by_id.get(request.attachment_id.strip().removeprefix("<").removesuffix(">"))


METHODS: Final[Methods] = (get_email_as_eml_stream, get_attachment_from_id, get_preview_attachment_from_id, create_inline_html_header)
