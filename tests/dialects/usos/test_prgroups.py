"""services/prgroups: the tree of primary groups (wire/usos.md §4.8; docs/usos.md, The directory)."""

import pytest

from postroom import clock
from postroom.directory import groups
from tests.dialects.usos.callers import admin, ask_admin, consumer, error
from tests.dialects.usos.conftest import Installation
from tests.support import counted

LEVELS = "id|subgroups[id|subgroups[id|subgroups]]"


@pytest.fixture
def tree(usos: Installation) -> Installation:
    """A university, two faculties, an institute; Jan is in the institute, Anna in a faculty."""
    write, now = usos.store.database.write_now, clock.now()
    write(groups.create_primary, "", "University", None, now)
    write(groups.create_primary, "PHY", "Physics", "", now)
    faculty = write(groups.create_primary, "MAT", "Mathematics", "", now)
    institute = write(groups.create_primary, "MAT.ALG", "Algebra", "MAT", now)
    write(lambda tx: groups.add_members(tx, institute, user_ids=[usos.jan]))
    write(lambda tx: groups.add_members(tx, faculty, user_ids=[usos.anna]))
    return usos


def test_a_group_with_the_default_fields(tree: Installation) -> None:
    """§4.8: default id|name; the root has the empty string as its ID."""
    assert tree.ask("prgroups/primary_group", primary_group_id="MAT") == {"id": "MAT", "name": "Mathematics"}
    assert tree.ask("prgroups/primary_group", primary_group_id="") == {"id": "", "name": "University"}
    assert consumer(tree, "prgroups/primary_group", primary_group_id="PHY").json() == {"id": "PHY", "name": "Physics"}


def test_the_tree_is_walked_up_and_down(tree: Installation) -> None:
    whole = tree.ask("prgroups/primary_group", primary_group_id="", fields=LEVELS)
    algebra = {"id": "MAT.ALG", "subgroups": []}
    assert whole == {"id": "", "subgroups": [{"id": "MAT", "subgroups": [algebra]}, {"id": "PHY", "subgroups": []}]}
    up = tree.ask("prgroups/primary_group", primary_group_id="MAT.ALG", fields="parent[id|parent[name|parent]]")
    assert up == {"parent": {"id": "MAT", "parent": {"name": "University", "parent": None}}}


@pytest.mark.parametrize("code", ["NONE", "mat", "ą", "MAT\n"])
def test_a_group_that_is_not_there(tree: Installation, code: str) -> None:
    body = tree.refused("prgroups/primary_group", primary_group_id=code)
    assert (body["error"], body["param_name"]) == ("object_not_found", "primary_group_id")


def test_arguments_that_are_wrong(tree: Installation) -> None:
    assert error(tree.send("prgroups/primary_group")) == (400, "param_missing", "primary_group_id")
    assert error(tree.send("prgroups/primary_group", primary_group_id="x" * 101)) == (400, "param_invalid", "primary_group_id")
    assert error(tree.send("prgroups/primary_groups")) == (400, "param_missing", "primary_group_ids")
    many = "|".join(f"G{number}" for number in range(501))
    assert error(tree.send("prgroups/primary_groups", primary_group_ids=many)) == (400, "param_invalid", "primary_group_ids")
    assert error(tree.send("prgroups/primary_group", primary_group_id="MAT", fields="members")) == (400, "field_not_found", "members")
    assert error(tree.send("prgroups/user", fields="subgroups")) == (400, "field_invalid", "subgroups")


def test_several_groups_are_a_dictionary(tree: Installation) -> None:
    answer = tree.ask("prgroups/primary_groups", primary_group_ids="PHY|NONE|MAT", fields="name|subgroups")
    assert answer == {
        "PHY": {"name": "Physics", "subgroups": []},
        "NONE": None,
        "MAT": {"name": "Mathematics", "subgroups": [{"id": "MAT.ALG", "name": "Algebra"}]},
    }
    assert tree.ask("prgroups/primary_groups", primary_group_ids="") == {}


def test_users_of_groups_are_for_administrative_consumers(tree: Installation) -> None:
    """§4.8: partial and full access exist; ours knows two kinds of consumers."""
    fields = "subgroups[id|users[first_name|email]]|users"
    answer = ask_admin(tree, "prgroups/primary_group", primary_group_id="MAT", fields=fields)
    assert answer == {
        "subgroups": [{"id": "MAT.ALG", "users": [{"first_name": "Jan", "email": "jan@uni.example"}]}],
        "users": [{"id": str(tree.anna), "first_name": "Anna", "last_name": "Żak"}],
    }
    for forbidden in ("users", "subgroups[users[id]]"):
        body = tree.send("prgroups/primary_group", primary_group_id="MAT", fields=forbidden).json()
        named = (body["error"], body["field_name"], body["method_name"], body["reason"])
        assert named == ("field_forbidden", "users", "services/prgroups/primary_group", "trusted_required")


def test_the_groups_of_a_user(tree: Installation) -> None:
    assert tree.ask("prgroups/user") == [{"id": "MAT.ALG", "name": "Algebra"}]
    assert ask_admin(tree, "prgroups/user", as_user_id=str(tree.anna), fields="id") == [{"id": "MAT"}]
    assert ask_admin(tree, "prgroups/user", as_user_id=str(tree.ewa)) == []
    assert error(consumer(tree, "prgroups/user")) == (401, "method_forbidden", "user_missing")
    assert error(admin(tree, "prgroups/user")) == (401, "method_forbidden", "user_missing")


def test_each_level_takes_one_statement(tree: Installation) -> None:
    """However many groups stand on it."""
    for code, fields, expected in (
        ("MAT", "id", 1),
        ("MAT", "parent", 2),
        ("MAT", "subgroups", 2),
        ("", "subgroups", 2),
        ("", "subgroups[subgroups]", 3),
    ):
        with counted(tree.store) as statements:
            tree.ask("prgroups/primary_group", primary_group_id=code, fields=fields)
        assert len(statements) == 3 + expected
