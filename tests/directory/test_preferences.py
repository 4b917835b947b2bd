"""What people have chosen about notifications (docs/notifications.md)."""

import pytest

from postroom.directory import people, preferences
from postroom.directory.people import NewPerson
from postroom.directory.preferences import Preference
from postroom.errors import Invalid, NotFound
from postroom.storage.store import Store

NOW = 1_700_000_000_000


def test_nobody_is_mailed_who_did_not_choose_so(store: Store) -> None:
    jan = store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak"), NOW)
    assert store.database.read_now(preferences.get, jan) == Preference(notify="off", content=False)


def test_a_choice_replaces_the_one_before(store: Store) -> None:
    jan = store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak"), NOW)
    for chosen in (Preference(notify="digest", content=True), Preference(notify="each", content=False)):
        store.database.write_now(preferences.choose, jan, chosen, NOW)
        assert store.database.read_now(preferences.get, jan) == chosen


@pytest.mark.parametrize("number", [0, -1, 99, 2**31, 2**63])
@pytest.mark.parametrize("notify", ["digest", "each"])
def test_of_nobody_nothing_is_kept(store: Store, number: int, notify: preferences.Notify) -> None:
    with pytest.raises(NotFound):
        store.database.write_now(preferences.choose, number, Preference(notify=notify, content=False), NOW)


@pytest.mark.parametrize("choice", ["", "Each", "daily", "each "])
def test_there_are_three_choices(choice: str) -> None:
    with pytest.raises(Invalid) as caught:
        preferences.checked(choice)
    assert caught.value.parameter == "notify"
