"""Letters that a person writes: sent, and kept as drafts and templates (wire/onlyoffice.md §1a, §1b Messages)."""

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from msgspec import Struct, field, structs

from postroom.dialects import blobs
from postroom.dialects.item_numbers import key_of, number_of
from postroom.dialects.onlyoffice import errors, images, mail_objects
from postroom.dialects.onlyoffice.binder import Long, Wrapped
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import ARGUMENT, ARGUMENT_NULL, EXCEPTION, ApiError, argument, forbidden, misformed, missing
from postroom.dialects.onlyoffice.mail_objects import MailMessage
from postroom.dialects.onlyoffice.messages import clock, reader
from postroom.dialects.onlyoffice.numbers import folder_of
from postroom.dialects.onlyoffice.operation import Operations, operation
from postroom.directory import named_mailboxes
from postroom.directory.values import LARGEST_ID
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, WrongState
from postroom.messages import calendars, filing, items, labels, letter_senders, letters
from postroom.messages.item_details import Item, Reader, load
from postroom.messages.items import Key
from postroom.messages.letter_records import Letter, LetterFile, SavedLetter
from postroom.messages.letters import Desk
from postroom.messages.records import NewAttachment
from postroom.settings import Settings
from postroom.storage.database import Tx

_KILOBYTE: Final = 1_024


class FileShare(IntEnum):
    """How links to files are shared; there are none here, so it says nothing."""

    NONE = 0
    READWRITE = 1
    READ = 2
    RESTRICT = 3
    VARIES = 4
    REVIEW = 5
    COMMENT = 6
    FILLFORMS = 7
    CUSTOMFILTER = 8


class FileGiven(Struct, frozen=True, kw_only=True, rename="camel"):
    """A file of a message, as the answer to its upload had it. Only its number leads to it (§8.8)."""

    file_id: int = 0
    file_name: str = ""
    size: Long = 0
    content_type: str = ""
    need_save_to_temp: bool = False
    content_id: str = ""
    file_number: int = 0
    stored_name: str = ""
    stream_id: str = ""
    attached_as_link: bool = False
    temp_stored_url: str = ""
    wrapped: Wrapped = False


class Draft(Struct, frozen=True, kw_only=True, rename="camel"):
    """A message as its author writes it."""

    id: Long = 0
    """Of the draft or the template that it is, or 0."""
    sender: str = field(name="from", default="")
    """One of the caller's addresses; the name that is sent is the one of the account."""
    to: list[str] = []
    cc: list[str] = []
    bcc: list[str] = []
    mime_reply_to_id: str = ""
    """Message-ID of the message that it answers."""
    importance: bool = False
    subject: str = ""
    tags: list[int] = []
    body: str = ""
    """HTML."""
    attachments: list[FileGiven] = []
    calendar_ics: str = ""


class Sending(Draft, frozen=True, kw_only=True, rename="camel"):
    """A message that is to be sent: all of it, since nothing is taken from the draft."""

    file_links_share_mode: FileShare = FileShare.NONE
    is_autoreply: bool = False
    request_receipt: bool = False
    """Ask for a notification of delivery."""
    request_read: bool = False
    """Ask for a notification of reading."""


class SimpleSending(Struct, frozen=True, kw_only=True, rename="camel"):
    """A message that leaves nothing behind."""

    sender: str = field(name="from", default="")
    to: list[str] = []
    subject: str = ""
    body: str = ""
    is_receipt: bool = False


class Reassigning(Struct, frozen=True, kw_only=True):
    """The messages of which folder, and the address that they are to be from."""

    folder: int = 0
    email: str = ""


class _Words(Struct, frozen=True, kw_only=True):
    """What errors say."""

    doing: str
    folder: str
    too_much: str
    """Of files that are too large together."""
    too_much_hresult: int


_SENDING: Final = _Words(doing="Sending", folder="Drafts", too_much="Total size of all files exceeds limit!", too_much_hresult=EXCEPTION)
_DRAFT: Final = _Words(doing="Saving", folder="Drafts", too_much="Total size of all attachments exceeds limit.", too_much_hresult=ARGUMENT)
_TEMPLATE: Final = structs.replace(_DRAFT, folder="Templates")

_HEADERS: Final = {"from": "From", "to": "To", "cc": "Cc", "bcc": "Bcc"}


