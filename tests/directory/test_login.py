"""Logging in (directory/login.py): password, second factor, and what wrong tries cost."""

import asyncio
import base64
from typing import Any

import pytest

from postroom.clock import SECOND
from postroom.directory import passwords, people, totp
from postroom.directory.login import Outcome, log_in
from postroom.directory.people import NewPerson
from postroom.storage.store import Store
from tests.support import EASY_HASHER

NOW = 1_700_000_000_000
STEP = NOW // 30_000
HERE = "192.0.2.1"


@pytest.fixture
def jan(store: Store, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(passwords, "_HASHER", EASY_HASHER)
    user_id = store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak", email="jan@x.example"), NOW)
    store.database.write_now(passwords.keep, user_id, passwords.digest("correct horse"), NOW)
    return user_id


def attempt(store: Store, password: str = "correct horse", now: int = NOW, **more: Any) -> Outcome:
    return asyncio.run(log_in(store, "jan@x.example", password, HERE, now, **more))


def who(outcome: Outcome) -> int | None:
    return None if outcome.holder is None else outcome.holder.user_id


def test_the_password_is_enough_without_a_second_factor(store: Store, jan: int) -> None:
    assert who(attempt(store)) == jan
    assert attempt(store, "wrong horse") == Outcome()


def test_a_code_of_somebody_without_a_second_factor_is_wrong(store: Store, jan: int) -> None:
    assert attempt(store, code="000000") == Outcome()


def test_both_are_needed_with_one(store: Store, jan: int) -> None:
    secret = base64.b32decode(store.database.write_now(totp.enrol, store.vault, jan))
    assert attempt(store) == Outcome(needs_code=True)
    assert attempt(store, "wrong horse", code=totp.code_at(secret, STEP)) == Outcome()
    assert attempt(store, code="") == Outcome()
    assert who(attempt(store, code=totp.code_at(secret, STEP))) == jan
    assert attempt(store, code=totp.code_at(secret, STEP)) == Outcome()


def test_codes_cannot_be_guessed_at_by_whoever_knows_the_password(store: Store, jan: int) -> None:
    """A right password alone takes no try back."""
    secret = base64.b32decode(store.database.write_now(totp.enrol, store.vault, jan))
    for number in range(5):
        outcome = attempt(store, code=None if number % 2 else "wrong")
        assert outcome == Outcome(needs_code=bool(number % 2))
    assert attempt(store).wait == SECOND
    assert attempt(store, code=totp.code_at(secret, STEP)).wait == SECOND
    later = NOW + SECOND
    assert who(attempt(store, now=later, code=totp.code_at(secret, STEP))) == jan
    assert attempt(store, now=later).needs_code
