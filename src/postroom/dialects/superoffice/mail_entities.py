"""Items of a mailbox as the interface shows them (wire/superoffice.md §4.2, §4.3)."""

import html
import re
from collections.abc import Iterable, Sequence
from typing import Final

from postroom.dialects.item_numbers import number_of
from postroom.dialects.superoffice import addressing, mail_folders
from postroom.dialects.superoffice.carriers import (
    CalMethod,
    CalReplyStatus,
    EMailAddress,
    EMailAttachment,
    EMailCustomHeader,
    EMailEntity,
    EMailEnvelope,
    EMailFlags,
    EMailPriority,
    EMailSOInfo,
)
from postroom.dialects.superoffice.wire_types import NEVER
from postroom.directory import mail_accounts
from postroom.messages import html_text, search
from postroom.messages.item_details import Item, Reader
from postroom.messages.records import Attachment, CustomHeader, Importance
from postroom.storage.database import Tx

_PRIORITIES: Final[dict[Importance | None, EMailPriority]] = {
    "highest": EMailPriority.HIGHEST,
    "high": EMailPriority.HIGH,
    "normal": EMailPriority.NORMAL,
    "low": EMailPriority.LOW,
    "lowest": EMailPriority.LOWEST,
    None: EMailPriority.NORMAL,
}
_LAID_OUT: Final = 100_000
"""Characters of HTML up to which its text is laid out, with lines and links."""
_METHOD: Final = re.compile(r"^METHOD:([A-Z]+)\s*$", re.MULTILINE | re.IGNORECASE)
_STATUS: Final = re.compile(r"^ATTENDEE[^:]*;PARTSTAT=([A-Z]+)", re.MULTILINE | re.IGNORECASE)
_FOLD: Final = re.compile(r"\r?\n[ \t]")
_METHODS: Final = {one.name.replace("_", ""): one for one in CalMethod}
_STATUSES: Final = {one.name: one for one in CalReplyStatus}
_PROGRAMS: Final = frozenset(
    {
        "app",
        "application",
        "bat",
        "chm",
        "cmd",
        "com",
        "cpl",
        "dll",
        "exe",
        "gadget",
        "hta",
        "html",
        "htm",
        "inf",
        "jar",
        "js",
        "jse",
        "lnk",
        "msc",
        "msi",
        "msp",
        "pif",
        "ps1",
        "reg",
        "scr",
        "sct",
        "svg",
        "vb",
        "vbe",
        "vbs",
        "wsf",
        "wsh",
    }
)
"""Endings of files that a computer may run when they are opened."""


def whole(tx: Tx, reader: Reader, item: Item, *, with_files: bool) -> EMailEntity:
    """Return an item with all that there is of it. Four statements; two more if it stands in a folder of one's own."""
    accounts = account_numbers(tx, reader.user_id)
    draft = item.home in {"drafts", "templates"}
    is_html = item.content_format == "html"
    entity = EMailEntity(
        to=addressing.read(item.to),
        cc=addressing.read(item.cc),
        bcc=addressing.read(item.bcc),
        subject=item.subject,
        html_body=item.content if is_html else html.escape(item.content).replace("\n", "<br>"),
        from_=_first(item.sender),
        sent=NEVER if draft else item.at,
        size=item.size,
        priority=_PRIORITIES[item.mail.importance],
        flags=_flags(item),
        message_id=item.identifier,
        plain_body=_said(item) if is_html else item.content,
        is_sent=item.home in {"inbox", "sent"},
        email_so_info=EMailSOInfo(),
        attachments=[attachment(file) for file in readable(item.files)] if with_files else [],
        custom_header_list=_headers(item.mail.headers),
        folder_name=_folder_name(tx, reader.user_id, item),
        email_item_id=number_of(item.key),
        account_id=accounts.get(item.address.lower(), 0),
        received_at=NEVER if item.key.own else item.at,
        in_reply_to=EMailEnvelope(message_id=item.answers) if item.answers else None,
        replied_at=NEVER if item.replied_at is None else item.replied_at,
    )
    if item.mail.calendar is not None:
        _show_calendar(entity, item.mail.calendar.ics)
    addressing.complete(tx, reader.settings, reader.user_id, _everybody(entity.from_, entity.to, entity.cc, entity.bcc))
    return entity


