"""Tags, which the core calls labels (wire/onlyoffice.md §1b Tags)."""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from postroom.dialects.item_numbers import key_of
from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import ApiError, argument
from postroom.dialects.onlyoffice.operation import Nothing, Operations, operation
from postroom.errors import Invalid, NotFound, WrongState
from postroom.messages import conversations, labels
from postroom.messages.items import Key
from postroom.messages.labels import Label, NewLabel
from postroom.storage.database import Tx

MAX_MESSAGES: Final = 10_000

Change = Callable[[Tx, int, int, Iterable[Key]], None]
"""What is to be done to items with a tag."""


class Tag(Struct, frozen=True, kw_only=True, rename="camel"):
    """A tag."""

    id: int
    name: str
    style: str
    addresses: list[str]
    letters_count: int


class TagContent(Struct, frozen=True, kw_only=True):
    """What a tag is to be."""

    name: str = ""
    style: str = ""
    addresses: list[str] = []


class TagChange(TagContent, frozen=True, kw_only=True):
    """Which tag, and what it is to be."""

    id: int


class OneTag(Struct, frozen=True, kw_only=True):
    """Which tag."""

    id: int


class TaggedMessages(Struct, frozen=True, kw_only=True):
    """Which tag, and which messages."""

    id: int
    messages: list[Long] = []


class Tagging(Struct, frozen=True, kw_only=True):
    """Which tag, and which conversations."""

    tag_id: int
    messages: list[Long] = []


@operation("GET", "/mail/tags", Nothing, result=list[Tag])
async def get_tags(call: Call, given: Nothing) -> list[Tag]:
    """List the tags of the caller, the newest first."""
    del given
    return [_tag(label) for label in await call.read(labels.of_person, call.user_id)]


@operation("POST", "/mail/tags", TagContent, result=Tag)
async def create_tag(call: Call, given: TagContent) -> Tag:
    """Make a tag."""
    try:
        return _tag(await call.write(_create, call.user_id, _label(given)))
    except (Invalid, WrongState) as error:
        raise _refused(error, given.name) from None


def _create(tx: Tx, user_id: int, new: NewLabel) -> Label:
    return labels.of_person(tx, user_id, labels.create(tx, user_id, new))[0]


@operation("PUT", "/mail/tags/{id:-?[0-9]+}", TagChange, result=Tag)
async def update_tag(call: Call, given: TagChange) -> Tag:
    """Change a tag."""
    if given.id < 0:
        raise argument("Invalid tag id", "id")
    try:
        return _tag(await call.write(_change, call.user_id, given.id, _label(given)))
    except NotFound:
        raise argument("Tag not found") from None
    except (Invalid, WrongState) as error:
        raise _refused(error, given.name) from None


def _change(tx: Tx, user_id: int, label_id: int, new: NewLabel) -> Label:
    labels.change(tx, user_id, label_id, new)
    return labels.of_person(tx, user_id, label_id)[0]


@operation("DELETE", "/mail/tags/{id:-?[0-9]+}", OneTag, result=int)
async def delete_tag(call: Call, given: OneTag) -> int:
    """Delete a tag, from whatever has it. One that is not there is gone already."""
    if given.id < 0:
        raise argument("Invalid tag id", "id")
    try:
        await call.write(labels.remove, call.user_id, given.id)
    except NotFound:
        pass  # as in the original
    return given.id


@operation("PUT", "/mail/tags/{id:[0-9]+}/set", TaggedMessages, result=int)
async def tag_messages(call: Call, given: TaggedMessages) -> int:
    """Tag messages; with a tag that is not there nothing is done."""
    await change(call, labels.put, Tagging(tag_id=given.id, messages=given.messages), "Messages are empty", whole=False)
    return given.id


@operation("PUT", "/mail/tags/{id:[0-9]+}/unset", TaggedMessages, result=int)
async def untag_messages(call: Call, given: TaggedMessages) -> int:
    """Take a tag off messages."""
    await change(call, labels.take, Tagging(tag_id=given.id, messages=given.messages), "Messages are empty", whole=False)
    return given.id


async def change(call: Call, unit: Change, given: Tagging, empty: str, *, whole: bool) -> None:
    """Do something to messages with a tag, or to their ``whole`` conversations. Raises ``ApiError`` for none of them, and for too many."""
    if not given.messages:
        raise argument(empty, "messages")
    if len(given.messages) > MAX_MESSAGES:
        raise argument(f"More than {MAX_MESSAGES} messages", "messages")
    await call.write(_put, call.user_id, unit, given, whole=whole)


def _put(tx: Tx, user_id: int, unit: Change, given: Tagging, *, whole: bool) -> None:
    keys: Iterable[Key] = map(key_of, given.messages)
    if whole:
        keys = [one.key for one in conversations.of_items(tx, user_id, keys)]
    if labels.of_person(tx, user_id, given.tag_id):
        unit(tx, user_id, given.tag_id, keys)


def _label(given: TagContent) -> NewLabel:
    return NewLabel(name=given.name, style=given.style, addresses=tuple(given.addresses))


def _tag(label: Label) -> Tag:
    return Tag(id=label.id, name=label.name, style=label.style, addresses=list(label.addresses), letters_count=label.items)


def _refused(error: Invalid | WrongState, name: str) -> ApiError:
    if isinstance(error, WrongState):
        return argument(f'Tag "{name.strip()}" already exists')
    if error.reason == "required":
        return argument("Tag name cannot be empty")
    return argument(f"{error.reason[:1].upper()}{error.reason[1:]}.", error.parameter)


OPERATIONS: Final[Operations] = (get_tags, create_tag, update_tag, delete_tag, tag_messages, untag_messages)
