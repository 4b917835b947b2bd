"""Folders, threads, read and deleted: wire/schoology.md §1.1, §1.2, §7.1 (create, PUT, DELETE)."""

from typing import Any

import pytest
from sqlalchemy import text, update

from postroom.errors import NotFound
from postroom.messages import drafts, mailboxes, threads
from postroom.messages.records import DraftContent
from postroom.storage import bulk
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.messages.school import School
from tests.support import counted, plans


@pytest.fixture
def school(store: Store) -> School:
    return School(store)


def ids(lines: list[Any]) -> list[int]:
    return [line.message_id for line in lines]


def mark(school: School, user_id: int, thread_id: int, *, read: bool) -> None:
    school.now += 1
    school.run(mailboxes.mark, user_id, thread_id, read=read, now=school.now)


def delete(school: School, user_id: int, thread_id: int) -> None:
    school.now += 1
    school.run(mailboxes.delete, user_id, thread_id, school.now)


def test_a_folder_shows_each_thread_once_by_its_newest_message(school: School) -> None:
    one = school.write(school.author, school.other)
    two = school.write(school.author, school.other)
    assert ids(school.inbox(school.other)) == [two.message_id, one.message_id]
    back = school.answer(school.other, one.thread_id)
    more = school.answer(school.author, one.thread_id)
    assert [(line.thread_id, line.message_id) for line in school.inbox(school.other)] == [
        (one.thread_id, more.message_id),
        (two.thread_id, two.message_id),
    ]
    assert ids(school.sent_folder(school.author)) == [more.message_id, two.message_id]
    assert ids(school.inbox(school.author)) == ids(school.sent_folder(school.other)) == [back.message_id]
    assert ids(school.thread(school.other, one.thread_id)) == [one.message_id, back.message_id, more.message_id]


def test_a_page_is_cut_out_of_the_folder(school: School) -> None:
    made = [school.write(school.author, school.other).message_id for _ in range(5)]
    made.reverse()
    for folder, reader in (("inbox", school.other), ("sent", school.author)):

        def page(start: int, limit: int, folder: str = folder, reader: int = reader) -> tuple[list[int], bool]:
            lines, more = school.run(mailboxes.page, reader, folder, start, limit)
            return ids(lines), more

        assert page(0, 2) == (made[:2], True)
        assert page(2, 2) == (made[2:4], True)
        assert page(4, 2) == (made[4:], False)
        assert page(3, 2) == (made[3:], False)
        assert page(5, 2) == page(10**30, 2) == ([], False)
        assert page(-7, 2) == page(0, 2)


def test_messages_of_the_same_moment_keep_one_order(school: School) -> None:
    made = []
    for _ in range(3):
        school.now -= 1
        made.append(school.write(school.author, school.other).message_id)
    assert ids(school.inbox(school.other)) == ids(school.sent_folder(school.author)) == made[::-1]


def test_reading_is_of_the_whole_thread_and_unread_of_its_newest_message(school: School) -> None:
    one = school.write(school.author, school.other, school.third)
    two = school.answer(school.author, one.thread_id)
    assert (school.unread(school.other), school.unread(school.author)) == (1, 0)
    mark(school, school.other, one.thread_id, read=True)
    first_read = school.now
    assert [line.read for line in school.thread(school.other, one.thread_id)] == [True, True]
    assert (school.unread(school.other), school.unread(school.third)) == (0, 1)  # each for oneself
    mark(school, school.other, one.thread_id, read=False)
    assert [line.read for line in school.thread(school.other, one.thread_id)] == [True, False]
    assert (school.unread(school.other), school.inbox(school.other)[0].read) == (1, False)
    mark(school, school.other, one.thread_id, read=True)
    own = recipients.c.user_id == school.other
    assert [(row.message_id, row.read_at) for row in school.rows(recipients, own)] == [
        (one.message_id, first_read),
        (two.message_id, school.now),
    ]


def test_a_new_message_makes_a_read_thread_unread(school: School) -> None:
    one = school.write(school.author, school.other)
    mark(school, school.other, one.thread_id, read=True)
    school.answer(school.author, one.thread_id)
    assert school.unread(school.other) == 1
    assert [line.read for line in school.thread(school.other, one.thread_id)] == [True, False]


def test_ones_own_thread_can_be_marked_without_effect(school: School) -> None:
    """Wire §1.2: the sender may address the thread just created."""
    one = school.write(school.author, school.other)
    mark(school, school.author, one.thread_id, read=False)
    mark(school, school.author, one.thread_id, read=True)
    assert [line.read for line in school.thread(school.author, one.thread_id)] == [True]
    assert school.unread(school.other) == 1


