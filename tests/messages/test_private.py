"""Private messages: design section 3; wire/schoology.md §1.1, §1.4, §4.2, and who takes part in a conversation."""

from typing import Any

import pytest
from msgspec import structs

from postroom.messages import audience, drafts, mailboxes, private, roll, submission
from postroom.messages.mailboxes import ThreadLine
from postroom.messages.private import PrivateMessage
from postroom.messages.records import AudienceChange, DraftContent
from postroom.settings import ContactSettings
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.messages.conftest import NOW, Office


class School(Office):
    """An office in which people write to each other; the clock moves on with each message."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.third = self.person("Ewa")
        self.now = NOW

    def write(self, author: int, *to: int, subject: str = "Trip", content: str = "When?") -> ThreadLine:
        self.now += 1
        message = PrivateMessage(subject=subject, content=content, recipient_ids=list(to))
        return self.run(private.send, self.settings, author, message, self.now, "schoology")

    def answer(self, author: int, thread_id: int, *to: int, content: str = "Now.", keep_unread: bool = False) -> ThreadLine:
        self.now += 1
        message = PrivateMessage(subject="Re: Trip", content=content, recipient_ids=list(to))
        return self.run(private.reply, self.settings, author, thread_id, message, self.now, "schoology", keep_unread=keep_unread)

    def mail(self, author: int, *, user_ids: list[int] | None = None, emails: list[str] | None = None, **content: Any) -> int:
        """Send a message by the ways of another dialect."""
        self.now += 1
        draft = DraftContent(**{"subject": "Mail", "content": "A mail.", **content})
        message_id = self.run(drafts.create, author, draft, self.now, "usos")
        self.run(audience.update, author, message_id, AudienceChange(user_ids=user_ids, emails=emails), strict=True, now=self.now)
        self.run(roll.refresh, author, message_id, "primary_only", self.now)
        self.run(submission.submit, self.settings, author, message_id, "en", self.now)
        return message_id

    def inbox(self, user_id: int) -> list[ThreadLine]:
        return self.run(mailboxes.page, user_id, "inbox", 0, 100)[0]

    def sent_folder(self, user_id: int) -> list[ThreadLine]:
        return self.run(mailboxes.page, user_id, "sent", 0, 100)[0]

    def thread(self, user_id: int, thread_id: int) -> list[ThreadLine]:
        return self.run(mailboxes.thread, user_id, thread_id)

    def unread(self, user_id: int) -> int:
        return self.run(mailboxes.unread_count, user_id)

    def may_write(self, **rules: list[str]) -> None:
        self.settings = structs.replace(self.settings, contacts=ContactSettings(may_write_to={"*": ["nobody"], **rules}))


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


def test_reply_smoke(school: School) -> None:
    made = school.write(school.author, school.third, school.other)
    back = school.answer(school.other, made.thread_id)
    assert back.recipient_ids == sorted([school.author, school.third, school.other])
    assert [line.message_id for line in school.thread(school.third, made.thread_id)] == [made.message_id, back.message_id]
    assert [line.message_id for line in school.inbox(school.third)] == [back.message_id]
