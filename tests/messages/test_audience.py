"""The recipients group: contract section 1.4 rows 11 and 17, section 4.4."""

from typing import Any

import pytest

from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import audience
from postroom.messages.records import Audience, AudienceChange
from tests.messages.conftest import NOW, Office
from tests.support import counted


def test_each_list_replaces_itself_and_leaves_the_others(office: Office) -> None:
    """All lists are optional, default unchanged; an empty one clears."""
    root = office.group("primary", code="")
    custom, course = office.group(owner=office.author), office.group("course", code="MAT-1")
    message_id = office.draft()
    office.audience(
        message_id,
        primary_group_codes=[""],
        custom_group_ids=[course, custom],
        user_ids=[office.other, office.author],
        emails=["b@x.example"],
    )
    found = office.run(audience.get, message_id)
    assert [group.id for group in found.primary_groups] == [root]
    assert [group.id for group in found.custom_groups] == [course, custom]
    assert (found.user_ids, found.emails) == ([office.other, office.author], ["b@x.example"])
    office.audience(message_id, primary_group_codes=[], user_ids=[office.author])
    changed = office.run(audience.get, message_id)
    assert changed == Audience(primary_groups=[], custom_groups=found.custom_groups, user_ids=[office.author], emails=["b@x.example"])
    office.audience(message_id, custom_group_ids=[], user_ids=[], emails=[])
    assert office.run(audience.get, message_id) == Audience(primary_groups=[], custom_groups=[], user_ids=[], emails=[])


def test_repeated_entries_count_once_and_addresses_regardless_of_case(office: Office) -> None:
    message_id = office.draft()
    office.audience(message_id, user_ids=[office.other] * 3, emails=["A@x.example", "a@X.EXAMPLE", " a@x.example"])
    found = office.run(audience.get, message_id)
    assert (found.user_ids, found.emails) == ([office.other], ["A@x.example"])


@pytest.mark.parametrize("strict", [True, False])
def test_missing_references_are_errors_or_dropped(office: Office, strict: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """strict=true: object_not_found; strict=false drops silently. Foreign and impossible ones count as missing."""
    foreign, primary, gone = office.group(owner=office.other), office.group("primary", code="A"), office.person("Gone", active=False)
    message_id = office.draft()
    cases: list[tuple[str, str, list[Any]]] = [
        ("primary_group_codes", "primary_group", ["none", "a\0b", "\ud800", "ą"]),
        ("custom_group_ids", "custom_group", [foreign, primary, 999_999, 0, -1, 2**31, 10**30]),
        ("user_ids", "user", [gone, 999_999, 0, -1, 2**31, 10**30]),
    ]
    for name, kind, keys in cases:
        for key in keys:
            change = AudienceChange(**{name: [key]})
            if strict:
                with pytest.raises(NotFound) as caught:
                    office.run(audience.update, office.author, message_id, change, strict=True, now=NOW)
                assert (caught.value.kind, caught.value.key) == (kind, key)
            else:
                office.run(audience.update, office.author, message_id, change, strict=False, now=NOW)
    found = office.run(audience.get, message_id)
    assert found == Audience(primary_groups=[], custom_groups=[], user_ids=[], emails=[])
    assert (office.get(message_id).audience_version > 0) is not strict


def test_a_failed_change_changes_nothing(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    with pytest.raises(NotFound):
        office.audience(message_id, emails=["b@x.example"], user_ids=[999_999])
    assert office.run(audience.get, message_id).emails == ["a@x.example"]
    assert office.get(message_id).roll_valid(NOW)


@pytest.mark.parametrize(
    "bad", ["", "a", "a@", "@x.example", "a b@x.example", "a@x.example\r\nBcc: b@x.example", "a\0@x.example", "a@x.example|b"]
)
def test_malformed_addresses_are_refused_even_when_not_strict(office: Office, bad: str) -> None:
    """strict speaks of groups and users only (contract row 17); addresses are always checked (ours)."""
    message_id = office.draft()
    for strict in (True, False):
        with pytest.raises(Invalid) as caught:
            office.run(audience.update, office.author, message_id, AudienceChange(emails=["ok@x.example", bad]), strict=strict, now=NOW)
        assert caught.value.parameter == "emails"
        assert repr(bad) in caught.value.reason
    assert office.run(audience.get, message_id).emails == []


def test_lists_are_bounded(office: Office) -> None:
    message_id = office.draft()
    for name, value in (("primary_group_codes", "x"), ("custom_group_ids", 1), ("user_ids", 1), ("emails", "a@x.example")):
        with pytest.raises(TooLarge) as caught:
            office.audience(message_id, **{name: [value] * 10_001})
        assert (caught.value.parameter, caught.value.limit) == (name, 10_000)


def test_any_named_list_makes_the_roll_outdated(office: Office) -> None:
    """refresh_recipients must follow, even when the list is what it was before (ours)."""
    message_id = office.ready(emails=["a@x.example"])
    version = office.get(message_id).audience_version
    office.audience(message_id)
    assert office.get(message_id).roll_valid(NOW)
    office.run(audience.update, office.author, message_id, AudienceChange(emails=["a@x.example"]), strict=True, now=NOW + 3)
    after = office.get(message_id)
    assert (after.audience_version, after.modified_at) == (version + 1, NOW + 3)
    assert not after.roll_valid(NOW + 3)


def test_only_ones_own_drafts_have_a_recipients_group_that_changes(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"])
    for change in (AudienceChange(), AudienceChange(emails=[])):
        with pytest.raises(WrongState, match="draft_required"):
            office.run(audience.update, office.author, message_id, change, strict=True, now=NOW)
        with pytest.raises(NotFound):
            office.run(audience.update, office.other, message_id, change, strict=True, now=NOW)


def test_long_lists_take_few_statements(office: Office) -> None:
    message_id = office.draft()
    people = [office.person(f"P{number}") for number in range(20)]
    with counted(office.store) as few:
        office.audience(message_id, user_ids=people[:1])
    with counted(office.store) as many:
        office.audience(message_id, user_ids=people)
    assert len(few) == len(many)
    with counted(office.store) as reading:
        office.run(audience.get, message_id)
    assert len(reading) == 1
