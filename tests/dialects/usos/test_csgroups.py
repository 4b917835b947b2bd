"""services/csgroups: groups of users' own (wire/usos.md §4.9; docs/usos.md, The directory)."""

from collections.abc import Callable
from typing import Any

import pytest

from postroom import clock
from postroom.directory import groups
from postroom.settings import UsosSettings
from tests.dialects.usos.callers import ask_admin, consumer, error, token
from tests.dialects.usos.conftest import Installation
from tests.support import counted

EVERYTHING = "id|name|primary_groups|custom_groups|users[id]|emails"


def make(usos: Installation, name: str = "Group", **parameters: str) -> str:
    answer = usos.ask("csgroups/create", name=name, **parameters)
    assert list(answer) == ["custom_group_id"]
    return str(answer["custom_group_id"])


def show(usos: Installation, group: str, fields: str = EVERYTHING, **parameters: Any) -> Any:
    return usos.ask("csgroups/custom_group", custom_group_id=group, fields=fields, **parameters)


def foreign(usos: Installation) -> str:
    """Make a group of Anna's."""
    number: int = usos.store.database.write_now(groups.create_custom, usos.anna, "Hers", clock.now())
    return str(number)


def course(usos: Installation, code: str = "ALG") -> int:
    number: int = usos.store.database.write_now(groups.create_course, code, "Course", clock.now())
    return number


def hold(usos: Installation, group: str | int, **members: list[Any]) -> None:
    """Put members in as an import does."""
    usos.store.database.write_now(lambda tx: groups.add_members(tx, int(group), **members))


@pytest.fixture
def faculty(usos: Installation) -> Installation:
    usos.store.database.write_now(groups.create_primary, "MAT", "Mathematics", None, clock.now())
    return usos


def test_a_group_of_everything(faculty: Installation) -> None:
    """§4.9: the same four lists and strict as update_recipients_group."""
    inner = make(faculty, "Inner")
    lists = {
        "primary_group_ids": "MAT",
        "custom_group_ids": inner,
        "user_ids": f"{faculty.anna}|{faculty.ewa}",
        "emails": "a@x.example|A@x.example",
    }
    group = make(faculty, " Rada ", **lists)
    assert show(faculty, group) == {
        "id": group,
        "name": "Rada",
        "primary_groups": [{"id": "MAT", "name": "Mathematics"}],
        "custom_groups": [{"id": inner, "name": "Inner"}],
        "users": [{"id": str(faculty.anna)}, {"id": str(faculty.ewa)}],
        "emails": ["a@x.example"],
    }
    assert faculty.ask("csgroups/custom_group", custom_group_id=group) == {"id": group, "name": "Rada"}


def test_a_group_of_nothing_but_a_name(usos: Installation) -> None:
    assert show(usos, make(usos), "primary_groups|custom_groups|users|emails") == {
        "primary_groups": [],
        "custom_groups": [],
        "users": [],
        "emails": [],
    }


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "n", "emails": "no address"}, "emails"),
        ({"name": "n", "strict": "perhaps"}, "strict"),
        ({"name": "n", "emails": "|".join(f"p{number}@x.example" for number in range(10_001))}, "emails"),
    ],
)
def test_create_within_limits(usos: Installation, parameters: dict[str, str], param: str) -> None:
    assert error(usos.send("csgroups/create", **parameters)) == (400, "param_invalid", param)
    assert usos.ask("csgroups/user") == []


def test_create_needs_a_name(usos: Installation) -> None:
    assert error(usos.send("csgroups/create", emails="a@x.example")) == (400, "param_missing", "name")


@pytest.mark.parametrize("param", ["primary_group_ids", "custom_group_ids", "user_ids"])
def test_members_must_exist_when_strict(usos: Installation, param: str) -> None:
    """Strict is the default; a call that is refused makes nothing."""
    body = usos.refused("csgroups/create", name="n", **{param: "999"})
    assert (body["error"], body["param_name"], body["method_name"]) == ("object_not_found", param, "services/csgroups/create")
    assert usos.ask("csgroups/user") == []
    group = make(usos, strict="false", emails="a@x.example", **{param: "999"})
    assert show(usos, group, "primary_groups|custom_groups|users") == {"primary_groups": [], "custom_groups": [], "users": []}
    assert error(usos.send("csgroups/update", custom_group_id=group, **{param: "999"})) == (400, "object_not_found", param)
    assert usos.ask("csgroups/update", custom_group_id=group, strict="false", **{param: "999"}) == {}


