"""Counters: part of the transaction that they count in."""

import pytest

from postroom.delivery import counters
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.delivery.letters import tallies


def test_counters_begin_at_nothing_and_grow(store: Store) -> None:
    assert tallies(store) == {}
    for name in ("bounce.forged", "bounce.applied", "bounce.forged"):
        store.database.write_now(counters.count, name)
    assert list(tallies(store).items()) == [("bounce.applied", 1), ("bounce.forged", 2)]


def test_what_is_rolled_back_is_not_counted(store: Store) -> None:
    def fails(tx: Tx) -> None:
        counters.count(tx, "bounce.forged")
        raise LookupError

    with pytest.raises(LookupError):
        store.database.write_now(fails)
    assert tallies(store) == {}
