"""Addresses of pages that a message is sent with, to be followed or shown in a frame; kept as JSON in ``messages.options``.

Only http and https lead anywhere: an address with another scheme, such as ``javascript:``, would run where it is clicked on.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from sqlalchemy import select

from postroom.directory.values import MAX_URL, chunks, known, storable
from postroom.errors import Invalid, TooLarge
from postroom.messages.records import MAX_ATTACHMENTS
from postroom.messages.texts import check_line
from postroom.storage.database import Tx
from postroom.storage.tables import messages

MAX_TITLE: Final = 200


class Link(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The address of a page."""

    url: str
    title: str = ""
    embed: bool = False
    """To be shown within the message, in a frame, instead of followed."""


class _Kept(Struct, frozen=True, omit_defaults=True):
    """The part of ``messages.options`` that is ours; whatever else stands there is passed over."""

    links: list[Link] = []


def check(links: Sequence[Link], files: int = 0) -> None:
    """Check the links of a message that has ``files`` files beside them: at most ``MAX_ATTACHMENTS`` together.

    Raises ``TooLarge("attachments", 10)``, ``TooLarge`` and ``Invalid`` for ``links`` (no http or https address, too long, control
    characters).
    """
    if len(links) + files > MAX_ATTACHMENTS:
        raise TooLarge("attachments", MAX_ATTACHMENTS)
    for link in links:
        check_line("links", link.url, MAX_URL)
        check_line("links", link.title, MAX_TITLE)
        if not is_page(link.url):
            raise Invalid("links", "an http:// or https:// address is needed")


def is_page(url: str) -> bool:
    """Tell whether this is the address of a page, without anything that could be read in more than one way."""
    if not storable(url) or any(character in url for character in ' \t"<>\\^`{|}'):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, brackets that are not closed
        return False


def encoded(links: Sequence[Link]) -> str:
    """Return links as they are kept in ``messages.options``."""
    return msgspec.json.encode(_Kept(list(links))).decode()


def of_messages(tx: Tx, message_ids: Iterable[int]) -> dict[int, list[Link]]:
    """Return the links of each message, in the order they were given; every number asked for is a key. One query for each 500."""
    found: dict[int, list[Link]] = {number: [] for number in message_ids}
    for chunk in chunks(known(found)):
        for number, options in tx.execute(
            select(messages.c.id, messages.c.options).where(messages.c.id.in_(chunk), messages.c.options != "{}")
        ):
            found[number] = msgspec.json.decode(options, type=_Kept).links
    return found
