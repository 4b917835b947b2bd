"""A mailbox of 200,000 letters among as many of others, and how long it takes to list it, with filters and searches.

The rows are written as ``messages.letters`` does, in bulk. Of the owner's letters two in three came; half are in threads of three, in
which the owner answers; one in ten is unread, one in twenty important, one in twenty has a file, one in a hundred a label, and one in
fifty that came is in a folder of the owner's own. Each text has ten words out of 5,000, as rare as words are. Pages are read in this
process, with all that a row shows; the figure is the slowest list at its 99th percentile.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from benchmarks.measure import Measurement, Plan, Run, Setting, percentile, repeated
from benchmarks.place import add_people, keep_house, place
from benchmarks.versions import of_database
from postroom.directory import named_mailboxes
from postroom.directory.records import Mailbox
from postroom.directory.values import chunks
from postroom.messages import conversations, folders, item_lists, labels, letter_records, search
from postroom.messages.item_details import Reader, load
from postroom.messages.item_lists import Wanted
from postroom.messages.labels import NewLabel
from postroom.messages.letter_records import LetterOptions
from postroom.serving import spare_what_stays
from postroom.storage import bulk, tables
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.postgres import throwaway_database, throwaway_server

STARTED: Final = 1_700_000_000_000
"""When the first letter was sent; there is one each second."""
LETTERS: Final = 200_000
"""Of the owner, and as many of others."""

_MONTH: Final = 30 * 86_400_000
_PEOPLE: Final = 2_000
_TOGETHER: Final = 10_000
"""Letters that one transaction writes."""
_WORDS: Final = 5_000
_TEXT: Final = 10
_PAGE: Final = 25
_TIMES: Final = 100
"""How often each list is read in one run."""


class Letterbox(Struct, frozen=True, kw_only=True):
    """Whom and what there is to ask for."""

    owner_id: int
    label_id: int
    folder_id: int
    letters: int
    """The owner's."""


_Letter = dict[str, list[dict[str, Any]]]
"""Rows, by the names of their tables."""


def on_sqlite(plan: Plan) -> Measurement:
    """Measure on SQLite."""
    with place() as here:
        return _measured(here.store, plan)


def on_postgresql(plan: Plan) -> Measurement:
    """Measure on a PostgreSQL of our own."""
    with throwaway_server(durable=True) as server, throwaway_database(server) as url, place(url) as here:
        return _measured(here.store, plan)


def build(store: Store, letters: int = LETTERS) -> Letterbox:
    """Fill an empty store with that many letters of one person, and as many of others; return whom and what there is to ask for."""
    owner, *others = store.database.write_now(add_people, _PEOPLE)
    label_id = store.database.write_now(labels.create, owner, NewLabel(name="Label"))
    folder_id = store.database.write_now(folders.create, owner, "Folder", 0, STARTED)
    first = store.database.write_now(bulk.reserve_ids, tables.messages, 2 * letters)[0]
    box = Letterbox(owner_id=owner, label_id=label_id, folder_id=folder_id, letters=letters)
    for some in chunks(_letters(box, others, first), _TOGETHER):
        store.database.write_now(_write, some)
    keep_house(store)
    return box


def lists(box: Letterbox) -> dict[str, Wanted]:
    """Return the lists that are measured, by their names."""
    return {
        "inbox": Wanted(),
        "sent": Wanted(folder="sent"),
        "unread": Wanted(unread=True),
        "important": Wanted(important=True),
        "with files": Wanted(with_files=True),
        "labelled": Wanted(label_ids=(box.label_id,)),
        "of one folder": Wanted(folder="own", folder_id=box.folder_id),
        "of a month": Wanted(since=STARTED, until=STARTED + _MONTH),
        "common word": Wanted(text=_word(0)),
        "usual word": Wanted(text=_word(50)),
        "rare word": Wanted(text=_word(_WORDS - 1)),
        "two words, unread": Wanted(text=f"{_word(1)} {_word(3)}", unread=True),
        "of one sender": Wanted(sender="person77@example.org"),
    }


def _measured(store: Store, plan: Plan) -> Measurement:
    box = build(store)
    spare_what_stays()  # as every server does once it has begun
    settings: dict[str, Setting] = {"letters": box.letters, "of others": box.letters, "page": _PAGE, **of_database(store)}
    return repeated(lambda: once(store, box), plan.runs, unit="ms", settings=settings)


