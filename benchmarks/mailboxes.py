"""A store full of private messages: one person with a large mailbox among many others.

Only the builder is here: rows as ``messages.private`` writes them, in bulk.
"""

import random
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from benchmarks.place import add_people, keep_house
from postroom.directory.values import chunks
from postroom.messages import mailboxes
from postroom.storage import bulk, tables
from postroom.storage.database import Tx
from postroom.storage.store import Store

STARTED: Final = 1_700_000_000_000
"""When the first message was sent; there is one each second."""

_PEOPLE: Final = 2_000
_TOGETHER: Final = 20_000
"""Messages that one transaction writes."""
_UNREAD: Final = 0.1
"""Share of the threads that are unread."""
_THREE: Final = 0.1
"""Share of the messages that have three recipients instead of one."""
_TEXT: Final = "Tomorrow at ten, in the small hall. Please bring the form that your parents have signed.\r\n" * 3


class Mailboxes(Struct, frozen=True, kw_only=True):
    """Whom and what there is to ask for."""

    owner_id: int
    """The person with the large mailbox."""
    partner_id: int
    """With whom the owner has the long thread."""
    threads: int
    """In the owner's inbox."""
    unread: int
    """Of these."""
    thread_id: int
    """The long thread, the newest one in the inbox."""


_Letter = tuple[dict[str, Any], list[dict[str, Any]]]
"""The row of a message, and those of its roll."""


def build(store: Store, messages: int = 1_000_000, owner_messages: int = 50_000, thread_length: int = 200) -> Mailboxes:
    """Fill an empty store with that many messages, and return whom and what there is to ask for.

    ``owner_messages`` of them begin a thread that one person has in the inbox; they lie evenly among those of others. The last
    ``thread_length`` are one thread, in which that person and another write by turns.
    """
    owner, partner, *others = store.database.write_now(add_people, _PEOPLE)
    first = store.database.write_now(bulk.reserve_ids, tables.messages, messages)[0]
    single = _single(first, messages - thread_length, owner_messages - 1, owner, others)
    thread_id = first + messages - thread_length
    for some in chunks(_all(single, _long(thread_id, thread_length, owner, partner)), _TOGETHER):
        store.database.write_now(_write, some)
    keep_house(store)
    unread = store.database.read_now(mailboxes.unread_count, owner)
    return Mailboxes(owner_id=owner, partner_id=partner, threads=owner_messages, unread=unread, thread_id=thread_id)


def _all(*letters: Iterable[_Letter]) -> Iterator[_Letter]:
    for some in letters:
        yield from some


def _single(first: int, count: int, owned: int, owner: int, others: list[int]) -> Iterator[_Letter]:
    """Make messages that nobody answered, ``owned`` of them to the owner."""
    dice = random.Random(1)
    for place in range(count):
        author, *to = dice.sample(others, 4 if dice.random() < _THREE else 2)
        if (place + 1) * owned // count > place * owned // count:
            to[0] = owner
        at = STARTED + place * 1_000
        read_at = None if dice.random() < _UNREAD else at + 1
        yield _message(first + place, author, at), [_line(first + place, user_id, at, read_at=read_at) for user_id in sorted(to)]


def _long(thread_id: int, length: int, owner: int, partner: int) -> Iterator[_Letter]:
    """Make one thread of two people; the partner begins, and the newest that came to each is unread."""
    for place in range(length):
        number, at = thread_id + place, STARTED + (thread_id + place) * 1_000
        author, reader = (owner, partner) if place % 2 else (partner, owner)
        superseded_at = at + 2_000 if place < length - 2 else None
        message = _message(number, author, at, thread_id=thread_id if place else None, superseded_at=superseded_at)
        yield message, [_line(number, reader, at, read_at=superseded_at, superseded_at=superseded_at)]


def _message(number: int, author: int, at: int, *, thread_id: int | None = None, superseded_at: int | None = None) -> dict[str, Any]:
    return {
        "id": number,
        "author_id": author,
        "dialect": "schoology",
        "thread_id": thread_id,
        "in_reply_to": thread_id,
        "subject": f"Trip number {number}",
        "content": _TEXT,
        "language": "pl",
        "shared": True,
        "status": "sent",
        "created_at": at,
        "modified_at": at,
        "sent_at": at,
        "settled_at": at,
        "superseded_at": superseded_at,
    }


def _line(number: int, user_id: int, at: int, *, read_at: int | None, superseded_at: int | None = None) -> dict[str, Any]:
    return {
        "message_id": number,
        "user_id": user_id,
        "state": "delivered",
        "settled_at": at,
        "received_at": at,
        "read_at": read_at,
        "superseded_at": superseded_at,
    }


def _write(tx: Tx, letters: list[_Letter]) -> None:
    bulk.insert_rows(tx, tables.messages, [message for message, _ in letters])
    bulk.insert_rows(tx, tables.recipients, [line for _, lines in letters for line in lines])
