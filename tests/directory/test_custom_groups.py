"""The rules of people's own groups (wire/usos.md §4.9; docs/usos.md, Notes on the directory)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from postroom.directory import contents, custom_groups, groups, people
from postroom.directory.people import NewPerson
from postroom.directory.references import References, Resolved
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000
NOTHING = References()


def person(tx: Tx, name: str = "Jan") -> int:
    return people.add(tx, NewPerson(first_name=name, last_name="Żak"), NOW)


def create(tx: Tx, owner: int, members: References = NOTHING) -> int:
    return custom_groups.create(tx, owner, "Group", members, strict=True, now=NOW)


def held(tx: Tx, group: int, viewer: int | None = None) -> contents.Contents:
    return contents.members(tx, [group], contents.PARTS, viewer, 100)[group]


def test_members_are_replaced_list_by_list(store: Store) -> None:
    def story(tx: Tx) -> None:
        jan, ewa = person(tx), person(tx, "Ewa")
        groups.create_primary(tx, "MAT", "Mathematics", None, NOW)
        inner = create(tx, jan)
        members = References(primary_group_codes=["MAT"], custom_group_ids=[inner, inner], user_ids=[ewa], emails=["a@x.example"])
        group = create(tx, jan, members)
        custom_groups.change(tx, jan, group, None, References(user_ids=[jan], emails=[]), strict=True, now=NOW + 1)
        found = held(tx, group, jan)
        assert [one.code for one in found.primary_groups] == ["MAT"]
        assert [one.id for one in found.custom_groups] == [inner]
        assert ([one.id for one in found.users], found.emails) == ([jan], [])

    store.database.write_now(story)


def test_only_the_owner_changes_and_deletes(store: Store) -> None:
    def story(tx: Tx) -> None:
        jan, ewa = person(tx), person(tx, "Ewa")
        group = create(tx, jan)
        with pytest.raises(NotFound) as missing:
            custom_groups.change(tx, ewa, group, "Hers", NOTHING, strict=True, now=NOW)
        assert missing.value.kind == "own_group"
        assert custom_groups.owned(tx, ewa, [group]) == []
        assert custom_groups.owned(tx, jan, [2**31, group, -1, group]) == [group]
        assert [one.name for one in custom_groups.of_owner(tx, jan)] == ["Group"]

    store.database.write_now(story)


def test_a_group_that_would_hold_itself_through_a_course_is_refused(store: Store) -> None:
    """Whatever lies between: here a course group, into which an import put it."""

    def story(tx: Tx) -> None:
        jan = person(tx)
        group, course = create(tx, jan), groups.create_course(tx, "ALG", "Algebra", NOW)
        groups.add_members(tx, course, subgroup_ids=[group])
        with pytest.raises(Invalid) as refused:
            custom_groups.change(tx, jan, group, None, References(custom_group_ids=[course]), strict=True, now=NOW)
        assert refused.value.parameter == "custom_group_ids"

    store.database.write_now(story)


def test_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_groups, "MAX_GROUPS", 2)

    def story(tx: Tx) -> None:
        jan, ewa = person(tx), person(tx, "Ewa")
        with pytest.raises(TooLarge):
            custom_groups.create(tx, jan, "x" * 101, NOTHING, strict=True, now=NOW)
        create(tx, jan)
        create(tx, jan)
        with pytest.raises(WrongState) as refused:
            create(tx, jan)
        assert refused.value.reason == "custom_group_limit_exceeded"
        create(tx, ewa)

    store.database.write_now(story)


def test_contents_leave_out_what_the_viewer_must_not_see(store: Store) -> None:
    """Other people's custom groups, and inactive people."""

    def story(tx: Tx) -> None:
        jan, ewa = person(tx), person(tx, "Ewa")
        gone = people.add(tx, NewPerson(first_name="Olga", last_name="Gone", active=False), NOW)
        hers = create(tx, ewa)
        course = groups.create_course(tx, "ALG", "Algebra", NOW)
        groups.add_members(tx, course, subgroup_ids=[hers], user_ids=[gone, ewa])
        assert ([one.id for one in held(tx, course, jan).custom_groups], [one.id for one in held(tx, course, jan).users]) == ([], [ewa])
        assert [one.id for one in held(tx, course, ewa).custom_groups] == [hers]

    store.database.write_now(story)


