"""Which messages belong together, whichever dialect they came through, and which one stands for its thread: docs/mailboxes.md."""

import random
from typing import Any

import pytest

from postroom.errors import NotFound
from postroom.messages import drafts, mailboxes, private, submission
from postroom.messages.private import PrivateMessage
from postroom.messages.records import AudienceChange, DraftContent
from postroom.storage.store import Store
from postroom.storage.tables import messages
from tests.messages.school import School, at_once


@pytest.fixture
def school(store: Store) -> School:
    return School(store)


def ids(lines: list[Any]) -> list[int]:
    return [line.message_id for line in lines]


def test_an_answer_by_the_ways_of_another_dialect_joins_the_conversation(school: School) -> None:
    """Design: a message sent through one dialect is seen and answered through the others; both ways."""
    one = school.write(school.author, school.other)
    two = school.mail(school.other, user_ids=[school.author], in_reply_to=one.message_id)
    assert school.rows(messages)[1].thread_id == one.thread_id
    three = school.answer(school.author, one.thread_id)
    for reader in (school.author, school.other):
        assert ids(school.thread(reader, one.thread_id)) == [one.message_id, two, three.message_id]
    assert ids(school.inbox(school.author)) == [two]
    assert ids(school.sent_folder(school.author)) == [three.message_id]
    mail = school.mail(school.author, user_ids=[school.third])
    back = school.answer(school.third, mail)
    more = school.mail(school.author, user_ids=[school.third], in_reply_to=back.message_id)
    assert ids(school.thread(school.third, mail)) == [mail, back.message_id, more]
    assert (school.unread(school.third), school.unread(school.author)) == (1, 0)  # who answers has read


def test_a_message_that_the_author_does_not_see_cannot_be_answered(school: School) -> None:
    one = school.write(school.author, school.other)
    draft = school.run(drafts.create, school.third, DraftContent(), 1, "usos")
    for author, number in ((school.third, one.message_id), (school.third, draft), (school.third, 0), (school.third, 2**31)):
        with pytest.raises(NotFound) as caught:
            school.run(drafts.create, author, DraftContent(in_reply_to=number), 1, "usos")
        assert (caught.value.kind, caught.value.key) == ("message", number)


def test_deleting_a_single_message_lets_the_one_before_stand_for_the_thread(school: School) -> None:
    one = school.write(school.author, school.other)
    two = school.answer(school.author, one.thread_id)
    three = school.answer(school.author, one.thread_id)
    school.run(drafts.delete, school.author, [three.message_id, two.message_id], school.now)
    assert ids(school.sent_folder(school.author)) == [one.message_id]
    school.run(mailboxes.delete_message, school.other, three.message_id, school.now)
    assert ids(school.inbox(school.other)) == [two.message_id]
    school.run(mailboxes.delete_message, school.other, one.message_id, school.now)
    assert ids(school.inbox(school.other)) == ids(school.thread(school.other, one.thread_id)) == [two.message_id]
    school.run(mailboxes.delete_message, school.other, two.message_id, school.now)
    assert school.inbox(school.other) == []


def something_happens(school: School, dice: random.Random, crowd: list[int], known: list[int]) -> list[int]:
    """Let somebody do something to some message; return the message that this made."""
    who, number = dice.choice(crowd), dice.choice(known) if known else 0
    others = dice.sample([one for one in crowd if one != who], dice.randint(1, 2))
    match dice.randint(0, 9):
        case 0 | 1:
            return [school.write(who, *others).message_id]
        case 2 | 3:
            return [school.answer(who, number, *dice.choice([others, []]), keep_unread=dice.random() < 0.5).message_id]
        case 4:
            return [school.mail(who, user_ids=others, in_reply_to=number)]
        case 5:
            school.run(mailboxes.delete, who, number, school.now)
        case 6:
            school.run(drafts.delete, who, dice.sample(known, min(3, len(known))), school.now)
        case 7:
            school.run(mailboxes.delete_message, who, number, school.now)
        case _:
            school.run(mailboxes.mark, who, number, read=dice.random() < 0.5, now=school.now)
    return []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_newest_message_stands_for_its_thread(school: School, seed: int) -> None:
    """The invariant of ``threads``, for everybody and both folders, under a long random conversation."""
    dice = random.Random(seed)
    crowd = [school.author, school.other, school.third]
    known: list[int] = []
    for _ in range(60):
        school.now += 1
        try:
            known += something_happens(school, dice, crowd, known)
        except NotFound:
            continue
    for reader in crowd:
        standing = school.standing(reader)
        assert standing == school.newest(reader)
        assert len(standing) > 3
        inbox = school.inbox(reader)
        assert sorted(ids(inbox)) == sorted(number for thread in standing.values() for number in thread[0])
        assert school.unread(reader) == sum(not line.read for line in inbox)
        for line in [*inbox, *school.sent_folder(reader)]:
            assert line.message_id in ids(school.thread(reader, line.thread_id))


def test_answers_deletions_and_mails_at_once_leave_one_standing(school: School) -> None:
    """On PostgreSQL units run at the same time, numbers and times come before the lock, and who met a deadlock runs again."""
    first = school.write(school.author, school.other, school.third)
    write = school.store.database.write_now

    def answer() -> None:
        message = PrivateMessage(subject="S", content="C", recipient_ids=[])
        write(private.reply, school.settings, school.other, first.thread_id, message, school.now, "schoology")

    def mail() -> None:
        content = DraftContent(subject="S", content="C", in_reply_to=first.message_id)
        to = AudienceChange(user_ids=[school.other, school.third])
        write(submission.create_and_submit, school.settings, school.author, content, to, "en", school.now, "usos")

    def delete() -> None:
        for number in ids(school.thread(school.third, first.thread_id))[-2:-1]:
            write(drafts.delete, school.other, [number], school.now)
            write(mailboxes.delete_message, school.third, number, school.now)

    for _ in range(8):
        school.now += 1
        assert at_once(answer, mail, delete) == []
    for reader in (school.author, school.other, school.third):
        standing, newest = (found(reader)[first.thread_id] for found in (school.standing, school.newest))
        assert [len(folder) for folder in standing] == [len(folder) for folder in newest]


def test_what_stood_before_stands_again_whatever_the_clocks_say(school: School) -> None:
    """An answer may carry an earlier time than the one it supersedes: hosts differ, and a unit may have waited."""
    first = school.write(school.author, school.other)
    second = school.answer(school.author, first.thread_id)
    school.now -= 10
    third = school.answer(school.author, first.thread_id)
    for unit in (mailboxes.delete_message, lambda tx, user_id, number, now: drafts.delete(tx, user_id, [number], now)):
        reader = school.other if unit is mailboxes.delete_message else school.author
        school.run(unit, reader, first.message_id, school.now)
        folder = 0 if reader == school.other else 1
        assert school.standing(reader)[first.thread_id][folder] == [third.message_id]
        school.run(unit, reader, third.message_id, school.now)
        assert school.standing(reader)[first.thread_id][folder] == [second.message_id]
