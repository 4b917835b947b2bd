"""postroom user notify: what a person gets mails about (docs/cli.md)."""

from typing import Any

import pytest

from postroom import clock
from postroom.directory import people, preferences
from postroom.directory.people import NewPerson
from postroom.directory.preferences import Preference
from postroom.storage.store import Store


@pytest.fixture
def jan(place: Store) -> int:
    return place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="[Robak]", uid="u7"), clock.now())


def kept(place: Store, user: int) -> Preference:
    return place.database.read_now(preferences.get, user)


def test_a_choice_is_kept_and_said(run: Any, place: Store, jan: int) -> None:
    result = run("user", "notify", str(jan), "digest", "--content")
    assert (result.status, result.out) == (0, f"Notifications of Jan [Robak] (number {jan}, uid u7): digest, with what was written.\n")
    assert kept(place, jan) == Preference(notify="digest", content=True)
    assert run("user", "notify", str(jan), "each").out.endswith(": each, with what was written.\n")
    assert run("user", "notify", str(jan), "each", "--no-content").out.endswith(": each, without what was written.\n")
    assert run("user", "notify", str(jan), "off").out.endswith(": off.\n")
    assert kept(place, jan) == Preference(notify="off", content=False)


@pytest.mark.parametrize(
    ("user", "choice", "words"),
    [("999", "each", "user 999"), ("u7", "each", "postroom find"), (str(2**40), "off", "user"), ("1", "always", "off, each, digest")],
)
def test_what_is_wrong_is_said_in_one_sentence(run: Any, place: Store, jan: int, user: str, choice: str, words: str) -> None:
    result = run("user", "notify", user, choice)
    assert (result.status, words in result.err) == (1, True)
    assert kept(place, jan).notify == "off"
