"""Mailings to measure: invented people, a message of about 4 KB to all of them, and sending it until everybody is accounted for."""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from sqlalchemy import func, insert, select

from benchmarks.place import Place, add_people
from postroom.clock import now
from postroom.directory import groups
from postroom.messages import audience, drafts, roll, submission
from postroom.messages.records import AudienceChange, DraftContent
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import group_members, messages

MAIL_BYTES: Final = 4_096
"""Size of the mail that ``CONTENT`` makes, with its headers, give or take a tenth; what the peers send too."""

CONTENT: Final = "Zapraszamy na inaugurację roku akademickiego; źdźbło, chrząszcz i gęś.\n" * 32
SUBJECT: Final = "Zaproszenie"

_CHUNK: Final = 10_000


Prepare = Callable[[Tx, int], None]
"""Changes a draft, given its number, before it is sent."""


class Crowd(Struct, frozen=True):
    """Somebody who writes, and the group of all whom she writes to, herself included."""

    author: int
    group: int
    size: int


def crowd(here: Place, size: int) -> Crowd:
    """Fill the store with ``size`` people."""
    return here.store.database.write_now(_crowd, size)


def drained(here: Place, people: Crowd, prepare: Prepare | None = None, *, within: float = 300.0) -> float:
    """Send one new message to all ``people``; return the seconds from the call that sends it until the last outcome is durable.

    ``prepare`` changes the draft beforehand, off the clock. Raises ``TimeoutError`` after so many seconds, and ``AssertionError``
    unless everybody got it.
    """
    database = here.store.database
    message_id = database.write_now(draft, people, prepare)
    started = time.perf_counter()
    database.write_now(submit, here.store.settings, people.author, message_id)
    await_end(here, message_id, started + within)
    seconds = time.perf_counter() - started
    if (counts := database.read_now(roll.state_counts, message_id)) != {"delivered": people.size}:
        raise AssertionError(f"not everybody got it: {counts}")
    return seconds


def draft(tx: Tx, people: Crowd, prepare: Prepare | None = None) -> int:
    """Write a draft to all of them, with a fresh roll; return its number."""
    message_id = drafts.create(tx, people.author, DraftContent(subject=SUBJECT, content=CONTENT), now(), "usos")
    audience.update(tx, people.author, message_id, AudienceChange(custom_group_ids=[people.group]), strict=True, now=now())
    roll.refresh(tx, people.author, message_id, "primary_only", now())
    if prepare is not None:
        prepare(tx, message_id)
    return message_id


def submit(tx: Tx, settings: Settings, author: int, message_id: int) -> None:
    """Send a draft."""
    submission.submit(tx, settings, author, message_id, "pl", now())


def await_end(here: Place, message_id: int, until: float) -> None:
    """Return when a sent message has nobody open any more. Raises ``TimeoutError`` at ``until`` (``time.perf_counter``)."""
    while here.store.database.read_now(is_pending, message_id):
        if time.perf_counter() > until:
            raise TimeoutError("the mailing did not drain")
        time.sleep(0.01)


def is_pending(tx: Tx, message_id: int) -> bool:
    """Tell whether a sent message still has somebody open."""
    return tx.execute(select(func.count()).where(messages.c.id == message_id, messages.c.status == "pending")).scalar_one() == 1


def _crowd(tx: Tx, size: int) -> Crowd:
    people = add_people(tx, size)
    group = groups.create_custom(tx, people[0], "everybody", now())
    for start in range(0, size, _CHUNK):
        tx.execute(insert(group_members), [{"group_id": group, "user_id": person} for person in people[start : start + _CHUNK]])
    return Crowd(people[0], group, size)
