"""Private messages: design section 3; wire/schoology.md §1.1, §1.4, §4.2; who takes part in a conversation."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select, update

from postroom.clock import DAY
from postroom.directory import suppressions
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.messages import attachments, links, private, reports, uploads
from postroom.messages.links import Link
from postroom.messages.mailboxes import ThreadLine
from postroom.messages.private import PrivateMessage
from postroom.messages.uploads import NewUpload, Received
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients, users
from tests.messages.conftest import NOW
from tests.messages.school import School, at_once
from tests.support import counted


@pytest.fixture
def school(store: Store) -> School:
    return School(store)


def test_a_message_is_in_the_inboxes_at_once(school: School) -> None:
    """The inbox is the delivery: nothing waits, everybody is accounted for (design 1.2)."""
    made = school.write(school.author, school.third, school.other, school.other)
    assert made == ThreadLine(
        thread_id=made.message_id,
        message_id=made.message_id,
        author_id=school.author,
        author_name="Anna Nowak",
        recipient_ids=[school.other, school.third],
        at=NOW + 1,
        subject="Trip",
        content="When?",
        content_format="plain",
        read=True,
    )
    assert school.inbox(school.other) == [structs.replace(made, read=False)]
    assert school.sent_folder(school.author) == [made]
    assert (school.inbox(school.author), school.sent_folder(school.other)) == ([], [])
    [row] = school.rows(messages)
    assert (row.status, row.sent_at, row.settled_at, row.shared, row.dialect, row.thread_id) == (
        "sent",
        NOW + 1,
        NOW + 1,
        True,
        "schoology",
        None,
    )
    lines = [(line.user_id, line.email, line.state, line.received_at, line.settled_at, line.reply_text) for line in school.rows(recipients)]
    assert lines == [(number, None, "delivered", NOW + 1, NOW + 1, None) for number in (school.other, school.third)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"subject": ""}, Invalid("subject", "")),
        ({"subject": " \u00a0"}, Invalid("subject", "")),
        ({"subject": "a\r\nBcc: x@y"}, Invalid("subject", "")),
        ({"subject": "s" * 201}, TooLarge("subject", 200)),
        ({"content": "c" * 15_001}, TooLarge("content", 15_000)),
        ({"content": "\0"}, Invalid("content", "")),
        ({"recipient_ids": []}, Invalid("recipient_ids", "")),
        ({"recipient_ids": [0]}, Invalid("recipient_ids", "")),
        ({"recipient_ids": [2**31]}, Invalid("recipient_ids", "")),
        ({"recipient_ids": [-1]}, Invalid("recipient_ids", "")),
        ({"recipient_ids": [987]}, Invalid("recipient_ids", "")),
        ({"recipient_ids": list(range(10, 511))}, TooLarge("recipient_ids", 500)),
        ({"links": [Link(url="javascript:alert(1)")]}, Invalid("links", "")),
        ({"links": [Link(url="https://x.example")] * 11}, TooLarge("attachments", 10)),
        ({"upload_ids": [77]}, Invalid("uploads", "")),
    ],
)
def test_what_is_wrong_with_a_message_changes_nothing(school: School, change: dict[str, Any], error: Invalid | TooLarge) -> None:
    good = PrivateMessage(subject="S", content="C", recipient_ids=[school.other])
    for unit, more in ((private.send, ()), (private.reply, (school.write(school.author, school.other).thread_id,))):
        before = (len(school.rows(messages)), len(school.rows(recipients)))
        if unit is private.reply and change == {"recipient_ids": []}:
            continue  # that is everybody
        with pytest.raises(type(error)) as caught:
            school.run(unit, school.settings, school.author, *more, structs.replace(good, **change), NOW, "schoology")
        assert caught.value.parameter == error.parameter
        assert getattr(caught.value, "limit", None) == getattr(error, "limit", None)
        assert (len(school.rows(messages)), len(school.rows(recipients))) == before


def test_an_empty_text_is_fine(school: School) -> None:
    """Wire §1.4: message "" is answered with 201."""
    assert school.write(school.author, school.other, content="").content == ""


def test_nobody_writes_to_oneself_or_to_somebody_who_left(school: School) -> None:
    for number in (school.author, school.person("Gone", active=False)):
        with pytest.raises(Invalid, match="recipient_ids"):
            school.write(school.author, school.other, number)


def test_the_rules_hold_for_writing_and_for_answering(school: School) -> None:
    """Wire §7.1: whom one may not write to is as invalid as nobody at all."""
    first = school.write(school.author, school.other, school.third)
    school.may_write()
    with pytest.raises(Invalid, match="recipient_ids"):
        school.write(school.author, school.other)
    with pytest.raises(Invalid, match="recipient_ids"):
        school.answer(school.other, first.thread_id, school.author)
    with pytest.raises(Invalid, match="nobody to answer"):
        school.answer(school.other, first.thread_id)
    school.settings.contacts.may_write_to["*"] = [f"user:{school.author}"]
    assert school.answer(school.other, first.thread_id).recipient_ids == [school.author, school.other]
    with pytest.raises(Invalid, match="not all of them"):
        school.answer(school.other, first.thread_id, school.author, school.third)


def test_an_answer_goes_to_everybody_who_takes_part(school: School) -> None:
    """Wire §4.2: recipient_ids of the answer are all participants, the replier among them."""
    first = school.write(school.author, school.other, school.third)
    back = school.answer(school.other, first.thread_id)
    assert (back.thread_id, back.recipient_ids) == (first.thread_id, [school.author, school.other, school.third])
    for reader in (school.author, school.third):
        assert [line.message_id for line in school.inbox(reader)] == [back.message_id]
        assert school.inbox(reader)[0].recipient_ids == [school.author, school.third]
    row = school.rows(messages)[1]
    assert (row.thread_id, row.in_reply_to, row.status, row.dialect) == (first.thread_id, first.message_id, "sent", "schoology")
    again = school.answer(school.author, first.thread_id)
    assert again.recipient_ids == back.recipient_ids
    assert school.rows(messages)[2].in_reply_to == back.message_id


def test_people_named_get_it_and_nobody_else(school: School) -> None:
    """Somebody new may be named; what was said before stays unknown to them, and what is said aside to the others."""
    new = school.person("Nina")
    first = school.write(school.author, school.other, school.third)
    aside = school.answer(school.other, first.thread_id, school.author, new, school.other)
    assert aside.recipient_ids == [school.author, school.other, new]
    assert [line.message_id for line in school.thread(new, first.thread_id)] == [aside.message_id]
    assert [line.message_id for line in school.thread(school.third, first.thread_id)] == [first.message_id]
    everybody = school.answer(school.third, first.thread_id)
    assert everybody.recipient_ids == [school.author, school.other, school.third]
    assert [line.message_id for line in school.thread(new, first.thread_id)] == [aside.message_id]


def test_oneself_alone_is_nobody_to_answer(school: School) -> None:
    first = school.write(school.author, school.other)
    with pytest.raises(Invalid, match="nobody to write to"):
        school.answer(school.other, first.thread_id, school.other)


def test_who_left_gets_no_answer(school: School) -> None:
    first = school.write(school.author, school.other, school.third)
    school.run(lambda tx: tx.execute(update(users).where(users.c.id == school.third).values(active=False)) and None)
    assert school.answer(school.other, first.thread_id).recipient_ids == [school.author, school.other]


def test_one_answers_what_one_sees(school: School) -> None:
    """One user never reaches into the conversations of others (design 1.5)."""
    first = school.write(school.author, school.other)
    for number in (first.thread_id, 0, -1, 2**31, 10**30, 555):
        with pytest.raises(NotFound) as caught:
            school.answer(school.third, number)
        assert (caught.value.kind, caught.value.key) == ("thread", number)
    back = school.answer(school.other, first.thread_id)
    with pytest.raises(NotFound):
        school.answer(school.other, back.message_id)  # a message that began no thread is none
    assert len(school.rows(messages)) == 2


def test_an_answer_marks_the_thread_read_unless_it_is_to_stay_unread(school: School) -> None:
    """Wire §1.1, §1.3: keep_unread."""
    first = school.write(school.author, school.other, school.third)
    school.answer(school.other, first.thread_id, keep_unread=True)
    assert [line.read for line in school.inbox(school.other)] == [False]
    school.answer(school.third, first.thread_id)
    assert (school.unread(school.third), school.unread(school.other), school.unread(school.author)) == (0, 1, 1)
    assert [line.read for line in school.inbox(school.third)] == [True]


def test_bare_addresses_get_an_answer_to_everybody_by_mail(school: School) -> None:
    """What goes out by mail is accounted for like any other mail; the people have it in their inboxes at once."""
    first = school.shared(school.author, user_ids=[school.other], emails=["guest@x.example", "b@x.example"])
    back = school.answer(school.other, first)
    assert back.recipient_ids == [school.author, school.other]
    row = school.rows(messages)[1]
    assert (row.status, row.settled_at, row.send_summary, row.language) == ("pending", None, False, "pl")
    own = recipients.c.message_id == back.message_id
    lines = [(line.user_id, line.email, line.state, line.received_at) for line in school.rows(recipients, own)]
    assert lines == [
        (school.author, None, "delivered", school.now),
        (None, "b@x.example", "queued", None),
        (None, "guest@x.example", "queued", None),
    ]
    school.outcome(back.message_id, "delivered")
    assert school.run(reports.settle, school.settings, [back.message_id], NOW) == [back.message_id]
    assert [message.status for message in school.rows(messages, messages.c.id == back.message_id)] == ["sent"]
    assert len(school.rows(messages)) == 2  # no report


def test_people_named_alone_means_no_mail(school: School) -> None:
    first = school.shared(school.author, user_ids=[school.other], emails=["guest@x.example"])
    back = school.answer(school.other, first, school.author)
    assert [(line.user_id, line.email) for line in school.rows(recipients, recipients.c.message_id == back.message_id)] == [
        (school.author, None)
    ]


def test_the_hidden_and_those_of_separate_mails_are_not_told_of(school: School) -> None:
    """Of a mailing, and of hidden recipients, nobody but the author knows: an answer to everybody goes to the author."""
    mailing = school.mail(school.author, user_ids=[school.other, school.third], emails=["guest@x.example"])
    assert school.answer(school.other, mailing).recipient_ids == [school.author, school.other]
    hidden = school.shared(school.author, user_ids=[school.other, school.third], emails=["guest@x.example"])
    secret = update(recipients).where(recipients.c.message_id == hidden, recipients.c.user_id != school.other)
    school.run(lambda tx: tx.execute(secret.values(role="bcc")) and None)
    secret = update(recipients).where(recipients.c.message_id == hidden, recipients.c.user_id.is_(None))
    school.run(lambda tx: tx.execute(secret.values(role="bcc")) and None)
    assert school.answer(school.other, hidden).recipient_ids == [school.author, school.other]
    assert school.rows(recipients)[-1].email is None


def test_suppressed_addresses_end_the_message_at_once(school: School) -> None:
    first = school.shared(school.author, user_ids=[school.other], emails=["guest@x.example"])
    school.run(suppressions.suppress, "guest@x.example", "manual", "", NOW, expires_at=None)
    back = school.answer(school.other, first)
    [row] = school.rows(messages, messages.c.id == back.message_id)
    assert (row.status, row.settled_at) == ("error", school.now)


def test_too_many_taking_part_are_refused(school: School) -> None:
    first = school.shared(school.author, user_ids=[school.other], emails=[f"guest{number}@x.example" for number in range(500)])
    with pytest.raises(TooLarge) as caught:
        school.answer(school.other, first)
    assert (caught.value.parameter, caught.value.limit) == ("recipient_ids", 500)
    assert school.answer(school.other, first, school.author).recipient_ids == [school.author, school.other]


def test_files_and_links_come_along(school: School) -> None:
    made = school.run(uploads.announce, school.author, NewUpload(filename="plan.pdf", size=3), 10, NOW)
    school.run(uploads.receive, school.author, made.id, Received(blob_key="k", size=3, md5="0" * 32), NOW)
    page = Link(url="https://x.example/a", title="A")
    message = PrivateMessage(subject="S", content="", recipient_ids=[school.other], upload_ids=[made.id], links=[page])
    sent = school.run(private.send, school.settings, school.author, message, NOW, "schoology")
    [file] = school.run(attachments.of_messages, [sent.message_id])[sent.message_id]
    assert (file.filename, file.expires_at) == ("plan.pdf", NOW + 365 * DAY)
    assert school.run(links.of_messages, [sent.message_id]) == {sent.message_id: [page]}
    with pytest.raises(Invalid, match="uploads"):
        school.run(private.send, school.settings, school.author, message, NOW, "schoology")
    assert len(school.rows(messages)) == 1


@pytest.mark.parametrize(("content", "kind"), [("1 < 2 > 0, a<b", "plain"), ("<p>Hi</p>", "html"), ("a<br />b", "html")])
def test_text_and_html_are_told_apart_and_kept_as_given(school: School, content: str, kind: str) -> None:
    sent = school.write(school.author, school.other, content=content)
    assert (sent.content, sent.content_format, school.rows(messages)[0].content) == (content, kind, content)


def test_html_is_safe_when_it_is_read(school: School) -> None:
    sent = school.write(school.author, school.other, content="<p onclick='x()'>Hi<script>alert(1)</script></p>")
    assert [line.content for line in school.inbox(school.other)] == ["<p>Hi</p>"]
    assert [line.content for line in school.thread(school.author, sent.thread_id)] == ["<p>Hi</p>"]


def test_the_number_of_statements_does_not_depend_on_the_number_of_people(school: School) -> None:
    crowd = [school.person(f"P{number}") for number in range(99)]
    with counted(school.store) as one:
        first = school.write(school.author, school.other)
    with counted(school.store) as many:
        second = school.write(school.author, *crowd)
    assert len(one) == len(many) == 11
    lock = school.store.database.dialect == "postgresql"
    with counted(school.store) as one:
        school.answer(school.other, first.thread_id)
    with counted(school.store) as many:
        school.answer(crowd[0], second.thread_id)
    assert len(one) == len(many) == 16 + lock
    with counted(school.store) as named:
        school.answer(crowd[0], second.thread_id, school.author)
    assert len(named) == 15 + lock


def test_two_answers_at_once_leave_one_standing(school: School) -> None:
    """On PostgreSQL units run at the same time: the lock of the thread lets the second see what the first did."""
    first = school.write(school.author, school.other, school.third)
    crowd = [school.author, school.other, school.third]
    message = PrivateMessage(subject="S", content="C", recipient_ids=[])

    def talk(author: int) -> Callable[[], None]:
        values = (school.settings, author, first.thread_id, message, NOW + 3, "schoology")
        return lambda: school.store.database.write_now(private.reply, *values) and None

    for _ in range(8):
        assert at_once(*(talk(author) for author in crowd)) == []
    for reader in crowd:
        standing = school.standing(reader)[first.thread_id]
        assert (len(standing[0]), len(standing[1])) == (1, 1)
        assert len(school.inbox(reader)) == 1
    assert school.run(lambda tx: len(tx.execute(select(messages.c.id)).all())) == 25