def unknown_message() -> ApiError:
    """Make the error for a message that is not there (§1a.5 row 8, §8.9)."""
    return ApiError(400, "Object reference not set to an instance of an object.", ARGUMENT_NULL)


def letter_number(number: int) -> int:
    """Return by which number the core may know a letter; one that it cannot know for what only came to the caller."""
    key = key_of(number)
    return key.id if key.own else LARGEST_ID + 1


def has(tx: Tx, user_id: int, number: int) -> bool:
    """Tell whether a person has a message, wherever it stands."""
    return bool(items.find(tx, user_id, [key_of(number)]))


@operation("PUT", "/mail/messages/send", Sending, result=int)
async def send_message(call: Call, given: Sending) -> int:
    """Send a message.

    Everything is taken from the call, nothing from the draft that ``id`` names; files that are not named again are not sent. A refused
    call changes nothing. What can only be found wrong later is told by a message in the inbox and by an alert.
    """
    letter = _letter(call.settings, given)
    if not given.calendar_ics.strip():
        saved = await _written(call, given, letter, letters.send, _SENDING)
        return number_of(Key(own=True, id=saved.message_id))
    file = await _calendar_file(call, given.calendar_ics)
    try:
        saved = await _written(call, given, structs.replace(letter, calendar_file=file), letters.send, _SENDING)
    finally:
        await blobs.delete_if_unused(call.store, file.blob_key)
    return number_of(Key(own=True, id=saved.message_id))


async def _calendar_file(call: Call, ics: str) -> NewAttachment:
    """Keep a calendar as the file that mailboxes show (§1a.6 step 10)."""
    async with call.store.blobs.writer() as blob:
        await blob.write(ics.encode("utf-8", "replace"))
        size, key = blob.size, await blob.commit()
    return NewAttachment(blob_key=key, filename=calendars.filename(ics), content_type="application/ics", size=size)


@operation("PUT", "/mail/messages/simpleSend", SimpleSending, result=bool)
async def simple_send(call: Call, given: SimpleSending) -> bool:
    """Send a message that its author does not keep."""
    if not given.to:
        raise missing("to")
    letter = Letter(sender=given.sender, to=tuple(given.to), subject=given.subject, body=given.body)
    try:
        await call.write(_send_and_forget, _desk(call), letter)
    except PostroomError as error:
        raise _refusal(error, _SENDING) from None
    return True


def _send_and_forget(tx: Tx, desk: Desk, letter: Letter) -> None:
    saved = letters.send(tx, desk, letter)
    filing.remove(tx, desk.author_id, [Key(own=True, id=saved.message_id)], desk.now)


@operation("PUT", "/mail/drafts/save", Draft, result=MailMessage)
async def save_draft(call: Call, given: Draft) -> MailMessage:
    """Keep a message as a draft, a new one for number 0. Recipients are not checked."""
    return await _saved(call, given, letters.save_draft, _DRAFT)


@operation("PUT", "/mail/messages/save", Draft, result=MailMessage)
async def save_message(call: Call, given: Draft) -> MailMessage:
    """Keep a message as a draft: the former name of ``drafts/save``."""
    return await _saved(call, given, letters.save_draft, _DRAFT)


@operation("PUT", "/mail/templates/save", Draft, result=MailMessage)
async def save_template(call: Call, given: Draft) -> MailMessage:
    """Keep a message as a template, a new one for number 0. Recipients are not checked."""
    return await _saved(call, given, letters.save_template, _TEMPLATE)


@operation("PUT", "/mail/messages/reassign", Reassigning, result=None)
async def reassign_messages(call: Call, given: Reassigning) -> None:
    """Let all drafts (3), or all templates (7), be from another address of the caller's; nothing else of them changes (§8.23)."""
    folder = folder_of(given.folder)
    if folder not in {"drafts", "templates"}:
        raise forbidden("Only folders Templates and Drafts are allowed.")
    try:
        await call.write(letter_senders.reassign, call.user_id, given.email, call.now, templates=folder == "templates")
    except (Forbidden, NotFound) as error:
        raise _refusal(error, _DRAFT) from None


_Unit = Callable[[Tx, Desk, Letter, int], SavedLetter]


async def _saved(call: Call, given: Draft, unit: _Unit, words: _Words) -> MailMessage:
    saved = await _written(call, given, _letter(call.settings, given), unit, words)
    item = await call.read(_read, reader(call), Key(own=True, id=saved.message_id))
    return mail_objects.whole(item, clock(call), call.settings.public_url, with_images=True)


