"""Files of drafts and templates (wire/onlyoffice.md §1b Attachments)."""

from typing import Final

from msgspec import Struct

from postroom.dialects import blobs
from postroom.dialects.item_numbers import key_of
from postroom.dialects.onlyoffice import background, downloads, errors, mail_objects, uploads
from postroom.dialects.onlyoffice.background import Operation
from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import EXCEPTION, ApiError, argument, not_found
from postroom.dialects.onlyoffice.mail_objects import Attachment
from postroom.dialects.onlyoffice.operation import Operations, operation
from postroom.dialects.onlyoffice.sending import has, letter_number, unknown_message
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import attachments, calendars, letters
from postroom.messages.letter_records import MAX_FILES_SIZE
from postroom.messages.records import NewAttachment
from postroom.storage.blobs import BlobWriter
from postroom.storage.database import Tx

_CALENDARS: Final = {"REQUEST": "request.ics", "REPLY": "reply.ics", "CANCEL": "cancel.ics"}


class FileAdding(Struct, frozen=True, kw_only=True):
    """Which message a file is for, and what it is called."""

    id_message: Long = 0
    name: str = ""
    content_type: str = ""


class DocumentAdding(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which message a document is for, and which one."""

    id: Long
    file_id: str = ""
    version: str = ""
    need_save_to_temp: bool = False


class CalendarAdding(Struct, frozen=True, kw_only=True):
    """Which message a calendar is for, and its text."""

    id_message: Long = 0
    ical_body: str = ""


class FileRemoving(Struct, frozen=True, kw_only=True):
    """Which file of which message."""

    messageid: Long
    attachmentid: int


class AllFiles(Struct, frozen=True, kw_only=True, rename="camel"):
    """Of which message."""

    message_id: Long


@operation("POST", "/mail/messages/attachment/add", FileAdding, result=Attachment, takes_file=True)
async def add_attachment(call: Call, given: FileAdding) -> Attachment:
    """Add a file to a draft or a template: the body as it is, or the first file of a form."""
    return await received(call, given)


@operation("POST", "/mail/messages/{id:[0-9]+}/document", DocumentAdding, result=Attachment)
async def add_document(call: Call, given: DocumentAdding) -> Attachment:
    """Add a document. There are none here, so none is found."""
    if given.id <= 0 or not given.file_id.strip():
        raise _failure("Some input parameters are invalid.")
    if not await call.read(has, call.user_id, given.id):
        raise _failure("Message could not be found.")
    raise _failure("Document could not be found or does not exist on the chosen storage.")


@operation("POST", "/mail/messages/calendarbody/add", CalendarAdding, result=Attachment)
async def add_calendar(call: Call, given: CalendarAdding) -> Attachment:
    """Add a calendar to a draft or a template, as a file."""
    if not given.ical_body.strip():
        raise argument("Empty calendar body", "ical_body")
    try:
        method = calendars.scheduling_method(given.ical_body)
    except Invalid:
        raise argument("Invalid calendar body", "ical_body") from None
    _check_number(given.id_message)
    async with call.store.blobs.writer() as blob:
        await blob.write(given.ical_body.encode("utf-8", "replace"))
        return await _attached(call, given.id_message, blob, _CALENDARS[method], "text/calendar")


@operation("DELETE", "/mail/messages/{messageid:-?[0-9]+}/attachments/{attachmentid:-?[0-9]+}", FileRemoving, result=int)
async def delete_attachment(call: Call, given: FileRemoving) -> int:
    """Take a file from a draft or a template; one that it does not have is gone already."""
    if given.messageid <= 0:
        raise argument("Invalid message id. Message id must be positive integer", "messageid")
    if given.attachmentid <= 0:
        raise argument("Invalid attachment id. Attachment id must be positive integer", "attachmentid")
    try:
        gone = await call.write(letters.remove_file, call.user_id, letter_number(given.messageid), given.attachmentid, call.now)
    except (NotFound, WrongState) as error:
        raise await _unfit(call, given.messageid, error) from None
    await blobs.delete_unused(call.store, gone)
    return given.messageid


@operation("PUT", "/mail/messages/attachment/downloadall/{messageId:-?[0-9]+}", AllFiles, result=Operation)
async def download_all_attachments(call: Call, given: AllFiles) -> Operation:
    """Put all files of a message together: ``source`` is the address of the archive, which wants the caller's credentials."""
    if given.message_id <= 0:
        raise argument("Invalid message id", "messageId")
    if not await call.read(has, call.user_id, given.message_id):
        raise not_found(f"Message with {given.message_id} wasn't found.")
    if not await call.read(downloads.files_of, call.user_id, key_of(given.message_id)):
        raise _failure("Message has no attachments.")
    return background.done(background.FILES_PACKED, given.message_id)


async def received(call: Call, given: FileAdding) -> Attachment:
    """Receive the file of a call, and attach it. Raises ``ApiError``, ``BadMultipart``, ``Unavailable``."""
    _check_number(given.id_message)
    try:
        async with uploads.received(call, MAX_FILES_SIZE) as file:
            if file is None or not file.blob.size:
                raise _failure("Empty files not supported.")
            name = given.name or file.filename or "attachment"
            kind = given.content_type or (file.content_type or "" if file.filename is not None else "")
            return await _attached(call, given.id_message, file.blob, name, kind)
    except TooLarge as error:
        raise _too_large(error) from None


def _check_number(number: int) -> None:
    if number < 1:
        raise _failure("Field 'id_message' must have non-negative value.")


async def _attached(call: Call, number: int, blob: BlobWriter, filename: str, content_type: str) -> Attachment:
    """Keep a file that was received, and attach it; it is gone again if it cannot be."""
    size, key = blob.size, await blob.commit()
    new = NewAttachment(blob_key=key, filename=filename, content_type=content_type, size=size)
    try:
        return await call.write(_attach, call.user_id, letter_number(number), new, call.now)
    except (NotFound, WrongState) as error:
        await blobs.delete_if_unused(call.store, key)
        raise await _unfit(call, number, error) from None
    except TooLarge as error:
        await blobs.delete_if_unused(call.store, key)
        raise _too_large(error) from None
    except Exception:
        await blobs.delete_if_unused(call.store, key)
        raise


def _attach(tx: Tx, user_id: int, message_id: int, new: NewAttachment, now: int) -> Attachment:
    added = letters.add_file(tx, user_id, message_id, new, now)
    files = attachments.of_messages(tx, [message_id])[message_id]
    (found,) = (mail_objects.attachment(file, message_id, place) for place, file in enumerate(files, 1) if file.id == added)
    return found


async def _unfit(call: Call, number: int, error: NotFound | WrongState) -> ApiError:
    """Make the error for a message that takes no files: whoever has it may hear why."""
    if isinstance(error, WrongState) or await call.read(has, call.user_id, number):
        return _failure("Message is not a draft or templates.")
    return unknown_message()


def _too_large(error: TooLarge) -> ApiError:
    """Make the error for files that are too large, alone or together, too many, or of too long a name."""
    if error.parameter in {"file", "attachments"}:
        return _failure("Total size of all files exceeds limit!")
    return errors.translate(error)


def _failure(text: str) -> ApiError:
    """Make the error of a file (``AttachmentsException``): 400, where the original answers 500 (§8.9)."""
    return ApiError(400, text, EXCEPTION)


OPERATIONS: Final[Operations] = (add_attachment, add_document, add_calendar, delete_attachment, download_all_attachments)
