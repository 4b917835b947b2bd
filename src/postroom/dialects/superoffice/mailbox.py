"""The person's own mailbox: folders, mails, and what is done with them (wire/superoffice.md §1.4)."""

from typing import Final

from msgspec import Struct, field

from postroom.dialects.item_numbers import key_of, number_of
from postroom.dialects.superoffice import mail_entities, mail_folders
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailEntity, EMailEnvelope, EMailFolder
from postroom.dialects.superoffice.operation import Methods, method
from postroom.dialects.superoffice.wire_types import Nothing
from postroom.errors import TooLarge
from postroom.messages import filing, identified, items
from postroom.messages.item_details import Reader, load
from postroom.messages.items import Found, Key
from postroom.storage.database import Tx

MAX_IDS: Final = 10_000
"""Mails that one call is about."""
MAX_FOLDERS: Final = 100
"""Folders that are looked through for new mail."""
MAX_NEW: Final = 500
"""New mails that are told of, the newest ones of each folder."""


class OneMail(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which mail, and whether its files are listed."""

    id: int = 0
    include_attachments: bool = False


class ByMessageId(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A Message-ID, in angle brackets or not."""

    message_id: str = ""


class Marking(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which mails, and whether they are read."""

    ids: list[int] = field(default_factory=list)
    read: bool = False


class Deleting(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which mails, and the name of the folder that they are put into; empty: they are gone for good."""

    ids: list[int] = field(default_factory=list)
    move_to_folder: str = ""


class Ids(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which mails."""

    ids: list[int] = field(default_factory=list)


class Moving(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which mails, and the folder that they are put into."""

    folder_id: int = 0
    email_item_ids: list[int] = field(default_factory=list)


class OneFolder(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which folder."""

    folder_id: int = 0


class Newer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The newest mail that a program knows of a folder."""

    mail_item_id: int = 0
    folder_id: int = 0


class SomeFolders(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Which folders; none: the inbox."""

    folders: list[int] = field(default_factory=list)


@method("CacheFolderList", Nothing, list[EMailFolder])
async def cache_folder_list(call: Call, request: Nothing) -> list[EMailFolder]:  # noqa: ARG001 - as every handler
    """Return the caller's folders, with how much stands in each."""
    return [
        EMailFolder(
            name=folder.name,
            delimiter=mail_folders.DELIMITER,
            flags=folder.flags,
            total_items=folder.count.messages,
            unread_items=folder.count.unread_messages,
            subscribed=True,
            email_folder_id=folder.id,
        )
        for folder in await call.read(mail_folders.of_person, call.user_id)
    ]


@method("GetEMail", OneMail, EMailEntity)
async def get_email(call: Call, request: OneMail) -> EMailEntity | None:
    """Return a mail of the caller's, its HTML made safe; null for one that is not there."""
    return await call.read(_by_number, call, request, safe=True)


@method("GetUnsanitizedEMail", OneMail, EMailEntity)
async def get_unsanitized_email(call: Call, request: OneMail) -> EMailEntity | None:
    """Return a mail of the caller's, its HTML as its author wrote it; null for one that is not there."""
    return await call.read(_by_number, call, request, safe=False)


@method("GetMailFromMessageId", ByMessageId, EMailEntity)
async def get_mail_from_message_id(call: Call, request: ByMessageId) -> EMailEntity | None:
    """Return the mail of the caller's that has this Message-ID; null if none has."""
    return await call.read(_by_message_id, call, request.message_id)


@method("GetMailFromInReplyTo", ByMessageId, EMailEntity)
async def get_mail_from_in_reply_to(call: Call, request: ByMessageId) -> EMailEntity | None:
    """Return the newest mail of the caller's that answers the one with this Message-ID; null if none does."""
    return await call.read(_answer_to, call, request.message_id)


@method("GetNewMail", SomeFolders, list[EMailEnvelope])
async def get_new_mail(call: Call, request: SomeFolders) -> list[EMailEnvelope]:
    """Return the outsides of what is unread in some folders, the newest first, at most 500; ServerId is the number of the item."""
    if len(request.folders) > MAX_FOLDERS:
        raise TooLarge("Folders", MAX_FOLDERS)
    return await call.read(_unread, call, list(dict.fromkeys(request.folders)) or [1])


@method("HasNewMail", Newer, bool)
async def has_new_mail(call: Call, request: Newer) -> bool:
    """Tell whether something newer stands in a folder than the mail that the program knows; 0: anything at all."""
    return await call.read(_has_newer, call.user_id, request)


@method("LatestItemIdByFolder", OneFolder, int)
async def latest_item_id_by_folder(call: Call, request: OneFolder) -> int:
    """Return the number of the newest mail in a folder; 0 for an empty one."""
    found = await call.read(_newest, call.user_id, request.folder_id)
    return 0 if found is None else number_of(found.key)


@method("MarkEmailsAsRead", Marking, None)
async def mark_emails_as_read(call: Call, request: Marking) -> None:
    """Mark mails read or unread; what is none of the caller's stays as it is, here and below."""
    await call.write(filing.mark_read, call.user_id, _keys(request.ids), call.now, read=request.read)


@method("DeleteEmails", Deleting, None)
async def delete_emails(call: Call, request: Deleting) -> None:
    """Put mails into the folder of this name, or delete them for good, for the caller alone."""
    await call.write(_delete, call.user_id, _keys(request.ids), request.move_to_folder, call.now)


@method("MoveEmailsToTrash", Ids, None)
async def move_emails_to_trash(call: Call, request: Ids) -> None:
    """Put mails into the trash."""
    await call.write(filing.move, call.user_id, _keys(request.ids), "trash", call.now)


@method("MoveEmailsToFolder", Moving, None)
async def move_emails_to_folder(call: Call, request: Moving) -> None:
    """Put mails into a folder; into inbox, sent mails, drafts or templates each comes that belongs there."""
    await call.write(_move, call.user_id, _keys(request.email_item_ids), request.folder_id, call.now)


@method("SetRepliedAt", ByMessageId, None)
async def set_replied_at(call: Call, request: ByMessageId) -> None:
    """Mark the mail with this Message-ID answered now; one that is not there is left alone."""
    await call.write(_replied, call, request.message_id)


def reader(call: Call) -> Reader:
    """Return who is reading."""
    return Reader(settings=call.settings, vault=call.store.vault, user_id=call.user_id)


def entity(tx: Tx, call: Call, found: Found, *, with_files: bool, safe: bool = True) -> EMailEntity | None:
    """Return an item as a whole."""
    who = reader(call)
    loaded = load(tx, who, [found], whole=True, safe=safe)
    return mail_entities.whole(tx, who, loaded[0], with_files=with_files) if loaded else None


def _by_number(tx: Tx, call: Call, request: OneMail, *, safe: bool) -> EMailEntity | None:
    found = items.find(tx, call.user_id, [key_of(request.id)])
    return entity(tx, call, found[0], with_files=request.include_attachments, safe=safe) if found else None


def _by_message_id(tx: Tx, call: Call, identifier: str) -> EMailEntity | None:
    found = identified.find(tx, call.store.vault, call.user_id, identifier)
    return None if found is None else entity(tx, call, found, with_files=True)


def _answer_to(tx: Tx, call: Call, identifier: str) -> EMailEntity | None:
    found = identified.answering(tx, call.store.vault, call.user_id, identifier)
    return None if found is None else entity(tx, call, found, with_files=True)


def _unread(tx: Tx, call: Call, numbers: list[int]) -> list[EMailEnvelope]:
    found: list[Found] = []
    for number in numbers:
        folder = mail_folders.numbered(tx, call.user_id, number)
        wanted = items.Wanted(folder=folder.place, folder_id=folder.folder_id, unread=True)
        found += items.first(tx, call.user_id, wanted, MAX_NEW)
    newest = sorted(found, key=lambda one: (one.at, one.key), reverse=True)[:MAX_NEW]
    who = reader(call)
    return mail_entities.envelopes(tx, who, load(tx, who, newest))


def _newest(tx: Tx, user_id: int, number: int) -> Found | None:
    wanted = mail_folders.numbered(tx, user_id, number).wanted
    return next(iter(items.first(tx, user_id, wanted, 1)), None)


def _has_newer(tx: Tx, user_id: int, request: Newer) -> bool:
    newest = _newest(tx, user_id, request.folder_id)
    if newest is None:
        return False
    known = items.find(tx, user_id, [key_of(request.mail_item_id)])
    return not known or (newest.at, newest.key) > (known[0].at, known[0].key)


def _delete(tx: Tx, user_id: int, keys: list[Key], name: str, now: int) -> None:
    if not name.strip():
        filing.remove(tx, user_id, keys, now)
        return
    folder = mail_folders.named(tx, user_id, name)
    filing.move(tx, user_id, keys, folder.place, now, folder_id=folder.folder_id)


def _move(tx: Tx, user_id: int, keys: list[Key], number: int, now: int) -> None:
    folder = mail_folders.numbered(tx, user_id, number)
    filing.move(tx, user_id, keys, folder.place, now, folder_id=folder.folder_id)


def _replied(tx: Tx, call: Call, identifier: str) -> None:
    found = identified.find(tx, call.store.vault, call.user_id, identifier)
    if found is not None:
        filing.mark_replied(tx, call.user_id, [found.key], call.now)


def _keys(ids: list[int]) -> list[Key]:
    if len(ids) > MAX_IDS:
        raise TooLarge("Ids", MAX_IDS)
    return [key_of(number) for number in ids]


METHODS: Final[Methods] = (
    cache_folder_list,
    get_email,
    get_unsanitized_email,
    get_mail_from_message_id,
    get_mail_from_in_reply_to,
    get_new_mail,
    has_new_mail,
    latest_item_id_by_folder,
    mark_emails_as_read,
    delete_emails,
    move_emails_to_trash,
    move_emails_to_folder,
    set_replied_at,
)