def test_deleting_is_for_oneself_alone_and_in_both_folders(school: School) -> None:
    """Wire §1.1: deleting from sent does not un-send."""
    one = school.write(school.author, school.other, school.third)
    school.answer(school.other, one.thread_id)
    delete(school, school.author, one.thread_id)
    assert (school.inbox(school.author), school.sent_folder(school.author)) == ([], [])
    for unit, more in ((mailboxes.thread, ()), (mailboxes.delete, (1,))):
        with pytest.raises(NotFound) as caught:
            school.run(unit, school.author, one.thread_id, *more)
        assert (caught.value.kind, caught.value.key) == ("thread", one.thread_id)
    with pytest.raises(NotFound):
        mark(school, school.author, one.thread_id, read=True)
    with pytest.raises(NotFound):
        school.answer(school.author, one.thread_id)
    assert len(school.thread(school.third, one.thread_id)) == 2
    assert school.unread(school.other) == 0


def test_a_new_message_brings_a_deleted_thread_back_with_that_message_only(school: School) -> None:
    one = school.write(school.author, school.other)
    delete(school, school.other, one.thread_id)
    two = school.answer(school.author, one.thread_id)
    assert ids(school.inbox(school.other)) == ids(school.thread(school.other, one.thread_id)) == [two.message_id]
    assert school.unread(school.other) == 1


def test_one_never_sees_what_others_wrote_to_each_other(school: School) -> None:
    """Design 1.5; object-level access (wire §5.3, GHSA-ww45-x87c-wgff)."""
    one = school.write(school.author, school.other)
    before = school.rows(recipients)
    for number in (one.thread_id, 0, -1, 2**31, 10**30, 999):
        for unit, more in (
            (mailboxes.thread, {}),
            (mailboxes.mark, {"read": True, "now": 1}),
            (mailboxes.mark, {"read": False, "now": 1}),
            (mailboxes.delete, {"now": 1}),
        ):
            with pytest.raises(NotFound, match="thread"):
                school.run(unit, school.third, number, **more)
        with pytest.raises(NotFound, match="message"):
            school.run(mailboxes.delete_message, school.third, number, 1)
    assert school.rows(recipients) == before
    assert (school.inbox(school.third), school.sent_folder(school.third), school.unread(school.third)) == ([], [], 0)


def test_a_draft_is_in_no_folder(school: School) -> None:
    one = school.write(school.author, school.other)
    draft = school.run(drafts.create, school.other, DraftContent(in_reply_to=one.message_id), school.now, "usos")
    assert ids(school.thread(school.other, one.thread_id)) == [one.message_id]
    assert school.sent_folder(school.other) == []
    with pytest.raises(NotFound):
        school.run(mailboxes.thread, school.other, draft)


def test_of_a_mailing_each_sees_oneself_and_its_author_all(school: School) -> None:
    """Each recipient has a mail of their own: the others are none of their business."""
    mailing = school.mail(school.author, user_ids=[school.third, school.other], emails=["guest@x.example"])
    assert [line.recipient_ids for line in school.inbox(school.other)] == [[school.other]]
    assert [line.recipient_ids for line in school.thread(school.third, mailing)] == [[school.third]]
    assert [line.recipient_ids for line in school.sent_folder(school.author)] == [[school.other, school.third]]


def test_the_hidden_are_shown_to_the_author_and_to_themselves(school: School) -> None:
    one = school.write(school.author, school.other, school.third)
    hidden = update(recipients).where(recipients.c.user_id == school.third).values(role="bcc")
    school.run(lambda tx: tx.execute(hidden) and None)
    assert school.inbox(school.other)[0].recipient_ids == [school.other]
    assert school.inbox(school.third)[0].recipient_ids == [school.other, school.third]
    assert school.thread(school.author, one.thread_id)[0].recipient_ids == [school.other, school.third]


def test_of_a_long_roll_the_first_500_are_shown(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "MAX_SHOWN", 2)
    crowd = [school.person(f"P{number}") for number in range(4)]
    school.mail(school.author, user_ids=crowd)
    assert school.sent_folder(school.author)[0].recipient_ids == crowd[:2]


def test_of_a_long_thread_the_newest_are_shown(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "MAX_THREAD", 3)
    one = school.write(school.author, school.other)
    made = [school.answer(school.author, one.thread_id).message_id for _ in range(4)]
    assert ids(school.thread(school.other, one.thread_id)) == made[1:]


