"""Numbers of folders and streams as this interface knows them."""

from typing import Final

from postroom.messages.item_sources import FolderName

FOLDERS: Final[tuple[FolderName, ...]] = ("sending", "inbox", "sent", "drafts", "trash", "spam", "own", "templates")
"""FolderType of the contract (§4): the place of each is its number."""


def folder_of(number: int) -> FolderName | None:
    """Return the folder that has a number."""
    return FOLDERS[number] if 0 <= number < len(FOLDERS) else None


def stream_of(message_id: int) -> str:
    """Return the streamId of a message: 32 hexadecimal digits, which nothing is ever looked for by (§8.8)."""
    return f"{message_id:032x}"