def once(store: Store, box: Letterbox, times: int = _TIMES) -> Run:
    """Read each list, the conversations, and the counters."""
    reader = Reader(settings=store.settings, vault=store.vault, user_id=box.owner_id)

    def page(tx: Tx, wanted: Wanted, start: int = 0) -> None:
        load(tx, reader, item_lists.page(tx, box.owner_id, wanted, start, _PAGE)[0])

    def heads(tx: Tx, wanted: Wanted) -> None:
        found = item_lists.heads(tx, box.owner_id, wanted, _PAGE + 1)
        conversations.summaries(tx, box.owner_id, found)
        load(tx, reader, found)

    works: dict[str, Callable[[Tx], Any]] = {name: lambda tx, wanted=wanted: page(tx, wanted) for name, wanted in lists(box).items()}  # type: ignore[misc]  # the default binds it
    works["page 100"] = lambda tx: page(tx, Wanted(), 99 * _PAGE)
    of_conversations = {
        "": Wanted(),
        ", a word": Wanted(text=_word(50)),
        ", sent": Wanted(folder="sent"),
        ", of a month": Wanted(since=STARTED, until=STARTED + _MONTH),
        ", of one folder": Wanted(folder="own", folder_id=box.folder_id),
    }
    works |= {f"conversations{name}": lambda tx, wanted=wanted: heads(tx, wanted) for name, wanted in of_conversations.items()}  # type: ignore[misc]  # as above
    taken = {name: _milliseconds(store, work, times) for name, work in works.items()}
    counters = _milliseconds(store, lambda tx: folders.counts(tx, box.owner_id), max(times // 20, 1))
    others = {f"{name} p{share} ms": percentile(one, share) for name, one in {**taken, "counters": counters}.items() for share in (50, 99)}
    return Run(max(percentile(one, 99) for one in taken.values()), {}, others)


def _milliseconds(store: Store, work: Callable[[Tx], Any], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        store.database.read_now(work)
        taken.append((time.perf_counter() - began) * 1_000)
    return sorted(taken)


def _word(rank: int) -> str:
    """Return a word of letters alone: the rank in another writing."""
    return "w" + "".join(chr(ord("a") + int(digit)) for digit in f"{rank:04}")


def _letters(box: Letterbox, others: list[int], first: int) -> Iterator[_Letter]:
    """Make letters, every other one the owner's: of six, four came and two are the owner's own, one of them in the midst of a thread."""
    dice, owner = random.Random(1), box.owner_id
    thread = 0
    for place_of in range(2 * box.letters):
        number, at, place_in = first + place_of, STARTED + place_of * 1_000, place_of // 2 % 6
        if place_of % 2:
            author, reader = dice.sample(others, 2)
            yield _letter(dice, number, author, reader, at)
            continue
        thread = number if place_in == 0 else thread
        answers = thread if place_in in {1, 2} else None
        author, reader = (owner, others[thread % len(others)]) if place_in in {1, 5} else (others[thread % len(others)], owner)
        letter = _letter(dice, number, author, reader, at, thread_id=answers, stands=place_in != 0)
        if dice.random() < 0.02 and reader == owner:
            letter["recipients"][0]["folder_id"] = box.folder_id
        if dice.random() < 0.01 and reader == owner:
            letter["labelled"] = [{"label_id": box.label_id, "recipient_id": letter["recipients"][0]["id"]}]
        yield letter


def _letter(
    dice: random.Random, number: int, author: int, reader: int, at: int, *, thread_id: int | None = None, stands: bool = True
) -> _Letter:
    important = dice.random() < 0.05
    words = [_word(int(_WORDS ** dice.random()) - 1) for _ in range(_TEXT)]
    sender, to = (Mailbox(f"Zofia Wójcik{one}", f"person{one}@example.org") for one in (author - 1, reader - 1))
    content = f"<p>{' '.join(words)}</p>"
    message = {
        "id": number,
        "author_id": author,
        "dialect": "onlyoffice",
        "thread_id": thread_id,
        "letter": True,
        "shared": True,
        "important": important,
        "subject": f"Letter {number}",
        "content": content,
        "content_format": "html",
        "options": letter_records.encoded(LetterOptions(sender=sender, to=(named_mailboxes.written(to),))),
        "status": "sent",
        "created_at": at,
        "modified_at": at,
        "sent_at": at,
        "settled_at": at,
    }
    line = {
        "id": number,
        "message_id": number,
        "user_id": reader,
        "email": f"person{reader - 1}@example.org",
        "state": "delivered",
        "settled_at": at,
        "received_at": at,
        "read_at": None if dice.random() < 0.1 else at,
        "superseded_at": None if stands else at + 2_000,
        "important": important,
        "folder_id": None,
    }
    document = search.document(
        f"Letter {number} {' '.join(words)}", named_mailboxes.written(sender), [named_mailboxes.written(to)], person_ids=[author, reader]
    )
    letter: _Letter = {"messages": [message], "recipients": [line], "message_words": [{"message_id": number, "words": document}]}
    if dice.random() < 0.05:
        file = {"blob_key": "none", "filename": "a.pdf", "content_type": "application/pdf", "size": 1_000, "created_at": at}
        letter["attachments"] = [{"message_id": number, **file}]
    return letter


def _write(tx: Tx, letters: list[_Letter]) -> None:
    for name in ("messages", "recipients", "message_words", "attachments", "labelled"):
        bulk.insert_rows(tx, tables.metadata.tables[name], [row for letter in letters for row in letter.get(name, [])])
