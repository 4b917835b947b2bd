"""Selectors over 1,000 messages in one call: ``mailclient/messages`` with all primary fields and those of the institutional addresses.

One ``postroom api`` process answers over one connection, so the figure holds everything: the signature, the nonce, reading, picking the
fields, encoding. Bounds in the same run: encoding the same answer with msgspec, and reading the same rows, each in this process.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks import load
from benchmarks.measure import Measurement, Plan, Run, Setting, repeated
from benchmarks.place import add_keys, add_people, place, process
from benchmarks.processes import HOST
from benchmarks.signed import more_drafts, signed_requests
from benchmarks.versions import of_database
from postroom.clock import now
from postroom.directory import addresses
from postroom.messages import drafts
from postroom.messages.records import DraftChange
from postroom.storage.database import Tx

MESSAGES: Final = 1_000
CALLS: Final = 20
_ADDRESSES: Final = 20
_FIELDS: Final = "id|subject|status|date|from_inst_address[id|name|email]"


def nested(plan: Plan) -> Measurement:
    """Measure messages a second."""
    with place() as here, process(here, "postroom", "api"):
        author, numbers = here.store.database.write_now(_prepared)
        keys = here.store.database.write_now(add_keys, here.store.vault, author)
        parameters = {"message_ids": "|".join(map(str, numbers)), "fields": _FIELDS}
        port = here.store.settings.http.port
        answer = _answer(numbers)

        def read(tx: Tx) -> None:
            found = drafts.by_ids(tx, author, numbers)
            addresses.by_ids(tx, {one.from_address_id for one in found.values() if one.from_address_id is not None})

        def once() -> Run:
            requests = signed_requests(here, keys, "messages", parameters, CALLS)
            rate = CALLS * MESSAGES / load.run(HOST, port, 1, requests, here.folder).seconds
            encoding = _rate(lambda: msgspec.json.encode(answer))
            reading = _rate(lambda: here.store.database.read_now(read))
            return Run(rate, {"of plain encoding": rate / encoding, "of reading the rows": rate / reading})

        settings: dict[str, Setting] = {"messages": MESSAGES, "calls": CALLS, "fields": _FIELDS, **of_database(here.store)}
        return repeated(once, plan.runs, unit="messages/s", settings=settings)


def _prepared(tx: Tx) -> tuple[int, list[int]]:
    """Make a person, and messages from institutional addresses of hers."""
    author = add_people(tx, 1)[0]
    theirs = [addresses.add(tx, f"office{number}@example.org", f"Office {number}", now()) for number in range(_ADDRESSES)]
    addresses.assign_exactly(tx, author, theirs, now())
    numbers = more_drafts(tx, MESSAGES)
    for position, number in enumerate(numbers):
        drafts.update(tx, author, number, DraftChange(from_address_id=theirs[position % _ADDRESSES]), now())
    return author, numbers


def _answer(numbers: list[int]) -> dict[str, object]:
    """Make what the call answers, as far as its size goes."""
    address = {"id": "10", "name": "Office 10", "email": "office10@example.org"}
    one = {"subject": "Zaproszenie", "status": "draft", "date": "2026-01-31 12:00:00", "from_inst_address": address}
    return {str(number): {"id": str(number), **one} for number in numbers}


def _rate(work: Callable[[], object]) -> float:
    """Return how many messages a second pass through ``work``, which handles all of them."""
    began = time.perf_counter()
    for _ in range(CALLS):
        work()
    return CALLS * MESSAGES / (time.perf_counter() - began)