def test_contents_are_bounded_over_all_groups_together(store: Store) -> None:
    def story(tx: Tx) -> None:
        numbers = [groups.create_course(tx, f"C{number}", "Course", NOW) for number in range(600)]
        for number in numbers:
            groups.add_members(tx, number, emails=["a@x.example"])
        with counted(store) as statements:
            assert len(contents.members(tx, numbers, ["emails"], None, 600)) == 600
        assert len(statements) == 2  # 500 groups at a time
        with pytest.raises(TooLarge):
            contents.members(tx, numbers, ["emails"], None, 599)

    store.database.write_now(story)


def test_children_stand_by_code(store: Store) -> None:
    def story(tx: Tx) -> None:
        root = groups.create_primary(tx, "", "University", None, NOW)
        for code in ("PHY", "MAT", "BIO"):
            groups.create_primary(tx, code, code, "", NOW)
        assert [one.code for one in contents.children(tx, [root], 3)[root]] == ["BIO", "MAT", "PHY"]
        with pytest.raises(TooLarge):
            contents.children(tx, [root], 2)

    store.database.write_now(story)


def test_a_group_that_is_being_put_into_another_cannot_be_deleted_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both succeed, one after the other; on PostgreSQL the reference would else point to nothing."""
    jan = store.database.write_now(person)
    outer, inner = (store.database.write_now(create, jan) for _ in range(2))
    found = threading.Event()
    check = custom_groups._check_not_circular

    def slowly(tx: Tx, group_id: int, resolved: Resolved) -> None:
        check(tx, group_id, resolved)
        found.set()
        time.sleep(0.3)

    def put(tx: Tx) -> None:
        custom_groups.change(tx, jan, outer, None, References(custom_group_ids=[inner]), strict=True, now=NOW)

    monkeypatch.setattr(custom_groups, "_check_not_circular", slowly)
    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(store.database.write_now, put)
        assert found.wait(10)
        store.database.write_now(custom_groups.delete_owned, [inner])
        putting.result(10)
    assert store.database.read_now(held, outer, jan).custom_groups == []


def test_a_group_that_was_deleted_meanwhile_is_not_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else was quicker; nothing is left of either."""
    jan = store.database.write_now(person)
    group = store.database.write_now(create, jan)
    monkeypatch.setattr(custom_groups, "owned", lambda _tx, _owner, ids: list(ids))
    store.database.write_now(custom_groups.delete_owned, [group])
    with pytest.raises(NotFound) as missing:
        store.database.write_now(
            lambda tx: custom_groups.change(tx, jan, group, "New", References(emails=["a@x.example"]), strict=True, now=NOW)
        )
    assert missing.value.kind == "own_group"


def test_of_two_changes_at_once_that_make_a_circle_one_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is right by itself; on PostgreSQL neither would see the other."""
    jan = store.database.write_now(person)
    pair = [store.database.write_now(create, jan) for _ in range(2)]
    check = custom_groups._check_not_circular

    def slowly(tx: Tx, group_id: int, resolved: Resolved) -> None:
        check(tx, group_id, resolved)
        time.sleep(0.3)

    def put(outer: int, inner: int) -> bool:
        members = References(custom_group_ids=[inner])
        try:
            store.database.write_now(lambda tx: custom_groups.change(tx, jan, outer, None, members, strict=True, now=NOW))
        except Invalid:
            return False
        return True

    monkeypatch.setattr(custom_groups, "_check_not_circular", slowly)
    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(put, pair, reversed(pair)))
    assert done == [False, True]
