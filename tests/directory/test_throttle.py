"""Guessing at passwords is slowed down, for a person and for an address, and never for good."""

import threading

import pytest
from sqlalchemy import func, select

from postroom.clock import DAY, MINUTE, SECOND
from postroom.directory import throttle
from postroom.storage.store import Store, open_store
from postroom.storage.tables import login_failures

NOW = 1_700_000_000_000
JAN = throttle.of_person(17, "jan")
HERE = throttle.of_address("192.0.2.1")


def attempt(store: Store, now: int, person: throttle.Subject = JAN, address: throttle.Subject = HERE) -> int:
    return store.database.write_now(throttle.attempt, address, person, now)


def subjects(store: Store) -> set[str]:
    return set(store.database.read_now(lambda tx: tx.execute(select(login_failures.c.subject)).scalars().all()))


def test_five_are_free_and_then_each_pause_is_twice_as_long(store: Store) -> None:
    at = NOW
    for _ in range(5):
        assert attempt(store, at) == 0
    for pause in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900):
        assert attempt(store, at) == pause * SECOND
        assert attempt(store, at + pause * SECOND - 1) == 1
        at += pause * SECOND
        assert attempt(store, at) == 0


def test_who_waits_is_not_counted(store: Store) -> None:
    """Else impatience alone would keep the door closed."""
    for _ in range(5):
        attempt(store, NOW)
    for _ in range(50):
        assert attempt(store, NOW + 1) == SECOND - 1
    assert attempt(store, NOW + SECOND) == 0


def test_a_right_password_begins_anew_for_the_person_but_not_for_the_address(store: Store) -> None:
    """Whoever has a password of his own could guess at those of others for ever."""
    people = [throttle.of_person(number, "x") for number in range(100)]
    for person in people[:25]:
        for _ in range(2):
            assert attempt(store, NOW, person, HERE) == 0
    assert attempt(store, NOW, people[99], HERE) == SECOND
    assert attempt(store, NOW + SECOND, people[99], HERE) == 0
    store.database.write_now(throttle.succeeded, HERE, people[99])
    assert attempt(store, NOW + SECOND + 1, people[98], HERE) > 0
    assert attempt(store, NOW, people[98], throttle.of_address("192.0.2.2")) == 0


def test_all_is_forgotten_after_a_day(store: Store) -> None:
    for _ in range(5):
        attempt(store, NOW)
    assert attempt(store, NOW + DAY) == 0
    assert attempt(store, NOW + DAY) == 0


def test_housekeeping_forgets_in_steps(store: Store) -> None:
    for number in range(3):
        attempt(store, NOW, throttle.of_person(number, "x"))
    attempt(store, NOW + MINUTE)
    assert store.database.write_now(throttle.forget, NOW + 1, 2) == 2
    assert store.database.write_now(throttle.forget, NOW + 1, 2) == 1
    assert subjects(store) == {JAN.key, HERE.key}


def test_an_address_that_waits_fills_no_table(store: Store) -> None:
    for number in range(50):
        attempt(store, NOW, throttle.of_person(number, "x"))
    before = subjects(store)
    assert attempt(store, NOW, throttle.of_person(None, "made up")) == SECOND
    assert subjects(store) == before


def test_many_tries_at_once_through_two_processes_gain_nothing(store: Store) -> None:
    """Each store stands for a process; of twenty tries at once five are allowed."""
    other = open_store(store.settings)
    waits: list[int] = []
    try:
        threads = [threading.Thread(target=lambda one=one: waits.append(attempt(one, NOW))) for one in (store, other) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        other.close()
    assert sorted(waits) == [0] * 5 + [SECOND] * 15
    assert store.database.read_now(lambda tx: tx.execute(select(func.max(login_failures.c.failures))).scalar_one()) == 5


def test_unknown_names_are_kept_as_digests(store: Store) -> None:
    """A password typed into the wrong field must not stand in the store."""
    unknown = throttle.of_person(None, " Secret Password ")
    assert "secret" not in unknown.key.lower()
    assert unknown == throttle.of_person(None, "secret password")
    assert unknown != throttle.of_person(None, "another")
    assert unknown.free == JAN.free


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "x" * 500, False),
    ],
)
def test_an_ipv6_network_is_one_address(first: str, second: str, alike: bool) -> None:  # noqa: FBT001 - parametrised
    assert (throttle.of_address(first) == throttle.of_address(second)) is alike
    assert len(throttle.of_address(second).key) < 100
