"""Locks on what is no row (storage/advisory.py): they exclude, within a name space, and do so in one order."""

import threading
import time

import pytest

from postroom.storage import advisory
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.support import counted


def test_the_same_numbers_exclude_each_other(store: Store) -> None:
    """Asked for in whatever order, so that two never wait for each other."""
    inside = 0
    most = 0

    def unit(tx: Tx, numbers: list[int]) -> None:
        nonlocal inside, most
        advisory.lock(tx, 1, numbers)
        inside += 1
        most = max(most, inside)
        time.sleep(0.02)
        inside -= 1

    workers = [
        threading.Thread(target=store.database.write_now, args=(unit, numbers)) for numbers in ([1, 2], [2, 1, 2], [2, 3], [3, 1, 2])
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert most == 1


def test_many_are_locked_in_one_statement(store: Store) -> None:
    with counted(store) as statements:
        store.database.write_now(advisory.lock, 2, range(1_000))
    assert len(statements) == (store.database.dialect == "postgresql")


def test_others_need_not_wait(store: Store) -> None:
    """Other numbers, and the same ones of another name space."""
    if store.database.dialect != "postgresql":
        pytest.skip("PostgreSQL only: SQLite has one writer at a time")

    def unit(tx: Tx) -> None:
        advisory.lock(tx, 3, [1])
        other = threading.Thread(target=store.database.write_now, args=(lambda tx: (advisory.lock(tx, 3, [2]), advisory.lock(tx, 4, [1])),))
        other.start()
        other.join(20)
        assert not other.is_alive()

    store.database.write_now(unit)
