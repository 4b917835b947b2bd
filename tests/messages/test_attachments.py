"""Attachments and their links: contract section 1.3 and 1.4 rows 1, 2, 5, 9, 15; design section 1.5 (guessed links)."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from postroom.clock import DAY, HOUR
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import attachments, drafts
from postroom.messages.attachments import clean_filename
from postroom.messages.records import Attachment, NewAttachment
from postroom.storage.tables import attachments as rows
from tests.messages.conftest import NOW, Office
from tests.support import counted


def attach(
    office: Office, message_id: int, filename: str = "plan.pdf", content_type: str = "", description: str = "", key: str = "key"
) -> int:
    new = NewAttachment(blob_key=key, filename=filename, content_type=content_type, size=5, description=description)
    return office.run(attachments.add, office.author, message_id, new, NOW)


def get(office: Office, attachment_id: int) -> Attachment:
    return office.run(attachments.get, office.author, attachment_id)


def signature(office: Office, attachment: Attachment) -> str:
    return attachments.link_path(office.store.vault, attachment).split("/")[3]


def fetch(office: Office, attachment_id: int, signed: str, now: int = NOW) -> Attachment:
    return office.run(attachments.by_link, office.store.vault, attachment_id, signed, now)


def test_an_attachment_is_kept_as_it_was_given(office: Office) -> None:
    message_id = office.draft()
    attachment = get(office, attach(office, message_id, "plan żółty.pdf", "application/PDF; x=1", "the plan"))
    assert (attachment.filename, attachment.content_type, attachment.size, attachment.description) == (
        "plan żółty.pdf",
        "application/pdf",
        5,
        "the plan",
    )
    assert (attachment.message_id, attachment.expires_at, attachment.revoked_at) == (message_id, None, None)


@pytest.mark.parametrize(
    ("filename", "given_type", "expected"),
    [
        ("a.pdf", "", "application/pdf"),
        ("a.PDF", "", "application/pdf"),
        ("a.tar.gz", "", "application/gzip"),
        ("a", "", "application/octet-stream"),
        ("a.nothing-known", "", "application/octet-stream"),
        ("a.pdf", "text/plain", "text/plain"),
        ("a.pdf", "text/html\r\nX: y", "application/pdf"),
        ("a.pdf", "nonsense", "application/pdf"),
        ("a.pdf", "a/" + "b" * 200, "application/pdf"),
        ("data:text/html,x.", "", "application/octet-stream"),
    ],
)
def test_the_content_type_is_guessed_when_it_is_absent_or_unsafe(office: Office, filename: str, given_type: str, expected: str) -> None:
    """put_attachment, content_type: guessed if absent."""
    assert get(office, attach(office, office.draft(), filename, given_type)).content_type == expected


@pytest.mark.parametrize(
    ("given_name", "kept"), [("C:\\Users\\a\\b.txt", "b.txt"), ("../../etc/passwd", "passwd"), (" a.txt ", "a.txt"), ("ż" * 100, "ż" * 100)]
)
def test_file_names_lose_their_folders(given_name: str, kept: str) -> None:
    assert clean_filename(given_name) == kept


@pytest.mark.parametrize("bad", ["", " ", ".", "..", "a/", "a\r\nb", "a\0b", "a\u2028b", "invoice\u202efdp.exe", "\ud800"])
def test_unusable_file_names_are_refused(bad: str) -> None:
    with pytest.raises(Invalid) as caught:
        clean_filename(bad)
    assert caught.value.parameter == "filename"


@given(st.text(st.characters(), max_size=120))
def test_whatever_the_name_it_is_refused_or_safe(name: str) -> None:
    try:
        kept = clean_filename(name)
    except (Invalid, TooLarge):
        return
    assert 0 < len(kept) <= 100
    assert not set(kept) & set("/\\\r\n\0")


def test_limits_of_names_and_descriptions(office: Office) -> None:
    """filename ≤ 100, description ≤ 200 characters."""
    message_id = office.draft()
    for values, parameter, limit in (({"filename": "x" * 101}, "filename", 100), ({"description": "x" * 201}, "description", 200)):
        with pytest.raises(TooLarge) as caught:
            attach(office, message_id, **values)
        assert (caught.value.parameter, caught.value.limit) == (parameter, limit)
    with pytest.raises(Invalid):
        attach(office, message_id, description="two\nlines")
    attachment_id = attach(office, message_id, "x" * 100, description="ż" * 200)
    with pytest.raises(TooLarge):
        office.run(attachments.describe, office.author, attachment_id, "x" * 201, NOW)


def test_ten_attachments_and_no_more(office: Office) -> None:
    """put_attachment: attachment_limit_exceeded."""
    message_id = office.draft()
    numbers = [attach(office, message_id) for _ in range(10)]
    for unit in (lambda: attach(office, message_id), lambda: office.run(attachments.check_may_add, office.author, message_id)):
        with pytest.raises(WrongState, match="attachment_limit_exceeded"):
            unit()
    office.run(attachments.delete, office.author, numbers[:1], NOW)
    office.run(attachments.check_may_add, office.author, message_id)
    attach(office, message_id)


def test_ten_even_when_uploads_end_at_the_same_time(office: Office) -> None:
    message_id = office.draft()
    refused: list[WrongState] = []

    def upload() -> None:
        try:
            attach(office, message_id)
        except WrongState as error:
            refused.append(error)

    threads = [threading.Thread(target=upload) for _ in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(office.run(attachments.of_messages, [message_id])[message_id]) == 10
    assert [error.reason for error in refused] == ["attachment_limit_exceeded"] * 4


def test_only_own_drafts_take_and_change_attachments(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    attachment_id = attach(office, message_id)
    for number in (message_id + 1, 2**40, -1):
        with pytest.raises(NotFound) as caught:
            attach(office, number)
        assert caught.value.kind == "message"
    with pytest.raises(NotFound):
        office.run(attachments.check_may_add, office.other, message_id)
    for number in (attachment_id + 1, 2**40, 0):
        with pytest.raises(NotFound) as missing:
            office.run(attachments.describe, office.author, number, "x", NOW)
        assert (missing.value.kind, missing.value.key) == ("attachment", number)
    with pytest.raises(NotFound):
        office.run(attachments.describe, office.other, attachment_id, "x", NOW)
    office.run(attachments.describe, office.author, attachment_id, "new", NOW + 2)
    assert get(office, attachment_id).description == "new"
    assert office.get(message_id).modified_at == NOW + 2
    office.submit(message_id)
    for unit in (
        lambda: attach(office, message_id),
        lambda: office.run(attachments.check_may_add, office.author, message_id),
        lambda: office.run(attachments.describe, office.author, attachment_id, "late", NOW),
    ):
        with pytest.raises(WrongState, match="draft_required"):
            unit()


def test_only_attachments_of_own_drafts_are_deleted(office: Office) -> None:
    """delete_attachments: matched are those really deleted."""
    sent, draft = office.ready(emails=["a@x.example"]), office.draft()
    kept, first, second = attach(office, sent), attach(office, draft, key="k1"), attach(office, draft, key="k2")
    office.submit(sent)
    assert office.run(attachments.delete, office.other, [first, second], NOW) == ([], [])
    asked = [second, kept, 2**40, first, second]
    assert office.run(attachments.delete, office.author, asked, NOW + 1) == ([second, first], ["k2", "k1"])
    assert office.run(attachments.of_messages, [sent, draft]) == {sent: [get(office, kept)], draft: []}
    assert office.get(draft).modified_at == NOW + 1
    assert office.run(attachments.delete, office.author, asked, NOW) == ([], [])


def test_reading_many_takes_one_query(office: Office) -> None:
    numbers = [attach(office, office.draft()) for _ in range(5)]
    with counted(office.store) as statements:
        found = office.run(attachments.by_ids, office.author, [*numbers, 2**50])
    assert (sorted(found), len(statements)) == (numbers, 1)
    assert office.run(attachments.by_ids, office.other, numbers) == {}


def test_a_link_names_the_file_and_opens_for_whoever_holds_it(office: Office) -> None:
    attachment = get(office, attach(office, office.draft(), "a b/../ż ?#%.pdf"))
    path = attachments.link_path(office.store.vault, attachment)
    assert path.startswith(f"/links/{attachment.id}/")
    assert path.endswith("/%C5%BC%20%3F%23%25.pdf")
    assert fetch(office, attachment.id, signature(office, attachment), NOW + 400 * DAY) == attachment


def test_links_cannot_be_guessed(office: Office) -> None:
    """404 for a wrong signature, whatever the state of the attachment: only holders learn more."""
    attachment_id = attach(office, office.draft(), key="k1")
    other = get(office, attach(office, office.draft(), key="k2"))
    good = signature(office, get(office, attachment_id))
    wrong = ["", "x", good[:-1], good + "=", good.swapcase(), signature(office, other), "\ud800", "ż", "a\0"]
    for signed in wrong:
        with pytest.raises(NotFound):
            fetch(office, attachment_id, signed)
    for number in (other.id, attachment_id + 10, 0, -1, 2**31, 10**30):
        with pytest.raises(NotFound):
            fetch(office, number, good)


def test_a_link_never_leads_to_another_file_under_the_same_number(office: Office) -> None:
    attachment_id = attach(office, office.draft(), key="old")
    old = signature(office, get(office, attachment_id))
    office.run(lambda tx: tx.execute(update(rows).where(rows.c.id == attachment_id).values(blob_key="new")) and None)
    with pytest.raises(NotFound):
        fetch(office, attachment_id, old)


def test_the_life_of_a_link_counts_from_sending(office: Office) -> None:
    """attachments_lifetime: the time starts counting from the moment the message is sent."""
    message_id = office.ready(emails=["a@x.example"], attachments_lifetime=3)
    attachment_id = attach(office, message_id)
    office.submit(message_id, NOW + 5)
    attachment = get(office, attachment_id)
    assert attachment.expires_at == NOW + 5 + 3 * DAY
    signed = signature(office, attachment)
    assert fetch(office, attachment_id, signed, NOW + 4 + 3 * DAY).id == attachment_id
    with pytest.raises(WrongState, match="gone"):
        fetch(office, attachment_id, signed, NOW + 5 + 3 * DAY)


def test_a_file_in_the_mail_is_kept_for_its_last_try(office: Office) -> None:
    """A mail that is tried for five days cannot be sent without its parts, however short the life of links."""
    message_id = office.ready(emails=["a@x.example"], attachments_lifetime=1)
    link, part = attach(office, message_id), attach(office, message_id)
    office.run(lambda tx: tx.execute(update(rows).where(rows.c.id == part).values(disposition="attachment")))
    office.submit(message_id)
    assert get(office, link).expires_at == NOW + DAY
    assert (get(office, part).expires_at or 0) >= NOW + 5 * DAY + HOUR


def test_links_can_be_withdrawn(office: Office) -> None:
    message_id = office.ready(emails=["a@x.example"])
    attachment_id = attach(office, message_id)
    office.submit(message_id)
    signed = signature(office, get(office, attachment_id))
    for unknown in (0, attachment_id + 1, 2**31, -1):
        with pytest.raises(NotFound):
            office.run(attachments.revoke, unknown, NOW)
    blob_key = get(office, attachment_id).blob_key
    assert [office.run(attachments.revoke, attachment_id, now) for now in (NOW + 1, NOW + 2)] == [blob_key, None]
    assert get(office, attachment_id).revoked_at == NOW + 1
    with pytest.raises(WrongState, match="gone"):
        fetch(office, attachment_id, signed)


def test_links_of_deleted_drafts_lead_nowhere(office: Office) -> None:
    message_id = office.draft()
    attachment = get(office, attach(office, message_id))
    signed = signature(office, attachment)
    office.run(drafts.delete, office.author, [message_id], NOW)
    with pytest.raises(NotFound):
        fetch(office, attachment.id, signed)


def test_expired_attachments_are_retired_once(office: Office) -> None:
    """After this time attachments will be automatically deleted; drafts' never."""
    message_id = office.ready(emails=["a@x.example"], attachments_lifetime=1)
    numbers: Any = [attach(office, message_id, key=f"k{number}") for number in range(3)]
    attach(office, office.draft(), key="draft")
    office.submit(message_id)
    assert office.run(attachments.retire_expired, NOW + DAY - 1, 10) == []
    first = office.run(attachments.retire_expired, NOW + DAY, 2)
    second = office.run(attachments.retire_expired, NOW + DAY, 2)
    assert sorted(first + second) == ["k0", "k1", "k2"]
    assert office.run(attachments.retire_expired, NOW + 2 * DAY, 10) == []
    signed = signature(office, get(office, numbers[0]))
    with pytest.raises(WrongState, match="gone"):
        fetch(office, numbers[0], signed)
