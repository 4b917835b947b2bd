"""The objects of services/mailclient (wire/usos.md §4.1 to §4.4): our records ↔ their shapes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from postroom.clock import SECOND
from postroom.dialects.endpoint import Field, ObjectType, by_name
from postroom.dialects.usos.objects import CUSTOM_GROUP, INSTITUTIONAL_ADDRESS, PRIMARY_GROUP, USER, AddressView, GroupNode, UserView
from postroom.messages.records import Attachment, Message, Recipient, RollCounts, State

RecipientStatus = Literal["pending", "error", "sent"]

_STATUS: Final[Mapping[State, RecipientStatus | None]] = {
    "listed": None,
    "queued": "pending",
    "sending": "pending",
    "deferred": "pending",
    "unknown": "pending",
    "delivered": "sent",
    "failed": "error",
    "suppressed": "error",
    "expired": "error",
    "cancelled": "error",
}


class AttachmentView(Struct, frozen=True, kw_only=True):
    """An attachment with its address."""

    attachment: Attachment
    url: str


class MessageView(Struct, frozen=True, kw_only=True):
    """A message with what was asked for beside it; what was not asked for may be ``None``."""

    message: Message
    date: str
    recipients_valid: bool
    address: AddressView | None
    counts: RollCounts | None
    attachments: list[AttachmentView]


class RecipientView(Struct, frozen=True, kw_only=True):
    """A line of a roll, with its user if that was asked for."""

    recipient: Recipient
    user: UserView | None


class GroupView(Struct, frozen=True, kw_only=True):
    """The recipients group of a message."""

    primary_groups: list[GroupNode]
    custom_groups: list[GroupNode]
    users: list[UserView]
    emails: list[str]


def date_text(at: int, zone: ZoneInfo) -> str:
    """Write a time in milliseconds as ``yyyy-mm-dd hh:mm:ss`` in local time, without an offset (§3.3)."""
    return datetime.fromtimestamp(at // SECOND, zone).strftime("%Y-%m-%d %H:%M:%S")


def ids(numbers: Iterable[int]) -> list[str]:
    """Write numbers as IDs: digit strings (§5.2)."""
    return [str(number) for number in numbers]


def status_of(state: State) -> RecipientStatus | None:
    """Return a recipient's state in the words of the dialect (§4.5)."""
    return _STATUS[state]


def recipient_status(recipient: Recipient) -> RecipientStatus | None:
    """Return the status of a recipient: null while the message is a draft, and for whoever has no address (§4.3)."""
    return None if recipient.email is None else status_of(recipient.state)


ATTACHMENT: Final = ObjectType[AttachmentView](
    method="services/mailclient/attachment",
    fields=by_name(
        Field[AttachmentView](name="id", description="attachment ID", value=lambda view: str(view.attachment.id)),
        Field[AttachmentView](name="filename", description="file name of the attachment", value=lambda view: view.attachment.filename),
        Field[AttachmentView](name="size", description="size in bytes", value=lambda view: view.attachment.size),
        Field[AttachmentView](
            name="description", description="description of the attachment", value=lambda view: view.attachment.description
        ),
        Field[AttachmentView](name="url", description="URL of the file", value=lambda view: view.url),
    ),
    default="id|filename",
)

MESSAGE: Final = ObjectType[MessageView](
    method="services/mailclient/message",
    fields=by_name(
        Field[MessageView](name="id", description="message ID", value=lambda view: str(view.message.id)),
        Field[MessageView](
            name="from_inst_address",
            description="institutional address that the message is sent from, or null for the user's own",
            value=lambda view: view.address,
            target=INSTITUTIONAL_ADDRESS,
            only_primary=True,
        ),
        Field[MessageView](name="subject", description="subject", value=lambda view: view.message.subject),
        Field[MessageView](
            name="status",
            description="draft; pending: being sent; error: done, with problems for some recipients; sent: done, to all",
            value=lambda view: view.message.status,
        ),
        Field[MessageView](
            name="date",
            description="date and time of the last change; for messages that were sent, of sending",
            value=lambda view: view.date,
        ),
        Field[MessageView](
            name="send_summary",
            description="whether the user gets a summary report",
            value=lambda view: view.message.send_summary,
            primary=False,
        ),
        Field[MessageView](
            name="send_to_myself",
            description="whether the user gets a copy",
            value=lambda view: view.message.send_to_myself,
            primary=False,
        ),
        Field[MessageView](name="content", description="content", value=lambda view: view.message.content, primary=False),
        Field[MessageView](
            name="content_format", description="plain or html", value=lambda view: view.message.content_format, primary=False
        ),
        Field[MessageView](
            name="attachments_lifetime",
            description="days that the attachments are available",
            value=lambda view: view.message.attachments_lifetime,
            primary=False,
        ),
        Field[MessageView](
            name="recipients_valid",
            description="whether the recipients list is up to date; always true once sent",
            value=lambda view: view.recipients_valid,
            primary=False,
        ),
        Field[MessageView](
            name="recipients_count",
            description="number of all recipients, users without an address included",
            value=lambda view: None if view.counts is None else view.counts.recipients,
            primary=False,
        ),
        Field[MessageView](
            name="emails_count",
            description="number of recipients that the message really goes to",
            value=lambda view: None if view.counts is None else view.counts.emails,
            primary=False,
        ),
        Field[MessageView](
            name="attachments",
            description="list of attachments",
            value=lambda view: view.attachments,
            primary=False,
            target=ATTACHMENT,
        ),
    ),
    default="id|subject",
)

RECIPIENT: Final = ObjectType[RecipientView](
    method="services/mailclient/recipients",
    fields=by_name(
        Field[RecipientView](name="email", description="address, or null for a user who has none", value=lambda view: view.recipient.email),
        Field[RecipientView](name="user", description="user, or null for a bare address", value=lambda view: view.user, target=USER),
        Field[RecipientView](
            name="status",
            description="null: not being sent to this recipient; pending, error, sent",
            value=lambda view: recipient_status(view.recipient),
        ),
    ),
    default="email|user|status",
)

RECIPIENTS_GROUP: Final = ObjectType[GroupView](
    method="services/mailclient/recipients_group",
    fields=by_name(
        Field[GroupView](
            name="primary_groups",
            description="list of primary groups",
            value=lambda view: view.primary_groups,
            target=PRIMARY_GROUP,
            only_primary=True,
        ),
        Field[GroupView](
            name="custom_groups",
            description="list of custom groups",
            value=lambda view: view.custom_groups,
            target=CUSTOM_GROUP,
            only_primary=True,
        ),
        Field[GroupView](name="users", description="list of users", value=lambda view: view.users, target=USER),
        Field[GroupView](name="emails", description="list of single addresses", value=lambda view: view.emails),
    ),
    default="primary_groups|custom_groups|users|emails",
)
