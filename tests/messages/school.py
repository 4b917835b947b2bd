"""An office in which people write to each other, by private messages and by the ways of other dialects."""

import threading
from collections.abc import Callable
from typing import Any

from msgspec import structs
from sqlalchemy import update

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

    def shared(self, author: int, **audience_of: Any) -> int:
        """Send a message by those ways in which everybody is named."""
        message_id = self.mail(author, **audience_of)
        self.run(lambda tx: tx.execute(update(messages).where(messages.c.id == message_id).values(shared=True)) and None)
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

    def standing(self, user_id: int) -> dict[int, tuple[list[int], list[int]]]:
        """Of each thread that a person has something in: the messages that stand for it, in the inbox and in the folder of sent ones."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        own = {row.id: row for row in self.rows(messages)}
        for row in self.rows(recipients, recipients.c.user_id == user_id, recipients.c.received_at.is_not(None)):
            thread = found.setdefault(own[row.message_id].thread_id or row.message_id, ([], []))
            if row.deleted_at is None and row.superseded_at is None:
                thread[0].append(row.message_id)
        for row in own.values():
            if row.author_id == user_id and row.sent_at is not None:
                thread = found.setdefault(row.thread_id or row.id, ([], []))
                if row.deleted_at is None and row.superseded_at is None:
                    thread[1].append(row.id)
        return found

    def newest(self, user_id: int) -> dict[int, tuple[list[int], list[int]]]:
        """What ``standing`` should be: of everything that is left the newest one."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        own = {row.id: row for row in self.rows(messages)}
        came = self.rows(recipients, recipients.c.user_id == user_id, recipients.c.received_at.is_not(None))
        lines = [(own[row.message_id].thread_id or row.message_id, 0, row.received_at, row.message_id, row.deleted_at) for row in came]
        for row in own.values():
            if row.author_id == user_id and row.sent_at is not None:
                lines.append((row.thread_id or row.id, 1, row.sent_at, row.id, row.deleted_at))
        for thread_id, folder, _, message_id, deleted_at in sorted(lines, key=lambda line: line[2:4]):
            thread = found.setdefault(thread_id, ([], []))
            if deleted_at is None:
                thread[folder][:] = [message_id]
        return found


def at_once(*units: Callable[[], None]) -> list[BaseException]:
    """Start all of these together; return what they raised."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(units))

    def work(unit: Callable[[], None]) -> None:
        try:
            barrier.wait(10)
            unit()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    workers = [threading.Thread(target=work, args=(unit,)) for unit in units]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    return failures
