"""A mailbox with letters in it: the shortest ways to send, list and file them."""

from typing import Any

from msgspec import structs

from postroom.messages import filing, folders, item_lists, items, letters
from postroom.messages.item_details import Item, Reader, load
from postroom.messages.item_lists import Wanted
from postroom.messages.items import Found, Key
from postroom.messages.letter_records import Letter
from postroom.messages.letters import Desk
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.messages.conftest import NOW
from tests.messages.school import School

ADDRESSES = {1: '"Anna Nowak" <anna@uni.example>', 2: '"Otto Nowak" <otto@uni.example>'}


def own(number: int) -> Key:
    """The item that a message is for its author."""
    return Key(own=True, id=number)


class PostOffice(School):
    """People 1 and 2 write letters; the clock moves on with each."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.reader = Reader(settings=self.settings, vault=self.store.vault, user_id=self.author)

    def desk(self, author: int) -> Desk:
        self.now += 1_000
        return Desk(settings=self.settings, vault=self.store.vault, author_id=author, dialect="onlyoffice", now=self.now)

    def letter(self, author: int, to: str = "otto@uni.example", message_id: int = 0, **changes: Any) -> int:
        """Send a letter and let it arrive; return its number."""
        wanted = Letter(sender=ADDRESSES[author], to=(to,), subject="Hello", body="<p>Hi there</p>")
        number = self.run(letters.send, self.desk(author), structs.replace(wanted, **changes), message_id).message_id
        self.outcome(number, "delivered")
        self.run(lambda tx: tx.execute(messages.update().where(messages.c.id == number).values(status="sent")) and None)
        return number

    def saved(self, author: int, *, template: bool = False, **changes: Any) -> int:
        wanted = structs.replace(Letter(sender=ADDRESSES[author], subject="Draft"), **changes)
        unit = letters.save_template if template else letters.save_draft
        return self.run(unit, self.desk(author), wanted).message_id

    def identifier(self, user_id: int, key: Key) -> str:
        """The Message-ID by which an item is answered."""
        return self.details(user_id, [key])[0].identifier

    def talk(self, length: int, subject: str = "Plan") -> list[int]:
        """Otto writes to Anna, who answers, and so on; the numbers of the messages."""
        numbers, answered = [], ""
        for place in range(length):
            author, to = (1, "otto@uni.example") if place % 2 else (2, "anna@uni.example")
            numbers.append(self.letter(author, to, subject=subject, mime_reply_to=answered))
            answered = self.identifier(author, own(numbers[-1]))
        return numbers

    def came(self, user_id: int, message_id: int) -> Key:
        """The item by which a message came to a person."""
        line = self.rows(recipients, recipients.c.user_id == user_id, recipients.c.message_id == message_id)[0]
        return Key(own=False, id=line.id)

    def listed(self, user_id: int, start: int = 0, limit: int = 100, **wanted: Any) -> list[Key]:
        return [one.key for one in self.page(user_id, start, limit, **wanted)[0]]

    def page(self, user_id: int, start: int = 0, limit: int = 100, **wanted: Any) -> tuple[list[Found], int]:
        return self.run(item_lists.page, user_id, Wanted(**wanted), start, limit)

    def heads(self, user_id: int, limit: int = 100, **wanted: Any) -> list[Key]:
        return [one.key for one in self.run(item_lists.heads, user_id, Wanted(**wanted), limit)]

    def details(self, user_id: int, keys: list[Key], *, whole: bool = False) -> list[Item]:
        reader = structs.replace(self.reader, user_id=user_id)
        found = {one.key: one for one in self.run(items.find, user_id, keys)}
        return self.run(load, reader, [found[key] for key in keys], whole=whole)

    def move(self, user_id: int, *keys: Key, to: Any, folder_id: int | None = None) -> None:
        self.run(filing.move, user_id, keys, to, self.now, folder_id=folder_id)

    def count(self, user_id: int, folder: Any) -> tuple[int, int, int, int]:
        """Messages, unread ones, conversations, unread ones."""
        found = self.run(folders.counts, user_id).get(folder, folders.Count())
        return found.messages, found.unread_messages, found.conversations, found.unread_conversations

    def folder(self, user_id: int, name: str, parent_id: int = 0) -> int:
        return self.run(folders.create, user_id, name, parent_id, NOW)
