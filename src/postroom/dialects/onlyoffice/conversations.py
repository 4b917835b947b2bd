"""Conversations: what a person has of a thread, in one (wire/onlyoffice.md §1b Conversations)."""

from typing import Final

from msgspec import Struct

from postroom.dialects.item_numbers import key_of, number_of
from postroom.dialects.onlyoffice import mail_lists, mail_objects, messages, tags
from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import argument
from postroom.dialects.onlyoffice.lists import Listing
from postroom.dialects.onlyoffice.mail_lists import ConversationFilter, NeighbourFilter
from postroom.dialects.onlyoffice.mail_objects import MailMessage
from postroom.dialects.onlyoffice.messages import NO_NEIGHBOUR, Ids, Marking, Moving
from postroom.dialects.onlyoffice.operation import Operations, operation
from postroom.dialects.onlyoffice.tags import Tagging
from postroom.errors import NotFound
from postroom.messages import conversations, filing, item_lists, items, labels
from postroom.messages.conversations import Summary
from postroom.messages.item_details import Item, Reader, load
from postroom.messages.item_lists import Wanted
from postroom.messages.items import Found, Key
from postroom.storage.database import Tx

_LARGEST: Final = 2**62
MAX_SHOWN: Final = 1_000
"""Messages of a conversation that are shown: the newest ones."""