def test_update_leaves_what_is_absent_and_clears_what_is_empty(faculty: Installation) -> None:
    group = make(faculty, "Old", primary_group_ids="MAT", user_ids=str(faculty.anna), emails="a@x.example")
    assert faculty.ask("csgroups/update", custom_group_id=group, name="New") == {}
    assert show(faculty, group, "name|emails|users[id]") == {"name": "New", "emails": ["a@x.example"], "users": [{"id": str(faculty.anna)}]}
    inner = make(faculty)
    assert faculty.ask("csgroups/update", custom_group_id=group, emails="", user_ids=str(faculty.ewa), custom_group_ids=inner) == {}
    assert show(faculty, group) == {
        "id": group,
        "name": "New",
        "primary_groups": [{"id": "MAT", "name": "Mathematics"}],
        "custom_groups": [{"id": inner, "name": "Group"}],
        "users": [{"id": str(faculty.ewa)}],
        "emails": [],
    }


def test_update_that_is_refused_changes_nothing(usos: Installation) -> None:
    group = make(usos, "Name", emails="a@x.example")
    for parameters, expected in (
        ({"name": ""}, "param_invalid"),
        ({"name": "New", "emails": "bad"}, "param_invalid"),
        ({"name": "New", "emails": "", "user_ids": "999"}, "object_not_found"),
    ):
        assert usos.refused("csgroups/update", custom_group_id=group, **parameters)["error"] == expected
    assert show(usos, group, "name|emails") == {"name": "Name", "emails": ["a@x.example"]}


def test_a_group_cannot_hold_itself(usos: Installation) -> None:
    inner = make(usos)
    middle = make(usos, custom_group_ids=inner)
    outer = make(usos, custom_group_ids=middle)
    for held in (inner, middle, outer):
        assert error(usos.send("csgroups/update", custom_group_id=inner, custom_group_ids=held)) == (
            400,
            "param_invalid",
            "custom_group_ids",
        )
    assert show(usos, inner, "custom_groups") == {"custom_groups": []}
    assert usos.ask("csgroups/update", custom_group_id=outer, custom_group_ids=f"{inner}|{middle}") == {}


def test_other_peoples_groups_are_as_if_not_there(usos: Installation) -> None:
    """Neither seen nor changed, alone, in a list, or as a member."""
    hers = foreign(usos)
    hold(usos, hers, emails=["secret@x.example"])
    assert error(usos.send("csgroups/custom_group", custom_group_id=hers)) == (400, "object_not_found", "custom_group_id")
    assert usos.ask("csgroups/custom_groups", custom_group_ids=hers) == {hers: None}
    assert error(usos.send("csgroups/update", custom_group_id=hers, name="Mine")) == (400, "object_not_found", "custom_group_id")
    assert usos.ask("csgroups/delete", custom_group_ids=hers) == {"matched": []}
    assert error(usos.send("csgroups/create", name="n", custom_group_ids=hers)) == (400, "object_not_found", "custom_group_ids")
    mine = make(usos)
    hold(usos, mine, subgroup_ids=[int(hers)])
    assert show(usos, mine, "custom_groups[id|emails]") == {"custom_groups": []}
    assert ask_admin(usos, "csgroups/user", as_user_id=str(usos.anna), fields="name") == [{"name": "Hers"}]


def test_course_groups_are_seen_and_not_changed(usos: Installation) -> None:
    number = course(usos)
    hold(usos, number, user_ids=[usos.ewa])
    assert show(usos, str(number), "name|users[first_name]") == {"name": "Course", "users": [{"first_name": "Ewa"}]}
    assert error(usos.send("csgroups/update", custom_group_id=str(number), name="Mine")) == (400, "object_not_found", "custom_group_id")
    assert usos.ask("csgroups/delete", custom_group_ids=str(number)) == {"matched": []}
    assert show(usos, make(usos, custom_group_ids=str(number)), "custom_groups[name]") == {"custom_groups": [{"name": "Course"}]}


