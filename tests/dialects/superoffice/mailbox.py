"""A mailbox to test with: letters between the people of the installation."""

import asyncio
from typing import Any

from postroom import clock
from postroom.dialects.item_numbers import number_of
from postroom.messages import letters
from postroom.messages.items import Key, lines_of
from postroom.messages.letter_records import Letter, LetterFile
from postroom.messages.letters import Desk
from postroom.messages.records import NewAttachment
from tests.dialects.superoffice.conftest import Api

JAN = "Jan Robak <jan@x.example>"
EWA = "Ewa Lis <ewa@x.example>"


class Mailbox:
    """Each letter is a second younger than the one before."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.now = clock.now() - 100_000
        self.ewas_ticket = api.ticket_of(api.ewa)

    def desk(self, author: int) -> Desk:
        self.now += 1_000
        return Desk(settings=self.api.store.settings, vault=self.api.store.vault, author_id=author, dialect="superoffice", now=self.now)

    def letter(self, author: int, **changes: Any) -> int:
        """Send a letter, from Jan to Ewa or the other way round; return its number."""
        mine, other = (JAN, EWA) if author == self.api.jan else (EWA, JAN)
        wanted = {"sender": mine, "to": (other,), "subject": "Hello", "body": "<p>Hi there</p>", **changes}
        return self.api.write(letters.send, self.desk(author), Letter(**wanted), 0).message_id

    def draft(self, author: int, **changes: Any) -> int:
        sender = JAN if author == self.api.jan else EWA
        return self.api.write(letters.save_draft, self.desk(author), Letter(sender=sender, **{"subject": "Draft", **changes})).message_id

    def with_file(self, author: int, content: bytes, name: str, kind: str, **changes: Any) -> int:
        """Send a letter with a file."""
        draft = self.draft(author)

        async def stored() -> str:
            async with self.api.store.blobs.writer() as blob:
                await blob.write(content)
                return await blob.commit()

        new = NewAttachment(blob_key=asyncio.run(stored()), filename=name, content_type=kind, size=len(content))
        number = self.api.write(letters.add_file, author, draft, new, self.now)
        return self.letter(author, files=(LetterFile(attachment_id=number),), **changes)

    def came(self, user_id: int, message_id: int) -> int:
        """The EMailItemId of what came."""
        return number_of(self.api.write(lines_of, user_id, [message_id])[message_id])

    def wrote(self, message_id: int) -> int:
        """The EMailItemId of what one wrote."""
        return number_of(Key(own=True, id=message_id))

    def get(self, number: int, *, ticket: str = "", files: bool = True) -> Any:
        return self.api.result("GetEMail", {"Id": number, "IncludeAttachments": files}, ticket=ticket)
