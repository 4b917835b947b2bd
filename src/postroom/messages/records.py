"""Messages, their audience, roll and attachments as small typed records; and the limits that hold for all dialects."""

from typing import Final, Literal

from msgspec import Struct

from postroom.clock import DAY
from postroom.directory.records import Group, Mailbox
from postroom.directory.references import References

MAX_SUBJECT: Final = 200
MAX_CONTENT: Final = 15_000
MAX_FILENAME: Final = 100
MAX_DESCRIPTION: Final = 200
MAX_ATTACHMENTS: Final = 10
MAX_MAIL_FILES: Final = 26_214_400
"""Bytes of all files that one mail carries as parts, before their encoding adds a third; links have no such limit."""
DEFAULT_LIFETIME: Final = 14
"""Days that attachments can be fetched, counted from sending."""
MAX_LIFETIME: Final = 3_650
ROLL_LIFETIME: Final = DAY
"""Milliseconds that a roll stays valid after it was refreshed."""

MessageStatus = Literal["draft", "pending", "sent", "error"]
ContentFormat = Literal["plain", "html"]
Language = Literal["pl", "en"]
EmailSource = Literal["primary_only", "alt_only", "primary_preferred", "alt_preferred"]
Role = Literal["to", "cc", "bcc", "self"]
Disposition = Literal["link", "attachment", "inline"]
Importance = Literal["highest", "high", "normal", "low", "lowest"]
Lane = Literal["single", "bulk"]
State = Literal["listed", "queued", "sending", "deferred", "unknown", "delivered", "failed", "suppressed", "expired", "cancelled"]


class Message(Struct, frozen=True, kw_only=True):
    """One message, whatever its state; times in milliseconds (``postroom.clock``)."""

    id: int
    kind: Literal["message", "summary"]
    author_id: int | None
    dialect: str
    subject: str
    content: str
    content_format: ContentFormat
    language: Language | None
    from_address_id: int | None
    send_summary: bool
    send_to_myself: bool
    attachments_lifetime: int
    status: MessageStatus
    audience_version: int
    roll_version: int | None
    roll_refreshed_at: int | None
    thread_id: int | None
    """Of an answer: the number of the first message of its thread."""
    in_reply_to: int | None
    created_at: int
    modified_at: int
    sent_at: int | None
    settled_at: int | None

    def roll_valid(self, now: int) -> bool:
        """Tell whether the roll may be sent to: made after the last change of the audience, less than 24 hours ago; for good once sent."""
        if self.status != "draft":
            return True
        return (
            self.roll_version == self.audience_version
            and self.roll_refreshed_at is not None
            and now - self.roll_refreshed_at < ROLL_LIFETIME
        )


class DraftContent(Struct, frozen=True, kw_only=True):
    """What an author says and wants of a new draft."""

    subject: str = ""
    content: str = ""
    content_format: ContentFormat = "plain"
    from_address_id: int | None = None
    send_summary: bool = False
    send_to_myself: bool = False
    attachments_lifetime: int = DEFAULT_LIFETIME
    in_reply_to: int | None = None
    """The message that this one answers, and whose thread it joins."""


class DraftChange(Struct, frozen=True, kw_only=True):
    """What is to change in a draft; ``None`` leaves a value as it is. ``from_address_id`` 0 means the author's own address."""

    subject: str | None = None
    content: str | None = None
    content_format: ContentFormat | None = None
    from_address_id: int | None = None
    send_summary: bool | None = None
    send_to_myself: bool | None = None
    attachments_lifetime: int | None = None


class Audience(Struct, frozen=True, kw_only=True):
    """The recipients group of a message: whom its author named, before groups are expanded."""

    primary_groups: list[Group]
    custom_groups: list[Group]
    """Custom and course groups."""
    user_ids: list[int]
    emails: list[str]


class AudienceChange(References, frozen=True, kw_only=True):
    """New content of each part of the recipients group; ``None`` leaves that part as it is, an empty list clears it."""


class Recipient(Struct, frozen=True, kw_only=True):
    """One line of a roll."""

    id: int
    user_id: int | None
    email: str | None
    role: Role
    state: State
    attempts: int
    due_at: int | None
    ambiguous: bool
    reply_code: int | None
    reply_text: str | None
    settled_at: int | None


class RollCounts(Struct, frozen=True, kw_only=True):
    """Sizes of the roll, without the copy to oneself."""

    recipients: int
    """All, people without an address included."""
    emails: int
    """Those that have an address."""


class Attachment(Struct, frozen=True, kw_only=True):
    """A file of a message: fetched through a link, or a part of the mail."""

    id: int
    message_id: int
    blob_key: str
    filename: str
    content_type: str
    size: int
    """Bytes."""
    md5: str | None = None
    """Hexadecimal digits, where the file came with a checksum."""
    description: str
    disposition: Disposition = "link"
    content_id: str | None = None
    """What the HTML calls an inline part by (``cid:``), without angle brackets."""
    created_at: int
    expires_at: int | None
    """End of the link's life; ``None`` until the message is sent."""
    revoked_at: int | None


class NewAttachment(Struct, frozen=True, kw_only=True):
    """An uploaded file that is to become an attachment."""

    blob_key: str
    filename: str
    content_type: str
    size: int
    description: str = ""
    disposition: Disposition = "link"
    content_id: str | None = None
    """For inline parts, and needed there."""


class CustomHeader(Struct, frozen=True, forbid_unknown_fields=True):
    """A header field that only the author's program knows."""

    name: str
    value: str


class Calendar(Struct, frozen=True, forbid_unknown_fields=True):
    """An iTIP message (RFC 5546), sent as an alternative to the text."""

    ics: str
    filename: str = ""
    """Under which it is attached once more, for programs that look for a file. Empty: it is not."""


class MailOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the mail is to be like beyond its text (``messages.mail``); ``messages.options`` says what each may hold."""

    sender: Mailbox | None = None
    """In place of the author. Without an address: the no-reply address under this name."""
    reply_to: tuple[Mailbox, ...] = ()
    importance: Importance | None = None
    read_receipt: bool = False
    """Ask the reader's program to tell when the mail was read (RFC 8098)."""
    delivery_receipt: bool = False
    """Ask the mail servers to tell when it was delivered (RFC 3461)."""
    automatic: Literal["", "generated", "replied"] = ""
    """Written by a program, by itself or in answer to a mail (RFC 3834): no receipts, no bounces, no vacation notices come back."""
    marked_generated: bool = False
    """Only said to be generated, as calendars are: receipts, bounces and answers are as welcome as with any mail of a person."""
    in_reply_to: str = ""
    """Message-ID of the mail that this one answers; with or without angle brackets, as are all others."""
    references: tuple[str, ...] = ()
    message_id: str = ""
    """Of a shared message; else, and when it is empty, we make one."""
    text: str | None = None
    """The text part of an HTML message, in place of one made from the HTML."""
    signature: bool = True
    """Whether the lines that name the author and the organisation stand at the end."""
    headers: tuple[CustomHeader, ...] = ()
    calendar: Calendar | None = None
    own_connection: bool = False
    """It leaves through the mail server that its author named (``messages.connections``), never through a relay."""
