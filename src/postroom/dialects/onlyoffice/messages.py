"""Messages: lists, single ones, and what is done with them (wire/onlyoffice.md §1b Messages). Sending is elsewhere."""

from typing import Final

from msgspec import Struct

from postroom.dialects.item_numbers import key_of, number_of
from postroom.dialects.onlyoffice import mail_lists, mail_objects
from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import argument, not_found
from postroom.dialects.onlyoffice.lists import Listing
from postroom.dialects.onlyoffice.mail_lists import NeighbourFilter, PagedFilter
from postroom.dialects.onlyoffice.mail_objects import Clock, MailMessage
from postroom.dialects.onlyoffice.numbers import folder_of
from postroom.dialects.onlyoffice.operation import Nothing, Operations, operation
from postroom.directory import mail_settings, named_mailboxes
from postroom.errors import NotFound
from postroom.messages import filing, item_lists, items
from postroom.messages.item_details import Item, Reader, load
from postroom.storage.database import Tx

NO_NEIGHBOUR: Final = -1
MAX_IDS: Final = 10_000
"""Messages that one call is about."""


class OneMessage(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which message, and how it is to be shown."""

    id: Long
    load_images: bool = False
    need_sanitize: bool = True
    """It always is."""
    mark_read: bool = False


class Ids(Struct, frozen=True, kw_only=True):
    """Which messages."""

    ids: list[Long] = []


class Marking(Ids, frozen=True, kw_only=True):
    """Which messages, and what they are to be: ``read``, ``unread``, ``important`` or ``normal``; anything else changes nothing."""

    status: str = ""


class Moving(Ids, frozen=True, kw_only=True, rename="camel"):
    """Which messages, and where they are to go."""

    folder: int = 0
    user_folder_id: int = 0


def reader(call: Call) -> Reader:
    """Return who is reading."""
    return Reader(settings=call.settings, vault=call.store.vault, user_id=call.user_id)


def clock(call: Call) -> Clock:
    """Return what it takes to write dates."""
    return Clock(call.now, call.zone)


def checked(ids: list[int]) -> list[int]:
    """Return the numbers of messages that a call is about. Raises ``ApiError`` for none and for too many."""
    if not ids:
        raise argument("Empty ids collection", "ids")
    if len(ids) > MAX_IDS:
        raise argument(f"More than {MAX_IDS} messages", "ids")
    return ids


@operation("GET", "/mail/messages", PagedFilter, result=list[MailMessage])
async def get_messages(call: Call, given: PagedFilter) -> Listing:
    """List messages.

    Words of ``search``, ``from_address`` and ``to_address`` fit whatever begins so. ``total`` is exact for a folder as a whole; with more
    conditions it goes up to 1,000 messages beyond the page.
    """
    found, total = await call.read(_page, reader(call), given)
    return Listing(items=[mail_objects.in_list(item, clock(call)) for item in found], total=total, paged=True)


def _page(tx: Tx, who: Reader, given: PagedFilter) -> tuple[list[Item], int]:
    wanted = mail_lists.wanted(tx, who.user_id, given)
    if wanted is None:
        return [], 0
    found, total = item_lists.page(tx, who.user_id, wanted, (max(given.page, 1) - 1) * given.limit, given.limit)
    return load(tx, who, found), total


@operation("GET", "/mail/messages/{id:[0-9]+}", OneMessage, result=MailMessage)
async def get_message(call: Call, given: OneMessage) -> MailMessage:
    """Show a message with its text and files. HTML is made safe in any case."""
    if given.id <= 0:
        raise argument("Invalid message id", "id")
    try:
        item, with_images = await call.read(_one, reader(call), given.id)
    except NotFound:
        raise not_found(f"Message with {given.id} wasn't found.") from None
    if given.mark_read and item.unread:
        await call.write(filing.mark_read, call.user_id, [item.key], call.now, read=True)
    return mail_objects.whole(item, clock(call), call.settings.public_url, with_images=with_images or given.load_images)


def _one(tx: Tx, who: Reader, number: int) -> tuple[Item, bool]:
    (item,) = load(tx, who, [items.get(tx, who.user_id, key_of(number))], whole=True)
    return item, shows_images(tx, who, item)


def shows_images(tx: Tx, who: Reader, item: Item) -> bool:
    """Tell whether images from elsewhere are to be fetched, for all that the reader has said."""
    sender = named_mailboxes.parse(item.sender)
    return mail_settings.shows_images_of(tx, who.user_id, sender.email if sender is not None else "")


async def _neighbour(call: Call, given: NeighbourFilter, *, before: bool) -> int:
    if given.id <= 0:
        raise argument("Invalid message id", "id")
    try:
        found = await call.read(_beside, call.user_id, given, before=before)
    except NotFound:
        return NO_NEIGHBOUR
    return NO_NEIGHBOUR if found is None else number_of(found)


def _beside(tx: Tx, user_id: int, given: NeighbourFilter, *, before: bool) -> items.Key | None:
    wanted = mail_lists.wanted(tx, user_id, given)
    return None if wanted is None else item_lists.beside(tx, user_id, wanted, key_of(given.id), before=before)


@operation("GET", "/mail/messages/{id:[0-9]+}/next", NeighbourFilter, result=int)
async def get_next_message(call: Call, given: NeighbourFilter) -> int:
    """Return the message behind this one in a list; -1 at its end."""
    return await _neighbour(call, given, before=False)


@operation("GET", "/mail/messages/{id:[0-9]+}/prev", NeighbourFilter, result=int)
async def get_previous_message(call: Call, given: NeighbourFilter) -> int:
    """Return the message before this one in a list; -1 at its beginning."""
    return await _neighbour(call, given, before=True)


@operation("GET", "/mail/messages/template", Nothing, result=MailMessage)
async def get_message_template(call: Call, given: Nothing) -> MailMessage:
    """Return an empty message."""
    del given
    return mail_objects.empty(clock(call))


@operation("PUT", "/mail/messages/mark", Marking, result=list[int])
async def mark_messages(call: Call, given: Marking) -> list[int]:
    """Mark messages read, unread, important or normal."""
    await call.write(mark, call.user_id, [key_of(number) for number in checked(given.ids)], given.status, call.now)
    return given.ids


def mark(tx: Tx, user_id: int, keys: list[items.Key], status: str, now: int) -> None:
    """Mark items as a status says; an unknown one says nothing."""
    match status.lower():
        case "read" | "unread":
            filing.mark_read(tx, user_id, keys, now, read=status.lower() == "read")
        case "important" | "normal":
            filing.mark_important(tx, user_id, keys, important=status.lower() == "important")


@operation("PUT", "/mail/messages/move", Moving, result=list[int])
async def move_messages(call: Call, given: Moving) -> list[int]:
    """Move messages to another folder.

    What came belongs into the inbox, and what one wrote into Sent, Drafts or Templates: moved to any of these it goes to its own one.
    """
    await call.write(move, call.user_id, [key_of(number) for number in checked(given.ids)], given, call.now)
    return given.ids


def move(tx: Tx, user_id: int, keys: list[items.Key], given: Moving, now: int) -> None:
    """Move items as a call says. Raises ``ApiError``."""
    folder = folder_of(given.folder)
    if folder is None or folder == "sending":
        raise argument("Invalid folder id", "folder")
    try:
        filing.move(tx, user_id, keys, folder, now, folder_id=given.user_folder_id)
    except NotFound:
        raise argument("Folder not found") from None


@operation("PUT", "/mail/messages/restore", Ids, result=list[int])
async def restore_messages(call: Call, given: Ids) -> list[int]:
    """Move messages back where they belong."""
    await call.write(filing.restore, call.user_id, [key_of(number) for number in checked(given.ids)], call.now)
    return given.ids


@operation("PUT", "/mail/messages/remove", Ids, result=list[int])
async def remove_messages(call: Call, given: Ids) -> list[int]:
    """Delete messages for good, for the caller alone."""
    await call.write(filing.remove, call.user_id, [key_of(number) for number in checked(given.ids)], call.now)
    return given.ids


OPERATIONS: Final[Operations] = (
    get_messages,
    get_message_template,
    get_message,
    get_next_message,
    get_previous_message,
    mark_messages,
    move_messages,
    restore_messages,
    remove_messages,
)