def account_numbers(tx: Tx, user_id: int) -> dict[str, int]:
    """Return the numbers of a person's accounts by their addresses, in lower case."""
    return {account.address.email.lower(): account.id for account in mail_accounts.of_person(tx, user_id)}


def envelopes(tx: Tx, reader: Reader, items: Sequence[Item]) -> list[EMailEnvelope]:
    """Return the outsides of items. One statement for each 500 addresses."""
    found = [
        EMailEnvelope(
            server_id=number_of(item.key),
            message_id=item.identifier,
            subject=item.subject,
            from_=_first(item.sender),
            to=addressing.read(item.to),
            sent=item.at,
            priority=_PRIORITIES[item.mail.importance],
            flags=_flags(item),
            size=item.size,
        )
        for item in items
    ]
    every = [address for envelope in found for address in _everybody(envelope.from_, envelope.to)]
    addressing.complete(tx, reader.settings, reader.user_id, every)
    return found


def readable(files: Iterable[Attachment]) -> list[Attachment]:
    """Return the files that were not withdrawn."""
    return [file for file in files if file.revoked_at is None]


def attachment_id(file: Attachment) -> str:
    """Return what a file is called by: the Content-ID if the text shows it, else its number (our choice)."""
    return file.content_id or str(file.id)


def attachment(file: Attachment, content: bytes | None = None) -> EMailAttachment:
    """Return a file; its bytes are shown only where it alone is asked for (§4.3)."""
    return EMailAttachment(
        description=file.description,
        filename=file.filename,
        size=file.size,
        type=file.content_type,
        encoding="base64",
        id=attachment_id(file),
        disposition="inline" if file.disposition == "inline" else "attachment",
        stream=content,
        is_safe_file_extension=file.filename.rpartition(".")[2].lower() not in _PROGRAMS,
    )


def _first(written: str) -> EMailAddress | None:
    return next(iter(addressing.read(written)), None)


def _everybody(sender: EMailAddress | None, *lists: list[EMailAddress]) -> list[EMailAddress]:
    return [*([sender] if sender else []), *(address for addresses in lists for address in addresses)]


def _said(item: Item) -> str:
    """Return the text beside HTML: the author's, else one made of it, laid out unless that would take long."""
    if item.mail.text is not None:
        return item.mail.text
    return html_text.from_html(item.content) if len(item.content) <= _LAID_OUT else search.text_of(item.content, "html")


def _flags(item: Item) -> EMailFlags:
    return (
        (EMailFlags.NONE if item.unread else EMailFlags.SEEN)
        | (EMailFlags.DELETED if item.folder == "trash" else EMailFlags.NONE)
        | (EMailFlags.FLAGGED if item.important else EMailFlags.NONE)
        | (EMailFlags.DRAFT if item.home in {"drafts", "templates"} else EMailFlags.NONE)
        | (EMailFlags.ANSWERED if item.answered else EMailFlags.NONE)
    )


def _headers(headers: Iterable[CustomHeader]) -> list[EMailCustomHeader]:
    found: dict[str, EMailCustomHeader] = {}
    for header in headers:
        found.setdefault(header.name.lower(), EMailCustomHeader(name=header.name)).values.append(header.value)
    return list(found.values())


def _folder_name(tx: Tx, user_id: int, item: Item) -> str:
    if item.folder != "own":
        return mail_folders.name_of(item.folder)
    return next(folder.name for folder in mail_folders.own(tx, user_id) if folder.folder_id == item.folder_id)


def _show_calendar(entity: EMailEntity, ics: str) -> None:
    unfolded = _FOLD.sub("", ics)
    method, status = _METHOD.search(unfolded), _STATUS.search(unfolded)
    entity.has_calendar_data = len(re.findall(r"(?im)^BEGIN:VEVENT\s*$", unfolded)) == 1
    entity.cal_method = _METHODS.get(method[1].upper(), CalMethod.UNKNOWN) if method else CalMethod.UNKNOWN
    if status and entity.cal_method == CalMethod.REPLY:
        entity.cal_reply_status = _STATUSES.get(status[1].upper(), CalReplyStatus.UNKNOWN)