def test_a_copy_to_oneself_is_not_in_the_inbox(school: School) -> None:
    school.mail(school.author, user_ids=[school.other], send_to_myself=True)
    assert school.inbox(school.author) == []


def test_who_writes_to_oneself_by_mail_has_it_in_both_folders(school: School) -> None:
    """Other dialects allow it: a person may stand in one's own group."""
    made = school.mail(school.author, user_ids=[school.author, school.other])
    assert ids(school.inbox(school.author)) == ids(school.sent_folder(school.author)) == [made]
    assert (school.inbox(school.author)[0].read, school.unread(school.author)) == (False, 1)
    mark(school, school.author, made, read=True)
    assert school.unread(school.author) == 0
    again = school.mail(school.author, user_ids=[school.author], in_reply_to=made)
    assert school.standing(school.author) == {made: ([again], [again])}
    assert ids(school.thread(school.author, made)) == [made, again]


def test_statements(school: School) -> None:
    """Design 4, the costs: each is asked for at every call of a client."""
    one = school.write(school.author, school.other, school.third)
    for _ in range(5):
        school.answer(school.author, one.thread_id)
    lock = school.store.database.dialect == "postgresql"
    for count, unit, arguments in (
        (1, mailboxes.page, (school.other, "inbox", 0, 20)),
        (1, mailboxes.page, (school.author, "sent", 0, 20)),
        (1, mailboxes.unread_count, (school.other,)),
        (1, mailboxes.thread, (school.other, one.thread_id)),
        (3, mailboxes.delete, (school.other, one.thread_id, 1)),
        (5 + lock, mailboxes.delete_message, (school.third, one.message_id, 1)),
    ):
        with counted(school.store) as statements:
            school.run(unit, *arguments)  # type: ignore[arg-type]
        assert len(statements) == count, unit
    for read in (True, False):
        with counted(school.store) as statements:
            mark(school, school.third, one.thread_id, read=read)
        assert len(statements) == 2


def unread_in_plain_words(tx: Tx, user_id: int) -> None:
    """What ``unread_count`` asks, past the driver, so that its plan can be asked for."""
    statement = mailboxes._UNREAD[tx.dialect.name]
    tx.exec_driver_sql(statement, {"user_id": user_id})


PLANS: dict[str, tuple[Any, tuple[Any, ...], tuple[str, ...]]] = {
    "inbox": (mailboxes.page, ("inbox", 0, 20), ("ix_recipients_mailbox", "ix_recipients_inbox", "ix_recipients_message_id")),
    "sent": (mailboxes.page, ("sent", 0, 20), ("ix_messages_sent", "ix_recipients_message_id")),
    "unread": (unread_in_plain_words, (), ("ix_recipients_unread",)),
    "thread": (mailboxes.thread, (700,), ("ix_messages_thread_id", "ix_recipients_inbox")),
    "newest": (threads.newest, (700,), ("ix_messages_thread_id", "ix_recipients_inbox")),
}


@pytest.mark.parametrize("name", PLANS)
def test_indexes_serve_what_clients_ask_for_all_the_time(school: School, name: str) -> None:
    """Design 3: no table is read whole; a page is picked without sorting a whole folder."""
    unit, arguments, indexes = PLANS[name]
    school.run(_filled, school.author, school.other, school.third)
    [plan] = school.run(plans, unit, school.author, *arguments)
    for index in indexes:
        assert index in plan, plan
    if name in {"inbox", "sent"}:
        assert not any(line.strip(" ->").startswith(("SCAN messages", "SCAN recipients")) for line in plan.splitlines())


def _filled(tx: Tx, owner: int, other: int, third: int) -> None:
    """A person with a thousand threads among those of others, and a long one (the 700th); rolls of five."""
    columns = {"dialect": "x", "status": "sent", "shared": True, "created_at": 1, "modified_at": 1}
    rows = [{**columns, "author_id": (owner, other)[n % 2], "sent_at": n, "thread_id": 700 if n > 1_900 else None} for n in range(1, 2_001)]
    bulk.insert_rows(tx, messages, rows)
    roll = [
        {"message_id": n, "user_id": user_id, "email": email, "state": "delivered", "received_at": None if email else n}
        for n in range(1, 2_001)
        for user_id, email in ((owner if n % 2 else other, None), (third, None), *((None, f"{guest}@x.example") for guest in range(3)))
    ]
    bulk.insert_rows(tx, recipients, roll)
    tx.execute(text("ANALYZE"))