def test_primary_groups_are_no_custom_groups(faculty: Installation) -> None:
    """Their number is no ID here, though groups of all kinds share one series."""
    assert faculty.refused("csgroups/custom_group", custom_group_id="1")["error"] == "object_not_found"


def test_own_groups_are_listed_with_primary_fields(usos: Installation) -> None:
    """§4.9: a secondary field in csgroups/user is an error."""
    foreign(usos)
    names = ["Ż", "A"]
    numbers = [make(usos, name) for name in names]
    assert usos.ask("csgroups/user") == [{"id": number, "name": name} for number, name in zip(numbers, names, strict=True)]
    for field in ("primary_groups", "custom_groups", "users", "emails"):
        body = usos.refused("csgroups/user", fields=field)
        assert (body["error"], body["field_name"], body["method_name"]) == ("field_invalid", field, "services/csgroups/user")


def test_several_groups_are_a_dictionary(usos: Installation) -> None:
    first, second = make(usos, "1", emails="a@x.example"), make(usos, "2")
    answer = usos.ask("csgroups/custom_groups", custom_group_ids=f"{second}|x|{first}", fields="name|emails")
    assert answer == {second: {"name": "2", "emails": []}, "x": None, first: {"name": "1", "emails": ["a@x.example"]}}
    many = "|".join(map(str, range(1, 502)))
    assert error(usos.send("csgroups/custom_groups", custom_group_ids=many)) == (400, "param_invalid", "custom_group_ids")
    assert error(usos.send("csgroups/custom_groups")) == (400, "param_missing", "custom_group_ids")


def test_deleted_groups_are_gone_and_drafts_that_named_them_outdated(usos: Installation) -> None:
    """Contract §1.3: sending is refused while the list is outdated; the recipients group is not what it was."""
    group, other = make(usos, emails="a@x.example"), make(usos, emails="b@x.example")
    holder = make(usos, custom_group_ids=group)
    drafts = {}
    for named in (group, other):
        drafts[named] = usos.draft(subject="s", content="c")
        usos.ask("update_recipients_group", message_id=drafts[named], custom_group_ids=named)
        usos.ask("refresh_recipients", message_id=drafts[named])
    assert usos.ask("csgroups/delete", custom_group_ids=f"{group}|999|x") == {"matched": [group]}
    assert usos.refused("csgroups/custom_group", custom_group_id=group)["error"] == "object_not_found"
    assert show(usos, holder, "custom_groups") == {"custom_groups": []}
    assert usos.ask("recipients_group", message_id=drafts[group], fields="custom_groups") == {"custom_groups": []}
    assert usos.refused("send_message", message_id=drafts[group])["reason"] == "recipients_outdated"
    assert usos.ask("send_message", message_id=drafts[other]) == {}


def test_messages_that_were_sent_do_not_hear_of_a_deletion(usos: Installation) -> None:
    group = make(usos, emails="a@x.example")
    message_id = usos.draft(subject="s", content="c")
    usos.ask("update_recipients_group", message_id=message_id, custom_group_ids=group)
    usos.ask("refresh_recipients", message_id=message_id)
    usos.ask("send_message", message_id=message_id)
    before = usos.ask("message", message_id=message_id, fields="date|recipients_valid|recipients_count")
    usos.ask("csgroups/delete", custom_group_ids=group)
    assert usos.ask("message", message_id=message_id, fields="date|recipients_valid|recipients_count") == before


def test_changes_inside_of_a_group_leave_lists_valid(usos: Installation) -> None:
    """Contract §1.3: the frozen list does not follow the group."""
    group = make(usos, emails="a@x.example")
    message_id = usos.draft(subject="s", content="c")
    usos.ask("update_recipients_group", message_id=message_id, custom_group_ids=group)
    usos.ask("refresh_recipients", message_id=message_id)
    usos.ask("csgroups/update", custom_group_id=group, emails="b@x.example")
    assert usos.ask("send_message", message_id=message_id) == {}
    assert usos.ask("recipients", message_id=message_id, fields="email") == [{"email": "a@x.example"}]


def test_groups_need_the_scope_mailclient(usos: Installation, configured: Callable[..., Installation]) -> None:
    for method in ("create", "custom_group", "custom_groups", "delete", "update", "user"):
        assert error(consumer(usos, f"csgroups/{method}"))[2] == "user_missing"
        assert error(usos.send(f"csgroups/{method}", token(usos, usos.jan, "studies")))[2] == "scope_missing"
    strict = configured(usos=UsosSettings(administrative_mail=True))
    assert error(strict.send("csgroups/user"))[2] == "trusted_required"


