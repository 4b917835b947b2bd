"""Drafts and the author's messages: contract section 1.4, rows 3, 4, 6, 7, 8, 16 and 18."""

from typing import Any

import pytest
from sqlalchemy import select

from postroom.errors import Forbidden, Invalid, NotFound, TooLarge, WrongState
from postroom.messages import attachments, audience, drafts
from postroom.messages.records import DraftChange, DraftContent, NewAttachment
from postroom.storage.tables import attachments as attachment_rows
from postroom.storage.tables import audience as audience_rows
from postroom.storage.tables import messages, recipients
from tests.messages.conftest import NOW, Office
from tests.support import counted

NOWHERE = [0, -1, 999_999, 2**31, 2**63, 10**30]
"""Numbers that no message has; the larger ones do not even fit a column."""


def test_a_new_draft_has_the_defaults_of_the_contract(office: Office) -> None:
    """create_message: everything is optional, 14 days, plain, no summary, no copy."""
    message = office.get(office.run(drafts.create, office.author, DraftContent(), NOW, "usos"))
    assert (message.subject, message.content, message.content_format, message.attachments_lifetime) == ("", "", "plain", 14)
    assert (message.send_summary, message.send_to_myself, message.from_address_id) == (False, False, None)
    assert (message.status, message.dialect, message.kind, message.created_at, message.modified_at) == (
        "draft",
        "usos",
        "message",
        NOW,
        NOW,
    )
    assert not message.roll_valid(NOW)


@pytest.mark.parametrize(
    ("values", "error", "parameter"),
    [
        ({"subject": "x" * 201}, TooLarge, "subject"),
        ({"content": "x" * 15_001}, TooLarge, "content"),
        ({"subject": "a\r\nBcc: x@y.example"}, Invalid, "subject"),
        ({"subject": "\ud800"}, Invalid, "subject"),
        ({"content": "a\0b"}, Invalid, "content"),
        ({"attachments_lifetime": 0}, Invalid, "attachments_lifetime"),
        ({"attachments_lifetime": -5}, Invalid, "attachments_lifetime"),
        ({"attachments_lifetime": 3_651}, Invalid, "attachments_lifetime"),
        ({"attachments_lifetime": 2**70}, Invalid, "attachments_lifetime"),
    ],
)
def test_bad_values_are_refused_in_new_and_in_changed_drafts(
    office: Office, values: dict[str, Any], error: type[Exception], parameter: str
) -> None:
    with pytest.raises(error) as caught:
        office.draft(**values)
    assert caught.value.parameter == parameter  # type: ignore[attr-defined]
    message_id = office.draft()
    with pytest.raises(error):
        office.run(drafts.update, office.author, message_id, DraftChange(**values), NOW)
    assert office.get(message_id).subject == "Hello"


def test_values_at_the_limits_are_kept_as_they_were_given(office: Office) -> None:
    message = office.get(office.draft(subject="😀" * 200, content="ą\n\t" * 5_000, attachments_lifetime=3_650))
    assert (message.subject, message.content, message.attachments_lifetime) == ("😀" * 200, "ą\n\t" * 5_000, 3_650)


def test_an_institutional_address_must_exist_and_be_assigned(office: Office) -> None:
    """create_message and update_message: object_not_found, object_forbidden with inst_address_unassigned."""
    mine, theirs = (
        office.address("office@uni.example", assigned_to=office.author),
        office.address("dean@uni.example", assigned_to=office.other),
    )
    message_id = office.draft(from_address_id=mine)
    for number in NOWHERE:
        with pytest.raises(NotFound) as missing:
            office.draft(from_address_id=number)
        assert (missing.value.kind, missing.value.key) == ("inst_address", number)
    office.revoke(theirs)
    for attempt in (lambda: office.draft(from_address_id=theirs), lambda: _change(office, message_id, from_address_id=theirs)):
        with pytest.raises(Forbidden, match="inst_address_unassigned"):
            attempt()
    office.revoke(mine)
    with pytest.raises(Forbidden):
        _change(office, message_id, from_address_id=mine)
    _change(office, message_id, subject="Other")  # a revoked address hinders sending, not writing
    assert office.get(message_id).from_address_id == mine
    _change(office, message_id, from_address_id=0)
    assert office.get(message_id).from_address_id is None


def test_an_update_changes_what_it_names_and_the_date(office: Office) -> None:
    """update_message: every value is 'unchanged' by default."""
    message_id = office.draft(send_summary=True)
    before = office.get(message_id)
    _change(office, message_id, now=NOW + 5)
    assert office.get(message_id) == before
    _change(office, message_id, now=NOW + 5, content="", send_summary=False)
    after = office.get(message_id)
    assert (after.subject, after.content, after.send_summary, after.modified_at, after.created_at) == ("Hello", "", False, NOW + 5, NOW)


