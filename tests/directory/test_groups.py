"""Groups of three kinds, their members, and who is reached through them (design §3; wire/usos.md §4.8, §4.9)."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, literal, select

from postroom.directory import groups, people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import group_members
from postroom.storage.tables import groups as group_rows
from tests.support import counted

NOW = 1_700_000_000_000
BEYOND = 2**31


def person(tx: Tx, name: str = "Jan") -> int:
    return people.add(tx, NewPerson(first_name=name, last_name="Żak"), NOW)


def reached(tx: Tx, *start: int) -> set[int]:
    found = groups.reachable(select(group_rows.c.id).where(group_rows.c.id.in_(start)))
    numbers = list(tx.execute(select(found.c.id)).scalars())
    assert len(numbers) == len(set(numbers))
    return set(numbers)


def members(tx: Tx, group_id: int) -> set[tuple[int | None, int | None, str | None]]:
    table = group_members.c
    rows = tx.execute(select(table.user_id, table.subgroup_id, table.email).where(table.group_id == group_id)).all()
    assert len(rows) == len(set(rows))
    return {tuple(row) for row in rows}


def in_store(store: Store, story: Callable[[Tx], None]) -> None:
    store.database.write_now(story)


def test_primary_groups_form_a_tree_whose_root_has_the_empty_code(store: Store) -> None:
    def story(tx: Tx) -> None:
        root = groups.create_primary(tx, "", "University", None, NOW)
        faculty = groups.create_primary(tx, "MAT", "Mathematics", "", NOW)
        found = groups.primary_by_codes(tx, ["", "MAT", "none", "bad\0code"])
        assert (found[""].id, found["MAT"].id, found["MAT"].parent_id, len(found)) == (root, faculty, root, 2)

    in_store(store, story)


@pytest.mark.parametrize("code", ["MA", "MAT", "PHY.X", "MAT.Ż", "MAT.\n", "MAT.A|B", "MAT." + "x" * 100])
def test_the_code_of_a_primary_group_is_printable_ascii_that_extends_its_parents(store: Store, code: str) -> None:
    def story(tx: Tx) -> None:
        groups.create_primary(tx, "MAT", "Mathematics", None, NOW)
        with pytest.raises(Invalid):
            groups.create_primary(tx, code, "Institute", "MAT", NOW)

    in_store(store, story)


def test_a_primary_group_needs_an_existing_parent_and_a_free_code(store: Store) -> None:
    def story(tx: Tx) -> None:
        with pytest.raises(NotFound) as missing:
            groups.create_primary(tx, "MAT", "Mathematics", "", NOW)
        assert (missing.value.kind, missing.value.key) == ("primary_group", "")
        groups.create_primary(tx, "", "University", None, NOW)
        with pytest.raises(Invalid):
            groups.create_primary(tx, "", "University", None, NOW)

    in_store(store, story)


def test_names_of_groups_are_one_line_of_200_characters(store: Store) -> None:
    def story(tx: Tx) -> None:
        for name in ("", "  ", "a\nb", "a\u2028b"):
            with pytest.raises(Invalid):
                groups.create_course(tx, "C", name, NOW)
        with pytest.raises(TooLarge):
            groups.create_course(tx, "C", "x" * 201, NOW)
        with pytest.raises(NotFound):
            groups.create_custom(tx, 999, "Mine", NOW)

    in_store(store, story)


def test_other_peoples_custom_groups_are_as_if_not_there(store: Store) -> None:
    def story(tx: Tx) -> None:
        owner, other = person(tx), person(tx)
        found = groups.by_ids(tx, [groups.create_custom(tx, owner, "Mine", NOW), groups.create_course(tx, "C", "Course", NOW), BEYOND, -1])
        custom, course = found.values()
        assert groups.usable_by(custom, owner)
        assert not groups.usable_by(custom, other)
        assert groups.usable_by(course, other)

    in_store(store, story)


def test_by_ids_is_one_query(store: Store) -> None:
    with counted(store) as statements:
        store.database.read_now(groups.by_ids, range(1, 500))
    assert len(statements) == 1


def test_groups_are_reached_through_members_and_down_the_tree_in_circles_too(store: Store) -> None:
    def story(tx: Tx) -> None:
        owner = person(tx)
        root = groups.create_primary(tx, "", "University", None, NOW)
        faculty = groups.create_primary(tx, "MAT", "Mathematics", "", NOW)
        institute = groups.create_primary(tx, "MAT.ALG", "Algebra", "MAT", NOW)
        first, second, third, alone = (groups.create_custom(tx, owner, name, NOW) for name in "abcd")
        groups.add_members(tx, first, subgroup_ids=[second])
        groups.add_members(tx, second, subgroup_ids=[third, faculty])
        groups.add_members(tx, third, subgroup_ids=[first, third])
        assert reached(tx, root) == {root, faculty, institute}
        assert reached(tx, institute) == {institute}  # never upwards
        assert reached(tx, first) == reached(tx, third) == {first, second, third, faculty, institute}
        assert reached(tx, alone) == {alone}
        assert reached(tx, alone, institute) == {alone, institute}
        assert reached(tx) == set()

    in_store(store, story)


def test_reachable_takes_any_select_of_one_column_and_is_one_query(store: Store) -> None:
    def story(tx: Tx) -> None:
        found = groups.reachable(select(literal(7)))
        assert tx.execute(select(func.count()).select_from(found)).scalar_one() == 1

    with counted(store) as statements:
        in_store(store, story)
    assert len(statements) == 1


def test_a_deep_chain_of_groups_is_followed_to_its_end(store: Store) -> None:
    def story(tx: Tx) -> None:
        chain = [groups.create_course(tx, f"C{index}", "Course", NOW) for index in range(300)]
        for above, below in zip(chain, [*chain[1:], chain[0]], strict=True):
            groups.add_members(tx, above, subgroup_ids=[below])
        assert reached(tx, chain[150]) == set(chain)

    in_store(store, story)


def test_members_are_kept_once_whatever_the_case_of_their_address(store: Store) -> None:
    def story(tx: Tx) -> None:
        group, other, someone = groups.create_course(tx, "A", "A", NOW), groups.create_course(tx, "B", "B", NOW), person(tx)
        for address in ("Jan@Example.EDU", "jan@example.edu"):
            groups.add_members(tx, group, user_ids=[someone, someone], subgroup_ids=[other], emails=[address, address.upper()])
        assert members(tx, group) == {(someone, None, None), (None, other, None), (None, None, "Jan@example.edu")}

    in_store(store, story)


def test_members_must_exist(store: Store) -> None:
    def story(tx: Tx) -> None:
        group = groups.create_course(tx, "A", "A", NOW)
        groups.add_members(tx, group, emails=["a@b.pl"])
        for wrong in ({"user_ids": [999]}, {"user_ids": [BEYOND]}, {"subgroup_ids": [999]}, {"subgroup_ids": [-1]}):
            with pytest.raises(NotFound):
                groups.add_members(tx, group, **wrong)
        with pytest.raises(Invalid):
            groups.add_members(tx, group, emails=["no address"])
        with pytest.raises(NotFound):
            groups.add_members(tx, BEYOND, emails=["a@b.pl"])
        assert members(tx, group) == {(None, None, "a@b.pl")}

    in_store(store, story)


def test_adding_many_members_takes_a_constant_number_of_statements(store: Store) -> None:
    def story(tx: Tx) -> None:
        group = groups.create_course(tx, "A", "A", NOW)
        numbers = [person(tx) for _ in range(50)]
        with counted(store) as statements:
            groups.add_members(tx, group, user_ids=numbers, emails=["a@b.pl", "c@d.pl"])
        assert len(statements) == 4  # the group, the people, two inserts

    in_store(store, story)
