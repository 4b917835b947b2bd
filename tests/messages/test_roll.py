"""The roll: design section 3, contract section 1.3 and 1.4 rows 10 and 12, section 4.3 and 4.5."""

import threading
from typing import Any

import pytest
from sqlalchemy import update

from postroom.clock import DAY
from postroom.errors import NotFound, WrongState
from postroom.messages import audience, drafts, roll
from postroom.messages.records import AudienceChange, RollCounts
from postroom.storage.tables import messages, users
from tests.messages.conftest import NOW, Office
from tests.support import counted


def addresses(office: Office, message_id: int, source: Any = "primary_only") -> list[tuple[int | None, str | None]]:
    return [(line.user_id, line.email) for line in office.refresh(message_id, source)]


def test_addresses_are_chosen_as_asked(office: Office) -> None:
    """Section 4.5, email_source; people without an address stay on the roll with none (4.3)."""
    both = office.person("Both", email="p@x.example", alt_email="s@x.example")
    primary, alternative, neither = (
        office.person("P", email="p2@x.example"),
        office.person("A", alt_email="s3@x.example"),
        office.person("N"),
    )
    message_id = office.draft()
    office.audience(message_id, user_ids=[neither, alternative, primary, both])
    expected: dict[Any, list[str | None]] = {
        "primary_only": ["p@x.example", "p2@x.example", None, None],
        "alt_only": ["s@x.example", None, "s3@x.example", None],
        "primary_preferred": ["p@x.example", "p2@x.example", "s3@x.example", None],
        "alt_preferred": ["s@x.example", "p2@x.example", "s3@x.example", None],
    }
    for source, emails in expected.items():
        assert addresses(office, message_id, source) == list(zip([both, primary, alternative, neither], emails, strict=True))
        count = sum(email is not None for email in emails)
        assert office.run(roll.counts, [message_id]) == {message_id: RollCounts(recipients=4, emails=count)}


def test_groups_are_expanded_to_the_bottom_even_in_circles(office: Office) -> None:
    """Groups may contain groups; expansion is safe against cycles; the tree of primary groups counts downwards."""
    people = [office.person(f"P{number}", email=f"p{number}@x.example") for number in range(6)]
    outer, inner = office.group(owner=office.author), office.group(owner=office.author)
    office.member(outer, subgroup=inner)
    office.member(inner, subgroup=outer)
    office.member(inner, user=people[0])
    office.member(inner, email="bare@x.example")
    faculty = office.group("primary", code="F")
    chair = office.group("primary", code="F-1", parent=faculty)
    course = office.group("course", code="C")
    office.member(faculty, user=people[1])
    office.member(chair, user=people[2])
    office.member(course, user=people[3])
    office.member(outer, subgroup=course)
    message_id = office.draft()
    office.audience(message_id, primary_group_codes=["F"], custom_group_ids=[outer], user_ids=[people[4]])
    found = addresses(office, message_id)
    assert found == [(person, f"p{number}@x.example") for number, person in enumerate(people[:5])] + [(None, "bare@x.example")]
    office.audience(message_id, primary_group_codes=["F-1"], custom_group_ids=[], user_ids=[])
    assert addresses(office, message_id) == [(people[2], "p2@x.example")]


def test_duplicates_merge_by_person_then_by_address(office: Office) -> None:
    """Design section 3; a bare address merges into the person who has it; two people never merge (ours)."""
    first = office.person("First", email="Shared@x.example", alt_email="first@x.example")
    second = office.person("Second", email="shared@X.example")
    group = office.group(owner=office.author)
    office.member(group, user=first)
    office.member(group, email="SHARED@x.example")
    office.member(group, email="Bare@x.example")
    message_id = office.draft()
    office.audience(
        message_id, custom_group_ids=[group], user_ids=[first, second], emails=["bare@x.example", "first@x.example", "a@x.example"]
    )
    people: list[tuple[int | None, str | None]] = [(first, "Shared@x.example"), (second, "shared@X.example")]
    found = addresses(office, message_id)
    assert found[:2] == people
    assert [(user, email.lower()) for user, email in found[2:] if email] == [
        (None, "a@x.example"),
        (None, "bare@x.example"),
        (None, "first@x.example"),
    ]
    merged = addresses(office, message_id, "alt_preferred")
    assert "first@x.example" not in [email for user, email in merged if user is None]


