"""Objects that stand in answers about mail (wire/onlyoffice.md §4), made from the records of the core."""

import html
import secrets
from datetime import tzinfo

from msgspec import UNSET, Struct, UnsetType, field, structs

from postroom.dialects.item_numbers import number_of
from postroom.dialects.onlyoffice import dates, images
from postroom.dialects.onlyoffice.numbers import FOLDERS, stream_of
from postroom.messages import failure_texts
from postroom.messages.conversations import Summary
from postroom.messages.item_details import Item
from postroom.messages.items import Key
from postroom.messages.records import Attachment as StoredAttachment


class Attachment(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A file of a message. Members that hold their default are left out."""

    file_id: int = 0
    file_name: str | None = None
    size: int = 0
    content_type: str | None = None
    need_save_to_temp: bool = False
    content_id: str | None = None
    file_number: int = 0
    stored_name: str | None = None
    stream_id: str | None = None
    saved_to_my_documents: bool = False
    temp_stored_url: str | None = None


class MailMessage(Struct, frozen=True, kw_only=True, rename="camel"):
    """A message of a mailbox. In lists some members say nothing."""

    attachments: list[Attachment] | UnsetType = UNSET
    introduction: str | UnsetType = UNSET
    html_body: str | UnsetType = UNSET
    content_is_blocked: bool = False
    important: bool
    subject: str
    has_attachments: bool
    bcc: str | UnsetType = UNSET
    cc: str | UnsetType = UNSET
    to: str
    address: str | None = None
    sender: str = field(name="from")
    reply_to: str | UnsetType = UNSET
    id: int
    chain_id: str
    chain_date: str
    date: str
    date_display: str
    tag_ids: list[int] | UnsetType = UNSET
    labels_in_string: str
    is_new: bool
    is_answered: bool
    is_forwarded: bool = False
    text_body_only: bool
    size: int
    eml_link: str | None = None
    stream_id: str | None = None
    restore_folder_id: int
    folder: int
    user_folder_id: int | None
    chain_length: int = 1
    was_new: bool = False
    is_today: bool
    is_yesterday: bool
    received_date: str
    is_body_corrupted: bool = False
    has_parse_error: bool = False
    mime_message_id: str | None = None
    mime_reply_to_id: str | None = None
    calendar_uid: str | None
    read_request_status: int = 0


class Clock(Struct, frozen=True):
    """What it takes to write dates."""

    now: int
    zone: tzinfo


def in_list(item: Item, clock: Clock, chain: Summary | None = None) -> MailMessage:
    """Return an item as a row of a list; with its conversation, if it stands for one."""
    return _message(item, clock, chain or Summary(count=1))


def whole(item: Item, clock: Clock, base: str, *, with_images: bool, is_new: bool = False) -> MailMessage:
    """Return an item with its text and files; images from elsewhere are not fetched unless ``with_images``.

    ``base``: where we are reached.
    """
    safe = item.content if item.content_format == "html" else html.escape(item.content).replace("\n", "<br>")
    shown, blocked = images.shown(safe, item.files, base, with_foreign=with_images)
    if item.tells_of is not None:
        shown = failure_texts.with_number(shown, number_of(Key(own=True, id=item.tells_of)))
    return structs.replace(
        without_body(item, clock, is_new=is_new),
        attachments=[attachment(file, item.message_id, place) for place, file in enumerate(item.files, 1)],
        html_body=shown,
        content_is_blocked=blocked,
    )


def without_body(item: Item, clock: Clock, *, is_new: bool) -> MailMessage:
    """Return an item of a conversation that is not shown itself."""
    return _message(
        item,
        clock,
        Summary(count=1),
        address=item.address,
        stream_id=stream_of(item.message_id),
        mime_message_id=item.identifier,
        mime_reply_to_id=item.answers or None,
        is_new=is_new,
        was_new=item.unread,
    )


def empty(clock: Clock) -> MailMessage:
    """Return a message that says nothing, to begin one with."""
    written = dates.of_mail(clock.now, clock.zone)
    return MailMessage(
        attachments=[],
        introduction="",
        html_body="",
        important=False,
        subject="",
        has_attachments=False,
        bcc="",
        cc="",
        to="",
        address="",
        sender="",
        reply_to="",
        id=0,
        chain_id="",
        chain_date=written,
        date=written,
        date_display=dates.displayed(clock.now, clock.now, clock.zone),
        labels_in_string="",
        is_new=False,
        is_answered=False,
        text_body_only=False,
        size=0,
        stream_id=secrets.token_hex(16),
        restore_folder_id=FOLDERS.index("sending"),
        folder=FOLDERS.index("sending"),
        user_folder_id=None,
        chain_length=0,
        is_today=True,
        is_yesterday=False,
        received_date=dates.moment(clock.now, clock.zone),
        mime_message_id="",
        mime_reply_to_id="",
        calendar_uid=None,
    )


def attachment(file: StoredAttachment, message_id: int, place: int) -> Attachment:
    """Return a file of a message, the ``place``-th one."""
    return Attachment(
        file_id=file.id,
        file_name=file.filename,
        size=file.size,
        content_type=file.content_type,
        content_id=file.content_id,
        file_number=place,
        stored_name=file.filename,
        stream_id=stream_of(message_id),
    )


def _message(item: Item, clock: Clock, chain: Summary, **more: object) -> MailMessage:
    days_ago = dates.day_of(clock.now, clock.zone) - dates.day_of(item.at, clock.zone)
    written = dates.of_mail(item.at, clock.zone)
    label_ids = sorted({*item.label_ids, *chain.label_ids})
    values: dict[str, object] = {
        "introduction": item.introduction,
        "important": item.important or chain.important,
        "subject": item.subject,
        "has_attachments": item.has_files or chain.has_files,
        "bcc": item.bcc or UNSET,
        "cc": item.cc or UNSET,
        "to": item.to,
        "sender": item.sender,
        "id": number_of(item.key),
        "chain_id": str(item.thread_id),
        "chain_date": written,
        "date": written,
        "date_display": dates.displayed(item.at, clock.now, clock.zone),
        "tag_ids": label_ids or UNSET,
        "labels_in_string": ",".join(map(str, label_ids)),
        "is_new": item.unread or chain.unread > 0,
        "is_answered": item.answered,
        "text_body_only": item.content_format == "plain",
        "size": item.size,
        "restore_folder_id": FOLDERS.index(item.home),
        "folder": FOLDERS.index(item.folder),
        "user_folder_id": item.folder_id,
        "chain_length": chain.count,
        "is_today": days_ago == 0,
        "is_yesterday": days_ago == 1,
        "received_date": dates.moment(item.at, clock.zone),
        "calendar_uid": item.calendar_uid or None,
    }
    return MailMessage(**{**values, **more})  # type: ignore[arg-type]  # each is of the type of its field
