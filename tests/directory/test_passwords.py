"""Passwords of people."""

from typing import Any

import pytest
from sqlalchemy import select, update

from postroom.directory import passwords, people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import users

NOW = 1_700_000_000_000


def add(store: Store, **fields: Any) -> int:
    """Add somebody whose hash is 'hash of' the number."""
    number: int = store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak", **fields), NOW)
    store.database.write_now(passwords.keep, number, f"hash of {number}", NOW)
    return number


def found(store: Store, name: str) -> int | None:
    holder = store.database.read_now(passwords.holder, name)
    return None if holder is None else holder.user_id


def test_a_password_matches_its_own_hash_only() -> None:
    first, second = passwords.digest("correct horse"), passwords.digest("correct horse")
    assert first != second
    assert first.startswith("$argon2id$")
    assert passwords.matches(first, "correct horse")
    assert not passwords.matches(first, "correct horse ")
    assert not passwords.matches(None, "correct horse")
    assert not passwords.matches(None, "the password of nobody")
    assert not passwords.matches("no hash at all", "correct horse")
    assert not passwords.matches(first, "x" * 1_001)


def test_a_password_is_the_same_from_every_keyboard() -> None:
    """RFC 8265: a letter with its mark in one character or in two."""
    assert passwords.matches(
        passwords.digest("za\u017c\u00f3\u0142\u0107 ja\u017a\u0144"), "zaz\u0307o\u0301\u0142c\u0301 jaz\u0301n\u0301"
    )


@pytest.mark.parametrize(("password", "error"), [("1234567", Invalid), ("", Invalid), ("x" * 1_001, TooLarge)])
def test_a_new_password_is_neither_short_nor_endless(password: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        passwords.check(password)
    passwords.check("12345678")
    passwords.check("x" * 1_000)


def test_hashes_of_other_parameters_are_outdated() -> None:
    assert not passwords.outdated(passwords.digest("correct horse"))
    assert passwords.outdated(passwords.PasswordHasher(time_cost=1, memory_cost=1024).hash("correct horse"))


def test_people_are_found_by_uid_address_or_number(store: Store) -> None:
    jan = add(store, uid="jrobak", email="Jan@Uni.example")
    for name in ("jrobak", "jan@uni.EXAMPLE", str(jan), " jrobak "):
        assert found(store, name) == jan
    for name in ("JROBAK", "robak", "jan", "", " ", "0", str(jan + 1), "2147483648", "9" * 400, "a\0b", "\ud800", "%", "jan@%"):
        assert found(store, name) is None


def test_a_uid_goes_before_a_number(store: Store) -> None:
    """Student numbers look like ours, and people know theirs."""
    jan = add(store)
    ewa = add(store, uid=str(jan))
    assert found(store, str(jan)) == ewa
    assert found(store, str(ewa)) == ewa


def test_a_shared_address_is_nobodys(store: Store) -> None:
    jan = add(store, email="office@uni.example", uid="a")
    ewa = add(store, email="office@uni.example", uid="office@uni.example")
    assert found(store, "office@uni.example") == ewa
    store.database.write_now(lambda tx: tx.execute(update(users).where(users.c.id == ewa).values(uid=None)) and None)
    assert found(store, "office@uni.example") is None
    assert found(store, "a") == jan


def test_neither_the_inactive_nor_those_without_a_password_log_in(store: Store) -> None:
    jan, ewa = add(store), add(store)
    changes = ((jan, {"active": False}), (ewa, {"password_hash": None}))

    def change(tx: Tx) -> None:
        for number, values in changes:
            tx.execute(update(users).where(users.c.id == number).values(values))

    store.database.write_now(change)
    for number in (jan, ewa):
        assert found(store, str(number)) is None
        assert store.database.read_now(passwords.by_id, number) is None


def test_another_password_makes_another_stamp(store: Store) -> None:
    jan, ewa = add(store), add(store)
    held = store.database.read_now(passwords.by_id, jan)
    assert held is not None
    before = passwords.stamp(store.vault, held)
    store.database.write_now(passwords.keep, jan, "hash of another", NOW + 1)
    again = store.database.read_now(passwords.by_id, jan)
    other = store.database.read_now(passwords.by_id, ewa)
    assert again is not None
    assert other is not None
    assert len({before, passwords.stamp(store.vault, again), passwords.stamp(store.vault, other)}) == 3
    assert "hash" not in repr(again)
    assert store.database.read_now(lambda tx: tx.execute(select(users.c.modified_at).where(users.c.id == jan)).scalar_one()) == NOW + 1


@pytest.mark.parametrize("number", [0, -1, 99, 2**31, 2**63])
def test_nobody_gets_no_password(store: Store, number: int) -> None:
    with pytest.raises(NotFound):
        store.database.write_now(passwords.keep, number, "hash", NOW)