def test_inactive_people_are_no_recipients(office: Office) -> None:
    active, leaving = office.person("Active", email="a@x.example"), office.person("Leaving", email="b@x.example")
    message_id = office.draft()
    office.audience(message_id, user_ids=[active, leaving])
    office.run(lambda tx: tx.execute(update(users).where(users.c.id == leaving).values(active=False)) and None)
    assert addresses(office, message_id) == [(active, "a@x.example")]


def test_a_roll_is_frozen_until_it_is_refreshed(office: Office) -> None:
    """Section 1.3: the list is not refreshed by changes of the group, nor of groups in it."""
    group, course_member = office.group("course", code="C"), office.person("Late", email="late@x.example")
    message_id = office.draft()
    office.audience(message_id, custom_group_ids=[group], emails=["a@x.example"])
    assert addresses(office, message_id) == [(None, "a@x.example")]
    office.member(group, user=course_member)
    office.audience(message_id, emails=[])
    assert [(line.user_id, line.email) for line in office.roll(message_id)] == [(None, "a@x.example")]
    assert addresses(office, message_id) == [(course_member, "late@x.example")]
    assert office.get(message_id).roll_valid(NOW)


def test_a_roll_is_valid_for_less_than_24_hours(office: Office) -> None:
    message = office.get(office.ready(emails=["a@x.example"]))
    assert message.roll_valid(NOW + DAY - 1)
    assert not message.roll_valid(NOW + DAY)


def test_an_empty_group_makes_an_empty_roll(office: Office) -> None:
    message_id = office.draft()
    assert addresses(office, message_id) == []
    assert office.run(roll.counts, [message_id, 999_999, 2**40]) == dict.fromkeys(
        [message_id, 999_999, 2**40], RollCounts(recipients=0, emails=0)
    )


def test_only_own_drafts_are_refreshed(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"])
    with pytest.raises(WrongState, match="draft_required"):
        office.refresh(message_id)
    for author, number in ((office.other, message_id), (office.author, 2**63), (office.author, -1)):
        with pytest.raises(NotFound):
            office.run(roll.refresh, author, number, "primary_only", NOW)
    assert len(office.roll(message_id)) == 1


def test_a_roll_for_another_version_of_the_group_is_refused(office: Office) -> None:
    """refresh_recipients: recipients_group_modified; the old roll stays."""
    message_id = office.ready(emails=["a@x.example"])
    seen = office.get(message_id).audience_version
    office.run(roll.refresh, office.author, message_id, "primary_only", NOW, expected_version=seen)
    office.audience(message_id, emails=["b@x.example"])
    with pytest.raises(WrongState, match="recipients_group_modified"):
        office.run(roll.refresh, office.author, message_id, "primary_only", NOW, expected_version=seen)
    assert [line.email for line in office.roll(message_id)] == ["a@x.example"]
    assert not office.get(message_id).roll_valid(NOW)


def test_a_group_that_changes_while_the_roll_is_made_spoils_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """refresh_recipients: 'recipients group has been modified concurrently', with two real connections. SQLite has one writer."""
    if office.store.database.dialect != "postgresql":
        message_id = office.ready(emails=["a@x.example"])
        assert office.get(message_id).roll_valid(NOW)
        return
    message_id = office.ready(emails=["a@x.example"])
    take_over = roll._take_over

    def change_meanwhile(*arguments: Any) -> None:
        change = AudienceChange(emails=["b@x.example"])
        thread = threading.Thread(
            target=office.run, args=(audience.update, office.author, message_id, change), kwargs={"strict": True, "now": NOW}
        )
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), "changing the group must not wait for the refresh"
        take_over(*arguments)

    monkeypatch.setattr(roll, "_take_over", change_meanwhile)
    with pytest.raises(WrongState, match="recipients_group_modified"):
        office.refresh(message_id)
    monkeypatch.undo()
    assert [line.email for line in office.roll(message_id)] == ["a@x.example"]
    assert not office.get(message_id).roll_valid(NOW)
    assert [line.email for line in office.refresh(message_id)] == ["b@x.example"]


