"""Folders under the names and numbers that the interface has for them (our choices; wire/superoffice.md §4.3 EMailFolder).

The numbers below 100 are those of folders that everybody has; one's own follow, each by its number and 100.
"""

from typing import Final

from msgspec import Struct

from postroom.errors import NotFound
from postroom.messages import folders
from postroom.messages.folders import Count
from postroom.messages.item_lists import Wanted
from postroom.messages.item_sources import FolderName
from postroom.storage.database import Tx

DELIMITER: Final = "/"
FIRST_OWN: Final = 100

_FIXED: Final[dict[FolderName, tuple[str, str]]] = {
    "inbox": ("Inbox", "Inbox"),
    "sent": ("Sent Items", "Sent"),
    "drafts": ("Drafts", "Drafts"),
    "trash": ("Deleted items", "Trash"),
    "spam": ("Junk", "Junk"),
    "sending": ("Outbox", "None"),
    "templates": ("Templates", "None"),
}
"""The names that the original has for them where it has any, and what their flags say, as IMAP does (RFC 6154)."""
_NAMES: Final = tuple(_FIXED)


class Folder(Struct, frozen=True, kw_only=True):
    """A folder as the interface shows it."""

    id: int
    name: str
    """Of one's own with those that it stands in, and ``DELIMITER`` between."""
    flags: str
    place: FolderName
    folder_id: int | None = None
    """Of one's own."""
    count: Count = Count()

    @property
    def wanted(self) -> Wanted:
        """What a list of this folder holds."""
        return Wanted(folder=self.place, folder_id=self.folder_id)


def of_person(tx: Tx, user_id: int) -> list[Folder]:
    """Return every folder of a person, counted. Five statements."""
    counts = folders.counts(tx, user_id)
    fixed = [
        Folder(id=number, name=name, flags=flags, place=place, count=counts.get(place, Count()))
        for number, (place, (name, flags)) in enumerate(_FIXED.items(), 1)
    ]
    return fixed + own(tx, user_id)


def own(tx: Tx, user_id: int) -> list[Folder]:
    """Return a person's own folders, by number. Two statements."""
    kept = {folder.id: folder for folder in folders.tree(tx, user_id)}
    return [
        Folder(
            id=FIRST_OWN + folder.id,
            name=_path(kept, folder.id),
            flags="HasChildren" if folder.folders else "HasNoChildren",
            place="own",
            folder_id=folder.id,
            count=folder.count,
        )
        for folder in kept.values()
    ]


def numbered(tx: Tx, user_id: int, number: int) -> Folder:
    """Return a folder by its number, not counted. Raises ``NotFound("folder", number)``."""
    if 0 < number <= len(_NAMES):
        place = _NAMES[number - 1]
        name, flags = _FIXED[place]
        return Folder(id=number, name=name, flags=flags, place=place)
    for folder in own(tx, user_id) if number > FIRST_OWN else []:
        if folder.id == number:
            return folder
    raise NotFound("folder", number)


def named(tx: Tx, user_id: int, name: str) -> Folder:
    """Return a folder by its name, in letters of either case. Raises ``NotFound("folder", name)``."""
    fixed = [numbered(tx, user_id, number) for number in range(1, len(_NAMES) + 1)]
    for folder in [*fixed, *own(tx, user_id)]:
        if folder.name.lower() == name.strip().lower():
            return folder
    raise NotFound("folder", name[:100])


def name_of(place: FolderName) -> str:
    """Return the name of a folder that everybody has."""
    return _FIXED[place][0]


def _path(kept: dict[int, folders.UserFolder], folder_id: int) -> str:
    names: list[str] = []
    while folder_id in kept and len(names) < len(kept):
        names.append(kept[folder_id].name)
        folder_id = kept[folder_id].parent_id
    return DELIMITER.join(reversed(names))
