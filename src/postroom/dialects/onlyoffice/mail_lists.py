"""What lists of messages and of conversations are asked for (wire/onlyoffice.md §1b, §3.7, §3.8)."""

from typing import Final

from msgspec import Struct, field

from postroom.dialects.onlyoffice.binder import Long, Moment
from postroom.dialects.onlyoffice.errors import argument
from postroom.dialects.onlyoffice.numbers import folder_of
from postroom.directory import mail_accounts
from postroom.errors import NotFound
from postroom.messages import folders
from postroom.messages.item_lists import Wanted
from postroom.storage.database import Tx

PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 1_000

_NOT_IN_ANY: Final = "none"
"""An address that no message has: of an account that is not the caller's."""


class ListFilter(Struct, frozen=True, kw_only=True):
    """Conditions of a list; several ones must all hold."""

    folder: int = 1
    unread: bool | None = None
    attachments: bool | None = None
    period_from: Long = 0
    period_to: Long = 0
    important: bool | None = None
    from_address: str = ""
    to_address: str = ""
    mailbox_id: int = 0
    tags: list[int] = []
    search: str = ""
    page_size: int = PAGE_SIZE
    sortorder: str = ""
    with_calendar: bool | None = None
    user_folder_id: int = 0

    @property
    def limit(self) -> int:
        """How many rows a page has."""
        return min(max(self.page_size, 1), MAX_PAGE_SIZE)


class PagedFilter(ListFilter, frozen=True, kw_only=True):
    """The same, and which page."""

    page: int = 1


class ConversationFilter(ListFilter, frozen=True, kw_only=True):
    """The same, and the conversation that the page begins behind; or, with ``prev_flag``, ends before."""

    from_date: Moment = 0
    from_message: Long = 0
    prev_flag: bool = False


class NeighbourFilter(ListFilter, frozen=True, kw_only=True):
    """The same, and the message or conversation whose neighbour is looked for."""

    id: Long = field(default=0)


def wanted(tx: Tx, user_id: int, given: ListFilter) -> Wanted | None:
    """Return what a list is to hold; ``None``: nothing, since there is no such folder. Raises ``ApiError``: ``Folder not found``."""
    folder = "own" if given.user_folder_id else folder_of(given.folder)
    if folder is None:
        return None
    if given.user_folder_id:
        try:
            folders.check(tx, user_id, given.user_folder_id)
        except NotFound:
            raise argument("Folder not found") from None
    both = given.period_from > 0 and given.period_to > 0
    return Wanted(
        folder=folder,
        folder_id=given.user_folder_id or None,
        unread=given.unread,
        with_files=given.attachments,
        important=given.important,
        with_calendar=given.with_calendar,
        since=given.period_from if both else None,
        until=given.period_to if both else None,
        sender=given.from_address,
        recipient=given.to_address,
        text=given.search,
        label_ids=tuple(dict.fromkeys(given.tags)),
        email=_email(tx, user_id, given.mailbox_id),
        oldest_first=given.sortorder.lower() == "ascending",
    )


def _email(tx: Tx, user_id: int, account_id: int) -> str:
    if account_id <= 0:
        return ""
    try:
        return mail_accounts.get(tx, user_id, account_id).address.email
    except NotFound:
        return _NOT_IN_ANY
