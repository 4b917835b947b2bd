"""The queue of sent copies: claims, leases, what is put back and what is forgotten."""

from typing import Any

import pytest
from sqlalchemy import insert, select, text

from postroom.delivery import copy_queue
from postroom.delivery.copy_queue import MAX_RECOVERIES, CopyOutcome
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import sent_copies
from tests.delivery.letters import add_message
from tests.support import counted

NOW = 1_700_000_000_000
LEASE = 1_000


def add_copy(tx: Tx, *, due_at: int = NOW, host: str = "imap.example") -> int:
    row = {"host": host, "port": 993, "security": "tls", "username": "u", "secret": "sealed", "folder": "Sent"}
    row |= {"message_id": add_message(tx, ["a@x.example"]), "due_at": due_at, "expires_at": NOW + 10_000, "created_at": NOW}
    return tx.execute(insert(sent_copies).values(row).returning(sent_copies.c.id)).scalar_one()


def get(store: Store, number: int) -> Any:
    return store.database.read_now(lambda tx: tx.execute(select(sent_copies).where(sent_copies.c.id == number)).one())


def claimed(store: Store, owner: str = "one", at: int = NOW, *avoid: str) -> int | None:
    copy = store.database.write_now(copy_queue.claim, owner, at, LEASE, avoid)
    return copy.id if copy else None


def test_due_copies_are_claimed_once_the_oldest_first(store: Store) -> None:
    late, early, future = (store.database.write_now(add_copy, due_at=NOW + n) for n in (0, -5, 1))
    assert claimed(store) == early
    assert claimed(store, "two") == late
    assert claimed(store, "three") is None
    assert claimed(store, "three", NOW + 1) == future
    row = get(store, early)
    assert (row.state, row.attempts, row.lease_owner, row.lease_until, row.due_at) == ("sending", 1, "one", NOW + LEASE, None)


def test_hosts_with_enough_to_do_are_passed_over(store: Store) -> None:
    store.database.write_now(add_copy)
    other = store.database.write_now(add_copy, host="other.example")
    assert claimed(store, "one", NOW, "imap.example", "third.example") == other
    assert claimed(store, "one", NOW, "imap.example") is None


def test_only_the_owner_of_the_lease_settles(store: Store) -> None:
    number = store.database.write_now(add_copy)
    claimed(store, "one")
    outcome = CopyOutcome(copy_id=number, state="done", reply_text="kept")
    assert not store.database.write_now(copy_queue.settle, "two", outcome, NOW)
    assert get(store, number).state == "sending"
    assert store.database.write_now(copy_queue.settle, "one", outcome, NOW + 1)
    assert not store.database.write_now(copy_queue.settle, "one", outcome, NOW + 2)
    row = get(store, number)
    assert (row.state, row.reply_text, row.settled_at, row.lease_owner, row.lease_until) == ("done", "kept", NOW + 1, None, None)


@pytest.mark.parametrize(("state", "secret"), [("done", ""), ("failed", ""), ("queued", "sealed")])
def test_password_is_forgotten_at_the_end_alone(store: Store, state: Any, secret: str) -> None:
    number = store.database.write_now(add_copy)
    claimed(store)
    store.database.write_now(copy_queue.settle, "one", CopyOutcome(copy_id=number, state=state, reply_text="", due_at=NOW + 9), NOW)
    assert get(store, number).secret == secret


def test_released_copy_is_due_at_once_and_keeps_its_try(store: Store) -> None:
    """The server may have got the message: the next one has to look for it."""
    number = store.database.write_now(add_copy)
    claimed(store)
    store.database.write_now(copy_queue.release, "two", [number], NOW + 1)
    assert get(store, number).state == "sending"
    store.database.write_now(copy_queue.release, "one", [number], NOW + 1)
    row = get(store, number)
    assert (row.state, row.due_at, row.attempts, row.lease_owner, row.secret) == ("queued", NOW + 1, 1, None, "sealed")


def test_lost_lease_is_recovered_until_too_many_workers_died(store: Store) -> None:
    """Design 1.3 for copies; one that kills its workers is given up, with its password."""
    number = store.database.write_now(add_copy)
    at = NOW
    for _ in range(MAX_RECOVERIES - 1):
        assert claimed(store, at=at) == number
        assert store.database.write_now(copy_queue.recover, at + LEASE - 1) == 0
        at += LEASE
        assert store.database.write_now(copy_queue.recover, at) == 1
        row = get(store, number)
        assert (row.state, row.due_at, row.lease_owner, row.secret) == ("queued", at, None, "sealed")
    claimed(store, at=at)
    assert store.database.write_now(copy_queue.recover, at + LEASE) == 1
    row = get(store, number)
    assert (row.state, row.due_at, row.secret, row.settled_at) == ("failed", None, "", at + LEASE)
    assert row.reply_text == "given up: 3 workers died over it"


def test_next_look_is_at_the_earliest_date_or_end_of_a_lease(store: Store) -> None:
    assert store.database.read_now(copy_queue.next_due) is None
    store.database.write_now(add_copy, due_at=NOW + 5_000)
    assert store.database.read_now(copy_queue.next_due) == NOW + 5_000
    store.database.write_now(add_copy)
    claimed(store)
    assert store.database.read_now(copy_queue.next_due) == NOW + LEASE


def test_an_idle_look_is_one_statement_by_index(store: Store) -> None:
    """It happens at every wake-up while mail pours out."""
    with counted(store) as statements:
        store.database.read_now(copy_queue.next_due)
    assert len(statements) == 1
    if store.database.dialect == "sqlite":
        plan = store.database.read_now(lambda tx: [row.detail for row in tx.execute(text(f"EXPLAIN QUERY PLAN {statements[0]}"))])
        assert not [line for line in plan if line.startswith("SCAN sent_copies") and "INDEX" not in line], plan
        assert sum("ix_sent_copies_due" in line for line in plan) == 1
        assert sum("ix_sent_copies_lease" in line for line in plan) == 1
