"""Sending and sending again: contract section 1.4 rows 13 and 14 with the conditions below the table; design section 1 and 3."""

import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from postroom.clock import DAY, HOUR
from postroom.errors import Forbidden, NotFound, WrongState
from postroom.messages import attachments, drafts, reports, roll, submission
from postroom.messages.records import DraftChange, NewAttachment
from postroom.storage import wakeup
from postroom.storage.tables import attempts, messages, recipients, users
from tests.messages.conftest import NOW, Office
from tests.support import counted


def retry(office: Office, message_id: int, now: int = NOW, language: Any = "en") -> None:
    office.run(submission.retry, office.settings, office.author, message_id, language, now)


def settle(office: Office, *message_ids: int, now: int = NOW) -> list[int]:
    return office.run(reports.settle, office.settings, message_ids, now)


def states(office: Office, message_id: int) -> dict[str, str]:
    return {line.email or "": line.state for line in office.roll(message_id, include_self=True)}


def test_sending_freezes_and_queues_the_roll(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example", "b@x.example"], user_ids=[office.person("None")])
    office.submit(message_id, NOW + 3)
    message = office.get(message_id)
    assert (message.status, message.language, message.sent_at, message.modified_at, message.settled_at) == (
        "pending",
        "en",
        NOW + 3,
        NOW + 3,
        None,
    )
    assert message.roll_valid(NOW + 300 * DAY)
    rows = office.rows(recipients)
    assert [(row.email, row.state, row.role, row.lane) for row in rows] == [
        (None, "suppressed", "to", "single"),
        ("a@x.example", "queued", "to", "single"),
        ("b@x.example", "queued", "to", "single"),
    ]
    assert (rows[0].reply_text, rows[0].settled_at, rows[0].due_at, rows[0].expires_at) == ("no address", NOW + 3, None, None)
    assert (rows[1].reply_text, rows[1].settled_at, rows[1].due_at, rows[1].expires_at) == (None, None, NOW + 3, NOW + 3 + 48 * HOUR)


def test_conditions_are_checked_in_a_fixed_order(office: Office) -> None:
    """All six conditions of send_message, each once everything before it holds (the order is ours)."""
    address = office.address("office@uni.example", assigned_to=office.author)
    message_id = office.draft(subject=" \u00a0", content="\n\t", from_address_id=address)
    office.revoke(address)

    def refusal() -> str:
        with pytest.raises((WrongState, Forbidden)) as caught:
            office.submit(message_id)
        return caught.value.reason  # type: ignore[no-any-return]

    assert refusal() == "subject_required"
    office.run(drafts.update, office.author, message_id, DraftChange(subject="S"), NOW)
    assert refusal() == "content_required"
    office.run(drafts.update, office.author, message_id, DraftChange(content="C"), NOW)
    assert refusal() == "recipients_outdated"
    office.refresh(message_id)
    assert refusal() == "recipients_required"
    office.audience(message_id, emails=["a@x.example"])
    assert refusal() == "recipients_outdated"
    office.refresh(message_id)
    assert refusal() == "inst_address_unassigned"
    assert office.get(message_id).status == "draft"
    assert [line.state for line in office.roll(message_id)] == ["listed"]
    office.run(drafts.update, office.author, message_id, DraftChange(from_address_id=0), NOW)
    office.submit(message_id)
    assert refusal() == "draft_required"


def test_a_roll_of_yesterday_is_outdated(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    with pytest.raises(WrongState, match="recipients_outdated"):
        office.submit(message_id, NOW + DAY)
    office.submit(message_id, NOW + DAY - 1)


def test_a_copy_to_oneself_does_not_make_a_roll(office: Office) -> None:
    """Recipients list not empty even when send_to_myself is true."""
    message_id = office.draft(send_to_myself=True)
    office.refresh(message_id)
    with pytest.raises(WrongState, match="recipients_required"):
        office.submit(message_id)


def test_only_the_author_sends(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    for author, number in ((office.other, message_id), (office.author, 2**40), (office.author, 0)):
        for unit in (submission.submit, submission.retry):
            with pytest.raises(NotFound):
                office.run(unit, office.settings, author, number, "pl", NOW)


def test_many_recipients_take_the_bulk_lane(office: Office) -> None:
    """Design section 1.4; the setting counts addresses."""
    bulk = office.sent(emails=[f"p{number}@x.example" for number in range(50)], send_to_myself=True)
    single = office.sent(emails=[f"p{number}@x.example" for number in range(49)], user_ids=[office.person("None")])
    assert {row.lane for row in office.rows(recipients, recipients.c.message_id == bulk)} == {"bulk"}
    assert {row.expires_at for row in office.rows(recipients, recipients.c.message_id == bulk)} == {NOW + 120 * HOUR}
    assert {row.lane for row in office.rows(recipients, recipients.c.message_id == single)} == {"single"}


def test_the_copy_to_oneself_goes_to_an_address_of_the_author(office: Office) -> None:
    """Primary, else alternative (ours); without any it is suppressed and hinders nothing."""
    message_id = office.sent(emails=["a@x.example"], send_to_myself=True)
    copy = office.roll(message_id, include_self=True)[-1]
    assert (copy.role, copy.user_id, copy.email, copy.state) == ("self", office.author, "anna@uni.example", "queued")
    for email, alternative, state in ((None, "anna@home.example", "queued"), (None, None, "suppressed")):
        values = {"email": email, "alt_email": alternative}
        office.run(lambda tx, values=values: tx.execute(update(users).where(users.c.id == office.author).values(values)) and None)
        copy = office.roll(office.sent(emails=["a@x.example"], send_to_myself=True), include_self=True)[-1]
        assert (copy.role, copy.email, copy.state) == ("self", alternative, state)


def test_a_roll_of_people_without_addresses_is_sent_to_nobody(office: Office) -> None:
    """The list is not empty, so send_message succeeds; nothing is left to wait for (ours)."""
    message_id = office.sent(user_ids=[office.person("None")])
    message = office.get(message_id)
    assert (message.status, message.settled_at) == ("sent", NOW)
    waiting = office.sent(user_ids=[office.person("None")], send_to_myself=True)
    assert office.get(waiting).status == "pending"


def test_of_two_simultaneous_sendings_one_wins(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"], send_to_myself=True)
    results: list[str] = []

    def send() -> None:
        try:
            office.submit(message_id)
            results.append("sent")
        except WrongState as error:
            results.append(error.reason)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(results) == {"sent": 1, "draft_required": 5}
    assert states(office, message_id) == {"a@x.example": "queued", "anna@uni.example": "queued"}


def test_sending_takes_the_same_few_statements_for_one_and_for_many(office: Office) -> None:
    lengths = []
    for count in (1, 300):
        message_id = office.ready(emails=[f"p{number}@x.example" for number in range(count)], send_to_myself=True, send_summary=True)
        with counted(office.store) as statements:
            office.submit(message_id)
        lengths.append(len(statements))
    assert lengths[0] == lengths[1] <= 13


def test_sending_wakes_the_workers(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(wakeup, "notify", lambda _tx: woken.append(True))
    message_id = office.sent(emails=["a@x.example"])
    office.outcome(message_id, "failed")
    settle(office, message_id)
    retry(office, message_id)
    assert len(woken) == 2


def test_retry_reaches_only_those_who_were_not_reached(office: Office) -> None:
    """retry_send_message; delivered, suppressed and cancelled recipients are never touched."""
    names = ["delivered", "failed", "expired", "cancelled"]
    message_id = office.sent(emails=[f"{name}@x.example" for name in names], user_ids=[office.person("None")], send_to_myself=True)
    office.outcome(message_id, "delivered")
    for name in names:
        office.outcome(message_id, name, email=f"{name}@x.example", reply="550 no")
    failed = office.rows(recipients, recipients.c.state == "failed")[0]
    row = {"recipient_id": failed.id, "at": NOW, "relay": "r", "outcome": "failed", "reply_code": 550, "reply_text": "no"}
    office.run(lambda tx: tx.execute(insert(attempts).values(row)) and None)
    office.run(lambda tx: tx.execute(update(recipients).where(recipients.c.id == failed.id).values(attempts=7, recoveries=2)) and None)
    untouched = {row.id: row for row in office.rows(recipients) if row.state not in {"failed", "expired"}}
    settle(office, message_id)
    assert office.get(message_id).status == "error"
    retry(office, message_id, NOW + 50, "pl")
    message = office.get(message_id)
    assert (message.status, message.language, message.settled_at, message.sent_at, message.modified_at) == (
        "pending",
        "pl",
        None,
        NOW,
        NOW + 50,
    )
    again = [row for row in office.rows(recipients) if row.id not in untouched]
    assert {row.email for row in again} == {"failed@x.example", "expired@x.example"}
    for row in again:
        assert (row.state, row.due_at, row.expires_at, row.attempts, row.recoveries) == ("queued", NOW + 50, NOW + 50 + 48 * HOUR, 0, 0)
        assert (row.reply_code, row.reply_text, row.settled_at) == (None, None, None)
    assert {row.id: row for row in office.rows(recipients) if row.id in untouched} == untouched
    assert len(office.rows(attempts)) == 1, "what happened stays written down"


def test_only_messages_in_error_are_sent_again(office: Office) -> None:
    """error_required for every other status."""
    draft, pending, sent = office.draft(), office.sent(emails=["a@x.example"]), office.sent(emails=["a@x.example"])
    office.outcome(sent, "delivered")
    settle(office, sent)
    for message_id in (draft, pending, sent):
        with pytest.raises(WrongState, match="error_required"):
            retry(office, message_id)


def test_retry_needs_the_institutional_address_still(office: Office) -> None:
    address = office.address("office@uni.example", assigned_to=office.author)
    message_id = office.sent(emails=["a@x.example"], from_address_id=address)
    office.outcome(message_id, "failed")
    settle(office, message_id)
    office.revoke(address)
    with pytest.raises(Forbidden, match="inst_address_unassigned"):
        retry(office, message_id)
    assert states(office, message_id) == {"a@x.example": "failed"}


def test_retry_with_nobody_to_send_to_changes_nothing(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"], send_summary=True)
    office.outcome(message_id, "cancelled")
    settle(office, message_id)
    before = office.rows(messages)
    retry(office, message_id, NOW + 9)
    assert office.rows(messages) == before


def test_links_live_anew_from_the_retry(office: Office) -> None:
    """Counted from the last sending (ours), so that whoever is reached late can still fetch the files; withdrawn links stay so."""
    message_id = office.ready(emails=["a@x.example"], attachments_lifetime=2)
    kept, withdrawn = (
        office.run(attachments.add, office.author, message_id, NewAttachment(blob_key=key, filename="f", content_type="", size=1), NOW)
        for key in "ab"
    )
    office.submit(message_id)
    office.run(attachments.revoke, withdrawn, NOW)
    office.outcome(message_id, "failed")
    settle(office, message_id)
    retry(office, message_id, NOW + 5 * DAY)
    found = office.run(attachments.by_ids, office.author, [kept, withdrawn])
    assert found[kept].expires_at == NOW + 7 * DAY
    assert (found[withdrawn].expires_at, found[withdrawn].revoked_at) == (NOW + 2 * DAY, NOW)


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ends=st.lists(st.sampled_from(["delivered", "failed", "expired", "cancelled", "suppressed"]), min_size=1, max_size=8),
    rounds=st.integers(1, 3),
)
def test_whatever_becomes_of_recipients_the_counts_add_up_to_the_roll(office: Office, ends: list[str], rounds: int) -> None:
    """Design section 1.2, through any number of retries; nobody who was reached is written to again."""
    office.run(lambda tx: tx.execute(delete(messages)) and None)
    message_id = office.sent(emails=[f"p{number}@x.example" for number in range(len(ends))])
    reached: set[str] = set()
    for _ in range(rounds):
        waiting = {email for email, state in states(office, message_id).items() if state == "queued"}
        assert not waiting & reached
        for number, end in enumerate(ends):
            if f"p{number}@x.example" in waiting:
                office.outcome(message_id, end, email=f"p{number}@x.example")
        reached |= {email for email, state in states(office, message_id).items() if state == "delivered"}
        settle(office, message_id)
        assert sum(office.run(roll.state_counts, message_id).values()) == len(ends)
        good = all(state == "delivered" for state in states(office, message_id).values())
        assert office.get(message_id).status == ("sent" if good else "error")
        if good:
            return
        retry(office, message_id)
