"""Letters as small typed records; and the limits that hold for them alone."""

from typing import Final

import msgspec
from msgspec import Struct

from postroom.directory.records import Mailbox
from postroom.errors import Invalid
from postroom.messages.records import MAX_MAIL_FILES, CustomHeader, Importance, NewAttachment

MAX_RECIPIENTS: Final = 2_000
"""Entries of To, Cc and Bcc together: some relays cut longer headers off."""
MAX_SUBJECT: Final = 998
MAX_BODY: Final = 8_388_608
"""Characters; dialects bound the size of their requests long before."""
MAX_FILES: Final = 100
MAX_FILENAME: Final = 255
"""Characters; what file systems hold, where other mails have less."""
MAX_FILES_SIZE: Final = MAX_MAIL_FILES
"""Bytes of all files of a letter."""


class LetterFile(Struct, frozen=True, kw_only=True):
    """A file that is to go with a letter: one of its own, or of another message that its author sees."""

    attachment_id: int
    filename: str = ""
    """What the author's program says of it, as all that follows; what is kept is what counts."""
    stored_name: str = ""
    size: int = 0
    content_id: str = ""
    required: bool = True
    """Whether the letter cannot be delivered without it; else it is left out when it is not there."""


class Letter(Struct, frozen=True, kw_only=True):
    """A mail as its author writes it."""

    sender: str
    """As all addresses, as it is written: ``Name <name@domain>``. Only the address counts: its name is the one of the account."""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""
    """HTML."""
    text: str | None = None
    """The text part in place of one made of the HTML; without HTML it is all that there is."""
    important: bool = False
    """To its author."""
    importance: Importance | None = None
    """What the mail says of it; ``None``: nothing, or that it is important if it is."""
    read_receipt: bool = False
    delivery_receipt: bool = False
    calendar: str = ""
    """An iTIP message; an invalid one lets delivery fail."""
    calendar_file: NewAttachment | None = None
    """The same as a file that is in the blob store already: mailboxes show it as one of the letter, once it is sent."""
    automatic_reply: bool = False
    mime_reply_to: str = ""
    """Message-ID of the mail that it answers."""
    files: tuple[LetterFile, ...] = ()
    new_files: tuple[NewAttachment, ...] = ()
    """Files in the blob store that are to be its own, after all others. When the call is refused, its caller deletes them."""
    headers: tuple[CustomHeader, ...] = ()
    identifier: str = ""
    """The Message-ID that the author's program gave it: ``letter_identifiers``."""


class LetterOptions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a letter no column keeps (``messages.options``): how its author wrote the addresses."""

    sender: Mailbox = Mailbox("", "")
    """One of the author's addresses, under the name of the account."""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    is_template: bool = False
    """Kept to be copied from, not a draft."""


class SavedLetter(Struct, frozen=True, kw_only=True):
    """What saving or sending did."""

    message_id: int
    blob_keys: list[str]
    """Files that may be needed by nobody now, to be deleted after the commit (``attachments.blobs_in_use``)."""
    identifier: str
    """Message-ID, without angle brackets."""
    sent_at: int | None = None
    """In milliseconds; of one that was sent before, when that was."""
    is_repeated: bool = False
    """Whether it was sent before, and nothing was done."""


def encoded(options: LetterOptions) -> str:
    """Return options as they are kept."""
    return msgspec.json.encode(options).decode()


def decoded(kept: str) -> LetterOptions:
    """Return what ``encoded`` was given. Raises ``Invalid("options", …)`` for anything else."""
    try:
        return msgspec.json.decode(kept, type=LetterOptions)
    except msgspec.DecodeError as error:
        raise Invalid("options", str(error)) from None
