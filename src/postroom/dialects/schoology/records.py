"""The objects of private messages as they go over the wire, with keys in the order of the service (wire/schoology.md §4.2 to §4.4)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from postroom.dialects.schoology.attachments import Attachments

MessageStatus = Literal["read", "unread"]


class Links(Struct, frozen=True, kw_only=True):
    """Where an object is, and the rest of its list."""

    here: Annotated[str, Meta(description="Its own address.")] = field(name="self")
    next: Annotated[str | UnsetType, Meta(description="The next page, where more remains.")] = UNSET


class MessageItem(Struct, frozen=True, kw_only=True):
    """A thread, as it stands in a folder, or one message of it."""

    id: Annotated[int, Meta(description="Number of the thread.")]
    subject: str
    recipient_ids: Annotated[str, Meta(description="Numbers of the people it went to, as far as the reader may know, separated by commas.")]
    last_updated: Annotated[int, Meta(description="When it was received, or sent: seconds since the epoch.")]
    mid: None = None
    author_id: Annotated[int | None, Meta(description="Who wrote it; 0 for nobody that we know; null in the list of sent messages.")]
    message_status: Annotated[MessageStatus | None, Meta(description="Null in the list of sent messages and in what was just sent.")] = None
    message: Annotated[str, Meta(description="Plain text or HTML, as its author sent it; HTML without what could harm.")]
    attachments: Annotated[Attachments | UnsetType, Meta(description="Where they were asked for.")] = UNSET
    links: Annotated[Links | UnsetType, Meta(description="In lists.")] = UNSET


class MessageList(Struct, frozen=True, kw_only=True):
    """A page of a folder."""

    message: list[MessageItem]
    links: Links
    unread_count: Annotated[
        str | UnsetType, Meta(description="Unread threads of the inbox, in digits; absent in the list of sent messages.")
    ] = UNSET


class Thread(Struct, frozen=True, kw_only=True):
    """The messages of a thread, the oldest first."""

    message: list[MessageItem]


class RecipientItem(Struct, frozen=True, kw_only=True):
    """Somebody whom one may write to."""

    id: Annotated[str, Meta(description="Number of the person, in digits.")]
    name: str
    school: str
    picture_url: Annotated[str, Meta(description="Empty for whoever has no photograph.")]


class RecipientList(Struct, frozen=True, kw_only=True):
    """A page of those whom one may write to."""

    recipient: list[RecipientItem]
    links: Links


class FileIds(Struct, frozen=True):
    """Uploaded files that a message takes over."""

    id: list[int | str] | int | str = []


class NewAttachment(Struct, frozen=True, kw_only=True):
    """Something that a message is sent with: a link, a page to be embedded, or an uploaded file."""

    type: Annotated[str, Meta(description="link, embed or file; may be left out where the other fields tell.")] = ""
    url: str = ""
    title: str = ""
    embed: Annotated[str, Meta(description="Address of a page to be shown within the message.")] = ""
    fid: int | str = ""


class NewMessage(Struct, frozen=True, kw_only=True):
    """A message to be sent."""

    subject: Annotated[str | None, Meta(description="Required; at most 200 characters.")] = None
    message: Annotated[str | None, Meta(description="At most 15,000 characters.")] = None
    recipient_ids: Annotated[
        list[int | str] | int | str | None,
        Meta(description="Numbers of people, separated by commas. In a reply, none are all who take part."),
    ] = None
    id: Annotated[int | str | None, Meta(description="Number of the thread that it answers.")] = None
    file_attachment: Annotated[FileIds | str | None, Meta(description="Files that were uploaded before.")] = field(
        name="file-attachment", default=None
    )
    attachments: Annotated[
        list[NewAttachment] | NewAttachment | str | None, Meta(description="Links, pages to be embedded, and files that were uploaded.")
    ] = None


class StatusChange(Struct, frozen=True, kw_only=True):
    """What is to change in a thread."""

    message_status: MessageStatus
