"""Numbers of messages as this interface knows them: even ones are of what a person wrote, odd ones of what came to them."""

from typing import Final

from postroom.messages.items import FolderName, Key

FOLDERS: Final[tuple[FolderName, ...]] = ("sending", "inbox", "sent", "drafts", "trash", "spam", "own", "templates")
"""FolderType of the contract (§4): the place of each is its number."""


def number_of(key: Key) -> int:
    """Return the number of an item."""
    return 2 * key.id + (not key.own)


def key_of(number: int) -> Key:
    """Return the item that has a number; any number is one of some item, or of none."""
    return Key(own=number % 2 == 0, id=number // 2)


def folder_of(number: int) -> FolderName | None:
    """Return the folder that has a number."""
    return FOLDERS[number] if 0 <= number < len(FOLDERS) else None


def stream_of(message_id: int) -> str:
    """Return the streamId of a message: 32 hexadecimal digits, which nothing is ever looked for by (§8.8)."""
    return f"{message_id:032x}"