class OneConversation(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which conversation, by one of its messages, and how it is to be shown."""

    id: Long
    load_all: bool = False
    mark_read: bool = False
    need_sanitize: bool = True
    """It always is."""


class Restoring(Ids, frozen=True, kw_only=True, rename="camel"):
    """Which conversations. There is no spam filter that could learn."""

    learn_spam_trainer: bool = False


@operation("GET", "/mail/conversations", ConversationFilter, result=list[MailMessage])
async def get_conversations(call: Call, given: ConversationFilter) -> Listing:
    """List conversations, each by its newest message in the list.

    ``total`` is one more than ``page_size`` where more follow. A page begins behind ``from_message``, or ``from_date``; with
    ``prev_flag`` it ends before it.
    """
    shown = await call.read(_page, messages.reader(call), given)
    total = len(shown)
    heads = [mail_objects.in_list(item, messages.clock(call), chain) for item, chain in shown]
    return Listing(items=heads[1:] if total > given.limit and given.prev_flag else heads[: given.limit], total=total, paged=True)


def _page(tx: Tx, who: Reader, given: ConversationFilter) -> list[tuple[Item, Summary]]:
    wanted = mail_lists.wanted(tx, who.user_id, given)
    if wanted is None:
        return []
    beyond = _beyond(tx, who.user_id, given)
    found = item_lists.heads(tx, who.user_id, wanted, given.limit + 1, beyond, before=given.prev_flag and beyond is not None)
    sums = conversations.summaries(tx, who.user_id, found)
    return [
        (item, sums.get(one.conversation, Summary(count=1)) if one.done else Summary(count=1))
        for one, item in zip(found, load(tx, who, found), strict=True)
    ]


def _beyond(tx: Tx, user_id: int, given: ConversationFilter) -> Found | None:
    """Return where the page begins; a message that is there no more has left its date."""
    there = items.find(tx, user_id, [key_of(given.from_message)]) if given.from_message > 0 else []
    if there or not given.from_date:
        return there[0] if there else None
    # Of a date alone, whatever is of that moment has been shown: it lies in front of the place where the page begins.
    shown_before = (given.sortorder.lower() == "ascending") == given.prev_flag
    own, number = key_of(given.from_message) if given.from_message > 0 else Key(not shown_before, 0 if shown_before else _LARGEST)
    return Found(at=given.from_date, own=own, id=number, message_id=0, thread_id=0, place=None, folder_id=None, done=True)


@operation("GET", "/mail/conversation/{id:[0-9]+}", OneConversation, result=list[MailMessage])
async def get_conversation(call: Call, given: OneConversation) -> list[MailMessage]:
    """Show a conversation, oldest message first; its texts but for the message that was asked for only with ``loadAll``."""
    if given.id <= 0:
        raise argument("id must be positive integer", "id")
    try:
        shown = await call.read(_whole, messages.reader(call), key_of(given.id))
    except NotFound:
        raise argument("Message Id not found") from None
    unread = [item.key for item, _ in shown if item.unread]
    if given.mark_read and unread:
        await call.write(filing.mark_read, call.user_id, unread, call.now, read=True)
    now = messages.clock(call)
    rows = []
    for item, with_images in shown:
        is_new = item.unread and not given.mark_read
        if given.load_all or number_of(item.key) == given.id:
            rows.append(mail_objects.whole(item, now, call.settings.public_url, with_images=with_images, is_new=is_new))
        else:
            rows.append(mail_objects.without_body(item, now, is_new=is_new))
    return rows


def _whole(tx: Tx, who: Reader, key: Key) -> list[tuple[Item, bool]]:
    found = conversations.of_item(tx, who.user_id, key, MAX_SHOWN)
    return [(item, messages.shows_images(tx, who, item)) for item in load(tx, who, found, whole=True)]


async def _neighbour(call: Call, given: NeighbourFilter, *, before: bool) -> int:
    if given.id <= 0:
        raise argument("id must be positive integer", "id")
    try:
        found = await call.read(_beside, call.user_id, given, before=before)
    except NotFound:
        return NO_NEIGHBOUR
    return NO_NEIGHBOUR if found is None else number_of(found)


def _beside(tx: Tx, user_id: int, given: NeighbourFilter, *, before: bool) -> Key | None:
    wanted = mail_lists.wanted(tx, user_id, given)
    if wanted is None:
        return None
    found = item_lists.heads(tx, user_id, wanted, 1, _head(tx, user_id, wanted, key_of(given.id)), before=before)
    return found[0].key if found else None


def _head(tx: Tx, user_id: int, wanted: Wanted, key: Key) -> Found:
    """Return the message by which a list shows the conversation of another one. Raises ``NotFound``."""
    there = conversations.of_item(tx, user_id, key, MAX_SHOWN)
    fitting = [one for one in there if wanted.folder not in {"inbox", "sent"} or bool(one.own) == (wanted.folder == "sent")]
    return (fitting or there)[-1]


@operation("GET", "/mail/conversation/{id:[0-9]+}/next", NeighbourFilter, result=int)
async def get_next_conversation(call: Call, given: NeighbourFilter) -> int:
    """Return the conversation behind this one in a list; -1 at its end."""
    return await _neighbour(call, given, before=False)


@operation("GET", "/mail/conversation/{id:[0-9]+}/prev", NeighbourFilter, result=int)
async def get_previous_conversation(call: Call, given: NeighbourFilter) -> int:
    """Return the conversation before this one in a list; -1 at its beginning."""
    return await _neighbour(call, given, before=True)


def _all_of(tx: Tx, user_id: int, ids: list[int]) -> list[Key]:
    return [one.key for one in conversations.of_items(tx, user_id, map(key_of, ids))]


@operation("PUT", "/mail/conversations/mark", Marking, result=list[int])
async def mark_conversations(call: Call, given: Marking) -> list[int]:
    """Mark all messages of conversations read, unread, important or normal."""
    await call.write(_mark, call.user_id, messages.checked(given.ids), given.status, call.now)
    return given.ids


def _mark(tx: Tx, user_id: int, ids: list[int], status: str, now: int) -> None:
    messages.mark(tx, user_id, _all_of(tx, user_id, ids), status, now)


@operation("PUT", "/mail/conversations/move", Moving, result=list[int])
async def move_conversations(call: Call, given: Moving) -> list[int]:
    """Move all messages of conversations to another folder, as ``messages/move`` does."""
    await call.write(_move, call.user_id, messages.checked(given.ids), given, call.now)
    return given.ids


def _move(tx: Tx, user_id: int, ids: list[int], given: Moving, now: int) -> None:
    messages.move(tx, user_id, _all_of(tx, user_id, ids), given, now)


@operation("PUT", "/mail/conversations/restore", Restoring, result=list[int])
async def restore_conversations(call: Call, given: Restoring) -> list[int]:
    """Move all messages of conversations back where they belong."""
    await call.write(_restore, call.user_id, messages.checked(given.ids), call.now)
    return given.ids


def _restore(tx: Tx, user_id: int, ids: list[int], now: int) -> None:
    filing.restore(tx, user_id, _all_of(tx, user_id, ids), now)


@operation("PUT", "/mail/conversations/remove", Ids, result=list[int])
async def remove_conversations(call: Call, given: Ids) -> list[int]:
    """Delete all messages of conversations for good, for the caller alone."""
    await call.write(_remove, call.user_id, messages.checked(given.ids), call.now)
    return given.ids


def _remove(tx: Tx, user_id: int, ids: list[int], now: int) -> None:
    filing.remove(tx, user_id, _all_of(tx, user_id, ids), now)


@operation("PUT", "/mail/conversations/tag/{tag_id:[0-9]+}/set", Tagging, result=int)
async def tag_conversations(call: Call, given: Tagging) -> int:
    """Tag all messages of conversations."""
    await tags.change(call, labels.put, given, "Message ids are empty", whole=True)
    return given.tag_id


@operation("PUT", "/mail/conversations/tag/{tag_id:[0-9]+}/unset", Tagging, result=int)
async def untag_conversations(call: Call, given: Tagging) -> int:
    """Take a tag off all messages of conversations."""
    await tags.change(call, labels.take, given, "Message ids are empty", whole=True)
    return given.tag_id


OPERATIONS: Final[Operations] = (
    get_conversations,
    get_conversation,
    get_next_conversation,
    get_previous_conversation,
    mark_conversations,
    move_conversations,
    restore_conversations,
    remove_conversations,
    tag_conversations,
    untag_conversations,
)