def _read(tx: Tx, who: Reader, key: Key) -> Item:
    (item,) = load(tx, who, [items.get(tx, who.user_id, key)], whole=True)
    return item


async def _written(call: Call, given: Draft, letter: Letter, unit: _Unit, words: _Words) -> SavedLetter:
    try:
        saved = await call.write(_write, unit, _desk(call), letter, given)
    except NotFound as error:
        if error.kind == "message" and await call.read(has, call.user_id, given.id):  # in the trash, or one that came
            raise _refusal(WrongState("draft_required"), words) from None
        raise _refusal(error, words) from None
    except PostroomError as error:
        raise _refusal(error, words, call.settings.letters.max_stored_body) from None
    await blobs.delete_unused(call.store, saved.blob_keys)
    return saved


def _write(tx: Tx, unit: _Unit, desk: Desk, letter: Letter, given: Draft) -> SavedLetter:
    saved = unit(tx, desk, letter, letter_number(given.id) if given.id > 0 else 0)
    if given.id > 0 or given.tags:
        labels.set_all(tx, desk.author_id, Key(own=True, id=saved.message_id), given.tags)
    sender = named_mailboxes.parse(given.sender)
    if sender is not None:
        labels.put_on_own(tx, desk.author_id, saved.message_id, sender.email)
    return saved


def _desk(call: Call) -> Desk:
    return Desk(settings=call.settings, vault=call.store.vault, author_id=call.user_id, dialect="onlyoffice", now=call.now)


def _letter(settings: Settings, given: Draft) -> Letter:
    body, files = images.kept(given.body, [_file(file) for file in given.attachments], settings.public_url, settings.mail.domain)
    sending = given if isinstance(given, Sending) else Sending()
    return Letter(
        sender=given.sender,
        to=tuple(given.to),
        cc=tuple(given.cc),
        bcc=tuple(given.bcc),
        subject=given.subject,
        body=body,
        important=given.importance,
        read_receipt=sending.request_read,
        delivery_receipt=sending.request_receipt,
        calendar=given.calendar_ics,
        automatic_reply=sending.is_autoreply,
        mime_reply_to=given.mime_reply_to_id,
        files=files,
    )


def _file(given: FileGiven) -> LetterFile:
    """Return a file as the core looks for it; of what came inside ``value`` the size is an example, too (§8.2)."""
    return LetterFile(
        attachment_id=given.file_id,
        filename=given.file_name,
        stored_name=given.stored_name,
        size=0 if given.wrapped else given.size,
        content_id=given.content_id,
        required=not given.wrapped,
    )


def _refusal(error: PostroomError, words: _Words, max_stored_body: int = 0) -> ApiError:
    """Say what is wrong with a letter as the original does (§1a.5, §1b, §8.9)."""
    match error:
        case Invalid(parameter="from" | "to", reason="required"):
            answer = missing(error.parameter)
        case Invalid():
            answer = _unfit(error)
        case NotFound(kind="account"):
            answer = argument("Mailbox not found")
        case Forbidden(reason="address_revoked"):
            answer = forbidden("Sending emails from a disabled account is forbidden") if words is _SENDING else argument("No such mailbox")
        case NotFound(kind="message"):
            answer = unknown_message()
        case WrongState():
            answer = forbidden(f"{words.doing} emails is permitted only in the {words.folder} folder")
        case TooLarge(parameter="stored_body"):
            answer = forbidden(f"Message body exceeded limit ({max_stored_body // _KILOBYTE} KB)")
        case TooLarge(parameter="attachments"):
            answer = ApiError(400, words.too_much, words.too_much_hresult)
        case TooLarge(parameter="body"):
            answer = argument(f"More than {error.limit} characters.", "body")
        case _:
            answer = errors.translate(error)
    return answer


def _unfit(error: Invalid) -> ApiError:
    if (error.parameter, error.reason) == ("from", "malformed"):
        return misformed("The specified string is not in the form required for an e-mail address.")
    header = _HEADERS.get(error.parameter or "")
    return errors.translate(error) if header is None else argument(f"Incorrect email address in {header} field")


OPERATIONS: Final[Operations] = (send_message, simple_send, save_draft, save_message, save_template, reassign_messages)
