"""Who may write to whom: contacts.may_write_to (docs/mailboxes.md); wire/schoology.md §4.5."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import update

from postroom.directory import contact_rules, groups, people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid
from postroom.settings import ContactSettings, Settings
from postroom.storage.store import Store
from postroom.storage.tables import users
from tests.support import counted

NOW = 1_700_000_000_000

PEOPLE = (
    ("ann", "student", "North"),
    ("bob", "student", "North"),
    ("cyd", "student", "South"),
    ("dan", "teacher", "North"),
    ("eve", "teacher", "South"),
    ("fay", "staff", None),
    ("gus", "", None),
    ("hal", "", ""),
)


class Place:
    """A school of eight people and one who left."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.numbers = {name: self.add(name, role, school) for name, role, school in PEOPLE}
        self.names = {number: name for name, number in self.numbers.items()}
        self.gone = self.run(people.add, NewPerson(first_name="x", last_name="ivy", role="staff", school="North", active=False), NOW)
        tree = [self.run(groups.create_primary, code, code, above, NOW) for code, above in (("wf", None), ("wf.a", "wf"), ("wf.b", "wf"))]
        course = self.run(groups.create_course, "c-1", "Course", NOW)
        own = self.run(groups.create_custom, self.numbers["ann"], "My friends", NOW)
        for group, members in zip([*tree, course, own], ("d", "ac", "b", "bcg", "abcdefgh"), strict=True):
            ids = [number for name, number in self.numbers.items() if name[0] in members]
            self.run(groups.add_members, group, user_ids=[*ids, self.gone])

    def run(self, unit: Any, *args: Any, **kwargs: Any) -> Any:
        return self.store.database.write_now(unit, *args, **kwargs)

    def add(self, name: str, role: str, school: str | None) -> int:
        return int(self.run(people.add, NewPerson(first_name="X", last_name=name, role=role, school=school), NOW))

    def settings(self, rules: dict[str, list[str]]) -> Settings:
        return structs.replace(self.store.settings, contacts=ContactSettings(may_write_to=rules))

    def reach(self, sender: str, rules: dict[str, list[str]]) -> str:
        """First letters of those whom the sender may write to; the list and the check agree."""
        found, more = self.run(contact_rules.page, self.settings(rules), self.numbers[sender], 0, 100)
        numbers = [person.id for person in found]
        everybody = [*self.numbers.values(), self.gone, 0, -1, 10**6, 2**31, 10**30]
        assert self.run(contact_rules.permitted, self.settings(rules), self.numbers[sender], everybody) == set(numbers)
        assert not more
        return "".join(self.names[number][0] for number in numbers)


@pytest.fixture
def place(store: Store) -> Place:
    return Place(store)


@pytest.mark.parametrize(
    ("sender", "terms", "reached"),
    [
        ("ann", ["everyone"], "bcdefgh"),
        ("ann", ["nobody"], ""),
        ("ann", [], ""),
        ("ann", ["same_school"], "bd"),
        ("eve", ["same_school"], "c"),
        ("gus", ["same_school"], ""),  # no school is no school in common
        ("hal", ["same_school"], ""),
        ("ann", ["same_group"], "c"),  # direct members of one primary or course group; not the parent's, not those of custom groups
        ("bob", ["same_group"], "cg"),
        ("cyd", ["same_group"], "abg"),
        ("fay", ["same_group"], ""),
        ("ann", ["staff"], "def"),
        ("dan", ["staff"], "ef"),
        ("gus", ["role:student"], "abc"),
        ("gus", ["role:Student"], ""),
        ("ann", ["group:wf"], "d"),
        ("ann", ["group:c-1"], "bcg"),
        ("bob", ["group:c-1"], "cg"),
        ("ann", ["group:nowhere"], ""),
        ("ann", ["user:{gus}", "user:{ann}", "user:999999", "user:{gone}"], "g"),
        ("ann", ["same_group", "same_school"], "bcd"),
        ("ann", ["nobody", "group:c-1", "staff", "role:teacher"], "bcdefg"),
    ],
)
def test_any_term_is_enough(place: Place, sender: str, terms: list[str], reached: str) -> None:
    given = [term.format(**place.numbers, gone=place.gone) for term in terms]
    assert place.reach(sender, {"*": given}) == reached


def test_the_role_decides_else_the_rules_for_any_other(place: Place) -> None:
    rules = {"student": ["staff"], "teacher": ["role:student"], "*": ["user:{fay}".format(**place.numbers)]}
    assert {name: place.reach(name, rules) for name in ("ann", "dan", "gus", "fay")} == {"ann": "def", "dan": "abc", "gus": "f", "fay": ""}
    del rules["*"]
    assert place.reach("gus", rules) == place.reach("fay", rules) == ""


def test_who_left_writes_to_nobody(place: Place) -> None:
    settings = place.settings({"*": ["everyone"]})
    assert place.run(contact_rules.page, settings, place.gone, 0, 9) == ([], False)
    assert place.run(contact_rules.page, settings, 10**6, 0, 9) == ([], False)
    assert place.run(contact_rules.permitted, settings, place.gone, [place.numbers["ann"]]) == set()


def test_roles_of_staff_are_a_setting(place: Place) -> None:
    contacts = ContactSettings(staff_roles=["student"], may_write_to={"*": ["staff"]})
    settings = structs.replace(place.store.settings, contacts=contacts)
    assert place.run(contact_rules.permitted, settings, place.numbers["dan"], place.numbers.values()) == {
        place.numbers[name] for name in ("ann", "bob", "cyd")
    }


def test_a_page_goes_by_last_name_first_name_and_number(place: Place) -> None:
    twins = [place.add("bob", "", None), place.add("bob", "", None)]
    place.run(lambda tx: tx.execute(update(users).where(users.c.id == twins[0]).values(first_name="W")) and None)
    settings = place.settings({"*": ["everyone"]})

    def page(start: int, limit: int) -> tuple[list[int], bool]:
        found, more = place.run(contact_rules.page, settings, place.numbers["ann"], start, limit)
        return [person.id for person in found], more

    order = [twins[0], place.numbers["bob"], twins[1], *(place.numbers[name] for name in ("cyd", "dan", "eve", "fay", "gus", "hal"))]
    assert page(0, 9) == (order, False)
    assert page(0, 4) == (order[:4], True)
    assert page(4, 5) == (order[4:], False)
    assert page(8, 4) == (order[8:], False)
    assert page(9, 4) == page(10**30, 4) == ([], False)
    assert page(-3, 4) == page(0, 4)


def test_people_are_searched_within_the_rules_alone(place: Place) -> None:
    def search(words: str, rules: dict[str, list[str]]) -> str:
        found, _ = place.run(contact_rules.page, place.settings(rules), place.numbers["ann"], 0, 9, words)
        return "".join(place.names[person.id][0] for person in found)

    assert search("BO", {"*": ["everyone"]}) == "b"
    assert search("x gu", {"*": ["everyone"]}) == "g"
    assert search("bob", {"*": ["staff"]}) == search("ivy", {"*": ["everyone"]}) == ""
    assert search("  ", {"*": ["staff"]}) == "def"
    with pytest.raises(Invalid, match="query"):
        search("b", {"*": ["everyone"]})


def test_statements(place: Place) -> None:
    settings = place.settings({"*": ["same_school", "same_group", "staff"]})
    with counted(place.store) as statements:
        place.run(contact_rules.page, settings, place.numbers["ann"], 0, 9)
    assert len(statements) == 2
    with counted(place.store) as statements:
        place.run(contact_rules.permitted, settings, place.numbers["ann"], range(1, 501))
    assert len(statements) == 2