def test_selectors_nest_as_deep_as_they_may_and_circles_end(usos: Installation) -> None:
    """An import can make a circle; the answer is as deep as the selector."""
    group = make(usos, "Round")
    hold(usos, group, subgroup_ids=[int(group)], emails=["a@x.example"])
    fields = "name"
    for _ in range(8):
        fields = f"emails|custom_groups[{fields}]"
    answer = show(usos, group, fields)
    for _ in range(8):
        assert answer["emails"] == ["a@x.example"]
        (answer,) = answer["custom_groups"]
    assert answer == {"name": "Round"}
    assert error(usos.send("csgroups/custom_group", custom_group_id=group, fields=f"custom_groups[{fields}]")) == (
        400,
        "param_invalid",
        "fields",
    )


def test_an_answer_that_would_grow_without_end_is_refused(usos: Installation) -> None:
    """Ten groups that hold each other: each further level is ten times as large."""
    ring = [make(usos, f"G{number}") for number in range(10)]
    for group in ring:
        hold(usos, group, subgroup_ids=[int(one) for one in ring])
    three = "custom_groups[custom_groups[custom_groups[id]]]"
    assert len(show(usos, ring[0], three)["custom_groups"]) == 10
    five = f"custom_groups[custom_groups[{three}]]"
    assert error(usos.send("csgroups/custom_group", custom_group_id=ring[0], fields=five)) == (400, "param_invalid", "fields")


def test_too_many_members_for_one_answer_are_refused(usos: Installation) -> None:
    group = make(usos)
    hold(usos, group, emails=[f"p{number}@x.example" for number in range(10_000)])
    assert error(usos.send("csgroups/custom_group", custom_group_id=group, fields="emails")) == (400, "param_invalid", "fields")
    assert show(usos, group, "name|users") == {"name": "Group", "users": []}


def test_users_of_primary_groups_stay_for_administrative_consumers(faculty: Installation) -> None:
    group = make(faculty, primary_group_ids="MAT")
    body = faculty.refused("csgroups/custom_group", custom_group_id=group, fields="primary_groups[users]", expecting=403)
    assert (body["error"], body["field_name"], body["method_name"]) == ("field_forbidden", "users", "services/prgroups/primary_group")


def test_addresses_of_users_in_groups_are_shown_to_whoever_may_see_them(usos: Installation) -> None:
    group = make(usos, user_ids=str(usos.anna))
    assert show(usos, group, "users[email]") == {"users": [{"email": None}]}
    seeing = token(usos, usos.jan, "mailclient", "other_emails")
    assert show(usos, group, "users[email]", token=seeing) == {"users": [{"email": "anna@uni.example"}]}


def test_a_user_has_at_most_a_thousand_groups(usos: Installation) -> None:
    def many(tx: Any) -> None:
        for number in range(1_000):
            groups.create_custom(tx, usos.jan, f"G{number}", clock.now())

    usos.store.database.write_now(many)
    assert error(usos.send("csgroups/create", name="n")) == (400, "object_invalid", "custom_group_limit_exceeded")
    assert len(usos.ask("csgroups/user", fields="id")) == 1_000


def test_each_level_takes_a_constant_number_of_statements(faculty: Installation) -> None:
    """However many groups and users a level has."""
    single = make(faculty, "One", custom_group_ids=make(faculty, user_ids=str(faculty.anna), primary_group_ids="MAT"))
    several = [make(faculty, user_ids=f"{faculty.jan}|{faculty.ewa}", primary_group_ids="MAT") for _ in range(20)]
    twenty = make(faculty, "Twenty", custom_group_ids="|".join(several))
    for fields, expected in (
        ("name", 1),
        ("users[email]|emails|custom_groups[name]", 2),
        ("custom_groups[users[id]|emails]", 3),
        ("custom_groups[users[id]|primary_groups[name|subgroups]]", 4),
    ):
        for group in (single, twenty):
            with counted(faculty.store) as statements:
                show(faculty, group, fields)
            assert len(statements) == 3 + expected