def test_simultaneous_refreshes_changes_and_sendings_leave_one_whole_roll(office: Office) -> None:
    """Whatever the order, nobody stands on the roll twice, and nothing deadlocks."""
    message_id = office.ready(emails=[f"p{number}@x.example" for number in range(50)])
    failures: list[BaseException] = []

    def work(unit: Any, *arguments: Any) -> None:
        try:
            for _ in range(5):
                unit(*arguments)
        except WrongState as error:
            if error.reason not in {"recipients_group_modified", "recipients_outdated", "draft_required"}:
                failures.append(error)
        except BaseException as error:  # noqa: BLE001 - the test must hear of it
            failures.append(error)

    def change() -> None:
        office.audience(message_id, emails=[f"p{number}@x.example" for number in range(50)])

    jobs = [threading.Thread(target=work, args=(office.refresh, message_id)) for _ in range(3)]
    jobs += [threading.Thread(target=work, args=(change,)), threading.Thread(target=work, args=(office.submit, message_id))]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert failures == []
    assert sorted(line.email or "" for line in office.roll(message_id)) == sorted(f"p{number}@x.example" for number in range(50))


def test_a_draft_that_is_deleted_while_its_roll_is_made_goes_afterwards(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting waits for the refresh instead of running into a deadlock with it (PostgreSQL; SQLite has one writer)."""
    message_id = office.ready(emails=["a@x.example"])
    deleting = threading.Thread(target=office.run, args=(drafts.delete, office.author, [message_id], NOW))
    take_over, calls = roll._take_over, []

    def delete_meanwhile(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            deleting.start()
            deleting.join(0.3)
        take_over(*arguments)

    monkeypatch.setattr(roll, "_take_over", delete_meanwhile)
    office.run(roll.refresh, office.author, message_id, "primary_only", NOW)
    deleting.join(20)
    assert len(calls) == 1, "the refresh was not given up for a deadlock"
    with pytest.raises(NotFound):
        office.get(message_id)


def test_pages_follow_the_order_of_the_roll(office: Office) -> None:
    message_id = office.ready(emails=[f"p{number}@x.example" for number in range(5)], send_to_myself=True)
    office.submit(message_id)
    pages: list[list[str | None]] = []
    after: int | None = None
    while lines := office.run(roll.page, message_id, after, 2):
        pages.append([line.email for line in lines])
        after = lines[-1].id
    assert pages == [["p0@x.example", "p1@x.example"], ["p2@x.example", "p3@x.example"], ["p4@x.example"]]
    assert [line.role for line in office.roll(message_id, include_self=True)] == ["to"] * 5 + ["self"]


def test_counts_leave_out_the_copy_to_oneself_and_add_up(office: Office) -> None:
    """Design section 1.2: the counts always add up to the roll."""
    message_id = office.ready(emails=["a@x.example", "b@x.example"], user_ids=[office.person("None")], send_to_myself=True)
    assert office.run(roll.state_counts, message_id) == {"listed": 3}
    office.submit(message_id)
    assert office.run(roll.state_counts, message_id) == {"queued": 2, "suppressed": 1}
    assert office.run(roll.state_counts, message_id, include_self=True) == {"queued": 3, "suppressed": 1}
    assert office.run(roll.counts, [message_id])[message_id] == RollCounts(recipients=3, emails=2)


def test_a_refresh_takes_the_same_few_statements_for_one_and_for_many(office: Office) -> None:
    small, large = office.ready(emails=["a@x.example"]), office.ready(emails=[f"p{number}@x.example" for number in range(300)])
    lengths = []
    for message_id in (small, large):
        with counted(office.store) as statements:
            office.run(roll.refresh, office.author, message_id, "primary_only", NOW)
        lengths.append(len(statements))
    assert lengths[0] == lengths[1] <= 6


def test_a_refresh_is_a_change_of_the_draft(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    office.refresh(message_id, now=NOW + 7)
    message = office.get(message_id)
    assert (message.roll_refreshed_at, message.modified_at) == (NOW + 7, NOW + 7)
    assert office.run(lambda tx: tx.execute(update(messages).values(subject="x")).rowcount) == 1
    assert office.run(drafts.get, office.author, message_id).subject == "x"