def test_only_drafts_can_be_changed(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"])
    with pytest.raises(WrongState, match="draft_required"):
        _change(office, message_id, subject="Too late")
    with pytest.raises(WrongState, match="draft_required"):
        _change(office, message_id)


def test_messages_of_others_are_as_if_not_there(office: Office) -> None:
    """IDs of another user's messages are as if not there."""
    message_id = office.draft()
    units = [
        lambda number: office.run(drafts.get, office.other, number),
        lambda number: office.run(drafts.update, office.other, number, DraftChange(subject="x"), NOW),
        lambda number: office.run(drafts.copy, office.other, number, NOW),
    ]
    for unit in units:
        for number in [message_id, *NOWHERE]:
            with pytest.raises(NotFound) as caught:
                unit(number)
            assert (caught.value.kind, caught.value.key) == ("message", number)
    assert office.run(drafts.by_ids, office.other, [message_id, *NOWHERE]) == {}
    assert office.run(drafts.delete, office.other, [message_id, *NOWHERE], NOW).matched == []
    assert office.get(message_id).subject == "Hello"


def test_a_copy_has_everything_but_attachments_and_roll(office: Office) -> None:
    """copy_message: status draft, no attachments; the roll must be refreshed (ours)."""
    address = office.address("office@uni.example", assigned_to=office.author)
    source = office.draft(from_address_id=address, content_format="html", send_summary=True, send_to_myself=True, attachments_lifetime=90)
    office.audience(source, emails=["b@x.example", "a@x.example"], user_ids=[office.other])
    office.run(attachments.add, office.author, source, NewAttachment(blob_key="k", filename="f", content_type="", size=1), NOW)
    office.refresh(source)
    office.submit(source)
    office.revoke(address)
    copy = office.get(office.run(drafts.copy, office.author, source, NOW + 9))
    original = office.get(source)
    for name in (
        "subject",
        "content",
        "content_format",
        "from_address_id",
        "send_summary",
        "send_to_myself",
        "attachments_lifetime",
        "dialect",
    ):
        assert getattr(copy, name) == getattr(original, name)
    assert (copy.status, copy.created_at, copy.modified_at, copy.sent_at, copy.language) == ("draft", NOW + 9, NOW + 9, None, None)
    assert office.run(audience.get, copy.id) == office.run(audience.get, source)
    assert office.run(attachments.of_messages, [copy.id]) == {copy.id: []}
    assert office.roll(copy.id) == []
    assert not copy.roll_valid(NOW + 9)


def test_deleted_drafts_are_gone_with_everything_they_had(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    for key in ("one", "two"):
        office.run(attachments.add, office.author, message_id, NewAttachment(blob_key=key, filename="f", content_type="", size=1), NOW)
    kept = office.draft()
    deleted = office.run(drafts.delete, office.author, [999_999, message_id, message_id, 2**40], NOW)
    assert deleted.matched == [message_id]
    assert sorted(deleted.blob_keys) == ["one", "two"]
    for table in (recipients, audience_rows, attachment_rows):
        assert office.rows(table) == []
    assert [row.id for row in office.rows(messages)] == [kept]
    assert office.run(drafts.delete, office.author, [message_id], NOW).matched == []


def test_deleted_sent_messages_leave_the_list_and_nothing_else(office: Office) -> None:
    """delete_messages on messages that are on their way: delivery, recipients and links stay (ours)."""
    message_id = office.ready(emails=["a@x.example"])
    file = NewAttachment(blob_key="k", filename="f", content_type="", size=1)
    attachment_id = office.run(attachments.add, office.author, message_id, file, NOW)
    attachment = office.run(attachments.get, office.author, attachment_id)
    office.submit(message_id)
    deleted = office.run(drafts.delete, office.author, [message_id], NOW + 1)
    assert (deleted.matched, deleted.blob_keys) == ([message_id], [])
    with pytest.raises(NotFound):
        office.get(message_id)
    with pytest.raises(NotFound):
        office.run(attachments.get, office.author, attachment_id)
    assert office.run(drafts.of_author, office.author, None, None, 10) == []
    assert [row.state for row in office.rows(recipients)] == ["queued"]
    signature = attachments.link_path(office.store.vault, attachment).split("/")[3]
    assert office.run(attachments.by_link, office.store.vault, attachment_id, signature, NOW + 2).blob_key == "k"


def test_deletion_reports_matches_in_the_order_asked_for(office: Office) -> None:
    numbers = [office.draft() for _ in range(4)]
    asked = [numbers[2], numbers[0], numbers[3]]
    assert office.run(drafts.delete, office.author, asked, NOW).matched == asked


def test_lists_are_filtered_by_status_and_paged(office: Office) -> None:
    """Method user: messages with another status are left out."""
    first, second, third = office.draft(), office.sent(emails=["a@x.example"]), office.draft()
    office.run(drafts.create, office.other, DraftContent(), NOW, "usos")

    def listed(*arguments: Any) -> list[int]:
        return [message.id for message in office.run(drafts.of_author, office.author, *arguments)]

    assert listed(None, None, 10) == [first, second, third]
    assert listed({"draft"}, None, 10) == [first, third]
    assert listed({"pending", "error"}, None, 10) == [second]
    assert listed(set(), None, 10) == []
    assert listed(None, first, 1) == [second]
    assert listed(None, third, 10) == []
    assert listed(None, 2**70, 10) == []


def test_reading_many_messages_takes_one_query(office: Office) -> None:
    numbers = [office.draft() for _ in range(30)]
    with counted(office.store) as statements:
        found = office.run(drafts.by_ids, office.author, [*numbers, *NOWHERE])
    assert sorted(found) == numbers
    assert len(statements) == 1


def test_a_summary_report_is_nobodys_message(office: Office) -> None:
    """Reports have no author, so they appear in no author's list."""
    message_id = office.draft(send_summary=True)
    office.audience(message_id, user_ids=[office.person("Nobody")])
    office.refresh(message_id)
    office.submit(message_id)
    assert [message.id for message in office.run(drafts.of_author, office.author, None, None, 10)] == [message_id]
    kinds = office.run(lambda tx: list(tx.execute(select(messages.c.kind).order_by(messages.c.id)).scalars()))
    assert kinds == ["message", "summary"]


def _change(office: Office, message_id: int, now: int = NOW, **values: Any) -> None:
    office.run(drafts.update, office.author, message_id, DraftChange(**values), now)
