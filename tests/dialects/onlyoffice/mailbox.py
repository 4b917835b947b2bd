"""A running installation with letters in it: Jan (``api.jan``) and Ewa write to each other."""

from typing import Any

from sqlalchemy import select, update

from postroom import clock
from postroom.messages import letters
from postroom.messages.item_details import Reader, load
from postroom.messages.items import Key, find
from postroom.messages.letter_records import Letter
from postroom.messages.letters import Desk
from postroom.storage.tables import messages, recipients
from tests.dialects.onlyoffice.conftest import Api

JAN, EWA = '"Jan Robak" <jan@x.example>', '"Ewa Lis" <ewa@x.example>'


class Mailbox:
    """Shortcuts to letters and to the calls about them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.now = clock.now() - 100_000

    def _desk(self, author: int) -> Desk:
        self.now += 1_000
        settings, vault = self.api.store.settings, self.api.store.vault
        return Desk(settings=settings, vault=vault, author_id=author, dialect="onlyoffice", now=self.now)

    def letter(self, author: int, *, answers: int | None = None, **content: Any) -> int:
        """Send a letter from Jan to Ewa, or back, which arrives; return the number of the message."""
        sender, to = (JAN, EWA) if author == self.api.jan else (EWA, JAN)
        given = {"sender": sender, "to": (to,), "subject": "Hello", "body": "<p>Hi there</p>", **content}
        if answers is not None:
            given["mime_reply_to"] = self.identifier(answers)
        number = self.api.write(letters.send, self._desk(author), Letter(**given), 0).message_id
        self.api.write(lambda tx: tx.execute(update(messages).where(messages.c.id == number).values(status="sent")) and None)
        return int(number)

    def draft(self, **content: Any) -> int:
        return int(self.api.write(letters.save_draft, self._desk(self.api.jan), Letter(**{"sender": JAN, **content}), 0).message_id)

    def identifier(self, number: int) -> str:
        author = self.api.write(lambda tx: tx.scalars(select(messages.c.author_id).where(messages.c.id == number)).one())
        reader = Reader(settings=self.api.store.settings, vault=self.api.store.vault, user_id=author)
        found = self.api.write(find, author, [Key(own=True, id=number)])
        return str(self.api.write(load, reader, found)[0].identifier)

    def came(self, user_id: int, number: int) -> int:
        """The number by which a person who got a message knows it."""
        line = select(recipients.c.id).where(recipients.c.message_id == number, recipients.c.user_id == user_id)
        return 2 * int(self.api.write(lambda tx: tx.scalars(line).one())) + 1

    def list(self, path: str = "messages", **query: Any) -> tuple[Any, Any]:
        """Ids and total of a list."""
        answer = self.api.call("GET", f"/mail/{path}", params=query).json()
        return [row["id"] for row in answer["response"]], answer.get("total")

    def get(self, path: str, **query: Any) -> Any:
        return self.api.result("GET", f"/mail/{path}", params=query)

    def put(self, path: str, **content: Any) -> Any:
        return self.api.result("PUT", f"/mail/{path}", json=content)
