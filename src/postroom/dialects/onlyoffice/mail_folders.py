"""Folders, and folders of one's own (wire/onlyoffice.md §1b Folders). What takes the original a while is done at once here."""

from typing import Final

from msgspec import Struct, field

from postroom.dialects.item_numbers import key_of
from postroom.dialects.onlyoffice import dates
from postroom.dialects.onlyoffice.background import FOLDER_REMOVED, RECALCULATED, Operation, done
from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import EXCEPTION, ApiError, argument
from postroom.dialects.onlyoffice.numbers import FOLDERS, folder_of
from postroom.dialects.onlyoffice.operation import Nothing, Operations, operation
from postroom.errors import Invalid, NotFound, PostroomError, TooLarge, WrongState
from postroom.messages import filing, folders, items
from postroom.messages.folders import Count
from postroom.storage.database import Tx

_FIRST_SHOWN: Final = 1
"""Sending is not shown."""


class Folder(Struct, frozen=True, kw_only=True):
    """How much stands in a folder: conversations, and messages."""

    id: int
    unread: int
    unread_messages: int
    total_count: int
    total_messages_count: int
    time_modified: str


class UserFolder(Struct, frozen=True, kw_only=True):
    """A folder of one's own."""

    id: int
    parent: int
    name: str
    unread_count: int
    total_count: int
    unread_chain_count: int
    total_chain_count: int
    folder_count: int


class FolderId(Struct, frozen=True, kw_only=True):
    """Which folder."""

    folderid: int


class UserFolders(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which folders: by number, or those in another one; all, if nothing is said."""

    ids: list[int] = []
    parent_id: int | None = None


class NewUserFolder(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a folder is to be."""

    name: str = ""
    parent_id: int = 0


class ChangedUserFolder(NewUserFolder, frozen=True, kw_only=True, rename="camel"):
    """Which folder, and what it is to be."""

    id: int


class UserFolderId(Struct, frozen=True, kw_only=True):
    """Which folder."""

    id: int


class MailId(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which message."""

    mail_id: Long = field(default=0)


@operation("GET", "/mail/folders", Nothing, result=list[Folder])
async def get_folders(call: Call, given: Nothing) -> list[Folder]:
    """Count what stands in each folder."""
    del given
    counts = await call.read(folders.counts, call.user_id)
    return [_folder(number, counts.get(FOLDERS[number], Count()), call) for number in range(_FIRST_SHOWN, len(FOLDERS))]


def _folder(number: int, count: Count, call: Call) -> Folder:
    return Folder(
        id=number,
        unread=count.unread_conversations,
        unread_messages=count.unread_messages,
        total_count=count.conversations,
        total_messages_count=count.messages,
        time_modified=dates.plain(count.newest_at or 0, call.zone),
    )


@operation("DELETE", "/mail/folders/{folderid:[0-9]+}/messages", FolderId, result=int)
async def empty_folder(call: Call, given: FolderId) -> int:
    """Delete for good what lies in the trash (4) or among spam (5); of any other folder nothing."""
    folder = folder_of(given.folderid)
    if folder == "trash" or folder == "spam":  # noqa: PLR1714 - so that the type is known
        await call.write(filing.empty, call.user_id, folder)
    return given.folderid


@operation("GET", "/mail/folders/recalculate", Nothing, result=Operation)
async def recalculate_folders(call: Call, given: Nothing) -> Operation:
    """Do nothing: counts are always right."""
    del call, given
    return done(RECALCULATED)


@operation("GET", "/mail/userfolders", UserFolders, result=list[UserFolder])
async def get_user_folders(call: Call, given: UserFolders) -> list[UserFolder]:
    """List folders of one's own."""
    found = await call.read(folders.tree, call.user_id, ids=given.ids, parent_id=given.parent_id)
    return [_user_folder(folder) for folder in found]


@operation("POST", "/mail/userfolders", NewUserFolder, result=UserFolder)
async def create_user_folder(call: Call, given: NewUserFolder) -> UserFolder:
    """Make a folder, within another one or within none (0)."""
    try:
        return _user_folder(await call.write(_create, call.user_id, given, call.now))
    except (Invalid, NotFound, TooLarge, WrongState) as error:
        raise _refused(error, given.name) from None


def _create(tx: Tx, user_id: int, given: NewUserFolder, now: int) -> folders.UserFolder:
    return folders.get(tx, user_id, folders.create(tx, user_id, given.name, given.parent_id, now))


@operation("PUT", "/mail/userfolders/{id:[0-9]+}", ChangedUserFolder, result=UserFolder)
async def update_user_folder(call: Call, given: ChangedUserFolder) -> UserFolder:
    """Name a folder anew and put it into another one, or into none (0)."""
    try:
        return _user_folder(await call.write(_change, call.user_id, given, call.now))
    except (Invalid, NotFound, TooLarge, WrongState) as error:
        raise _refused(error, given.name) from None


def _change(tx: Tx, user_id: int, given: ChangedUserFolder, now: int) -> folders.UserFolder:
    folders.change(tx, user_id, given.id, given.name, given.parent_id, now)
    return folders.get(tx, user_id, given.id)


@operation("DELETE", "/mail/userfolders/{id:[0-9]+}", UserFolderId, result=Operation)
async def delete_user_folder(call: Call, given: UserFolderId) -> Operation:
    """Delete a folder with those that it holds; what stood in them is in the trash then."""
    try:
        await call.write(folders.remove, call.user_id, given.id, call.now)
    except NotFound as error:
        raise _refused(error, "") from None
    return done(FOLDER_REMOVED)


@operation("GET", "/mail/userfolders/bymail", MailId, result=dict[str, int | str])
async def get_user_folder_of_message(call: Call, given: MailId) -> UserFolder | None:
    """Return the folder of one's own in which a message stands, as ``userfolders`` does; nothing for none."""
    found = await call.read(_of_message, call.user_id, given.mail_id)
    return None if found is None else _user_folder(found)


def _of_message(tx: Tx, user_id: int, number: int) -> folders.UserFolder | None:
    there = items.find(tx, user_id, [key_of(number)])
    return folders.get(tx, user_id, there[0].folder_id) if there and there[0].folder_id is not None else None


def _user_folder(folder: folders.UserFolder) -> UserFolder:
    return UserFolder(
        id=folder.id,
        parent=folder.parent_id,
        name=folder.name,
        unread_count=folder.count.unread_messages,
        total_count=folder.count.messages,
        unread_chain_count=folder.count.unread_conversations,
        total_chain_count=folder.count.conversations,
        folder_count=folder.folders,
    )


def _refused(error: PostroomError, name: str) -> ApiError:
    """Say what is wrong with a folder; where the original says nothing, its text with the status of bad input (§8.9)."""
    if isinstance(error, WrongState):
        return argument(f'Folder "{name.strip()}" already exists')
    if isinstance(error, Invalid) and error.reason == "required":
        return argument("Folder name cannot be empty")
    return ApiError(400, "Internal server error. Try again later.", EXCEPTION)


OPERATIONS: Final[Operations] = (
    get_folders,
    empty_folder,
    recalculate_folders,
    get_user_folders,
    get_user_folder_of_message,
    create_user_folder,
    update_user_folder,
    delete_user_folder,
)
