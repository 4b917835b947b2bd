"""The objects of the e-mail agent (wire/superoffice.md §4.1 to §4.3, §4.5): names and order are those of the wire.

An unset text or object is ``None``, an unset number 0, an unset date ``NEVER``, an unset choice the first.
"""

from enum import IntEnum, IntFlag

from msgspec import field

from postroom.dialects.superoffice.wire_types import NEVER, Carrier, Moment


class EMailPriority(IntEnum):
    """How urgent a mail is."""

    NO_PRIORITY = 0
    HIGHEST = 1
    HIGH = 2
    NORMAL = 3
    LOW = 4
    LOWEST = 5


class EMailFlags(IntFlag):
    """The state of a mail, as IMAP has it."""

    NONE = 0
    SEEN = 1
    DELETED = 2
    RECENT = 4
    FLAGGED = 8
    DRAFT = 16
    ANSWERED = 32


class CalMethod(IntEnum):
    """What the appointment in a mail asks for (RFC 5546)."""

    UNKNOWN = 0
    ADD = 1
    CANCEL = 2
    COUNTER = 3
    DECLINE_COUNTER = 4
    PUBLISH = 5
    REFRESH = 6
    REPLY = 7
    REQUEST = 8


class CalReplyStatus(IntEnum):
    """What somebody answered to an appointment."""

    UNKNOWN = 0
    ACCEPTED = 1
    DECLINED = 2
    TENTATIVE = 3


class EMailAddress(Carrier, kw_only=True):
    """An address, and who is behind it."""

    contact_id: int = 0
    contact_name: str | None = None
    person_id: int = 0
    person_name: str | None = None
    associate_id: int = 0
    address: str | None = None
    email_id: int = 0
    duplicate_person_ids: list[int] = field(default_factory=list)
    """Everybody who has this address."""
    name: str | None = None
    """As it stands before the address."""


class EMailConnectionInfo(Carrier, kw_only=True):
    """A mail server, and how to log in there: SMTP or IMAP, as the call has it."""

    server_name: str | None = None
    """Host, or ``host:port``."""
    user_name: str | None = None
    password: str | None = None
    folder: str | None = None
    use_ssl: bool = field(default=False, name="UseSSL")
    """TLS from the first byte; otherwise STARTTLS where it is offered."""
    use_graph_api: bool = False

    def __repr__(self) -> str:
        return f"EMailConnectionInfo(server_name={self.server_name!r})"


class EMailConnectionInfoExtended(Carrier, kw_only=True):
    """A mail server with its port and protocol."""

    port: int = 0
    server_name: str | None = None
    protocol: str | None = None
    user_name: str | None = None
    password: str | None = None
    use_ssl: bool = field(default=False, name="UseSSL")
    folder: str | None = None
    use_graph_api: bool = False

    def __repr__(self) -> str:
        return f"EMailConnectionInfoExtended(server_name={self.server_name!r}, port={self.port})"


class EMailAttachment(Carrier, kw_only=True):
    """A file of a mail."""

    description: str | None = None
    filename: str | None = None
    size: int = 0
    type: str | None = None
    """Content-Type."""
    encoding: str | None = None
    """Content-Transfer-Encoding."""
    id: str | None = None
    """Content-ID."""
    disposition: str | None = None
    """Content-Disposition."""
    stream: bytes | None = None
    is_safe_file_extension: bool = False


class EMailCustomHeader(Carrier, kw_only=True):
    """A header field that has no property of its own."""

    name: str | None = None
    values: list[str] = field(default_factory=list)


class EMailSOInfo(Carrier, kw_only=True):
    """What the CRM keeps beside a mail."""

    document_id: int = 0
    appointment_id: int = 0
    project_id: int = 0
    sale_id: int = 0
    archived: bool = False
    archived_at: Moment = NEVER
    archived_by: int = 0
    archived_display_name: str | None = None


class EMailEnvelope(Carrier, kw_only=True):
    """The outside of a mail."""

    server_id: int = 0
    server_identifier: str | None = None
    message_id: str | None = None
    subject: str | None = None
    from_: EMailAddress | None = field(default=None, name="From")
    to: list[EMailAddress] = field(default_factory=list)
    sent: Moment = NEVER
    priority: EMailPriority = EMailPriority.NO_PRIORITY
    flags: EMailFlags = EMailFlags.NONE
    size: int = 0
    email_so_info: EMailSOInfo | None = field(default=None, name="EMailSOInfo")


class EMailEntity(Carrier, kw_only=True):
    """A mail."""

    to: list[EMailAddress] = field(default_factory=list)
    cc: list[EMailAddress] = field(default_factory=list)
    bcc: list[EMailAddress] = field(default_factory=list)
    subject: str | None = None
    html_body: str | None = field(default=None, name="HTMLBody")
    from_: EMailAddress | None = field(default=None, name="From")
    sent: Moment = NEVER
    size: int = 0
    priority: EMailPriority = EMailPriority.NO_PRIORITY
    flags: EMailFlags = EMailFlags.NONE
    message_id: str | None = field(default=None, name="MessageID")
    plain_body: str | None = None
    is_sent: bool = False
    email_so_info: EMailSOInfo | None = field(default=None, name="EMailSOInfo")
    server_id: int = 0
    server_identifier: str | None = None
    attachments: list[EMailAttachment] = field(default_factory=list)
    custom_header_list: list[EMailCustomHeader] = field(default_factory=list)
    folder_name: str | None = None
    email_item_id: int = 0
    account_id: int = 0
    received_at: Moment = NEVER
    in_reply_to: EMailEnvelope | None = None
    replied_at: Moment = NEVER
    has_calendar_data: bool = False
    cal_method: CalMethod = CalMethod.UNKNOWN
    cal_reply_status: CalReplyStatus = CalReplyStatus.UNKNOWN


class EMailFolder(Carrier, kw_only=True):
    """A folder of a mailbox."""

    name: str | None = None
    delimiter: str | None = None
    flags: str | None = None
    total_items: int = 0
    unread_items: int = 0
    subscribed: bool = False
    email_folder_id: int = 0


class ServiceAuth(Carrier, kw_only=True):
    """A mail server of an account, and how to log in there."""

    service_auth_id: int = 0
    server: str | None = None
    port: int = 0
    auth_type: str | None = None
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"ServiceAuth(server={self.server!r}, port={self.port})"


class EMailAccount(Carrier, kw_only=True):
    """An account of a person at mail servers."""

    email_account_id: int = field(default=0, name="EMailAccountId")
    email_address: str | None = field(default=None, name="EMailAddress")
    associate_id: int = 0
    incoming_credentials: ServiceAuth | None = None
    """IMAP."""
    outgoing_credentials: ServiceAuth | None = None
    """SMTP."""
    account_status: int = 0
    """0 unknown, 1 deleted, 2 failing, 3 failed, 4 in order."""
    error_count: int = 0
    error_reason: str | None = None
    inbox_folder: str | None = None
    sent_folder: str | None = None
    simple_mode: int = 0
    last_fetch: Moment = NEVER
    use_graph_api: int = 0


class Appointment(Carrier, kw_only=True):
    """An appointment of the CRM. There are none here, so this is never more than its name."""

    appointment_id: int = 0


class EMailAppointment(Carrier, kw_only=True):
    """The appointment in a mail."""

    appointment: Appointment | None = None
    cal_method: CalMethod = CalMethod.UNKNOWN
    participants: list[str] = field(default_factory=list)
    comment: str | None = None
    sequence: int = 0
    dt_start: Moment = NEVER
    dt_end: Moment = NEVER
    superseded: bool = False


class ContactOrPersonFromEmail(Carrier, kw_only=True):
    """Somebody, or an organisation, behind an address."""

    person_id: int = 0
    full_name: str | None = None
    email_address: str | None = None
    contact_id: int = 0
    contact_name: str | None = None
    contact_department: str | None = None
    contact_category: str | None = None
    sort_name: str | None = None


class SyncUserAccount(Carrier, kw_only=True):
    """An account whose mail is fetched."""

    account_id: int = 0
    associate_name: str | None = None
    associate_id: int = 0


class Person(Carrier, kw_only=True):
    """A person, in short."""

    position: str | None = None
    person_id: int = 0
    mrmrs: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    middle_name: str | None = None
    title: str | None = None
    description: str | None = None
    email: str | None = None
    full_name: str | None = None
    direct_phone: str | None = None
    formal_name: str | None = None
    country_id: int = 0
    contact_id: int = 0
    contact_name: str | None = None
    retired: int = 0
    rank: int = 0
    active_interests: int = 0
    contact_department: str | None = None
    contact_country_id: int = 0
    contact_org_nr: str | None = None
    fax_phone: str | None = None
    mobile_phone: str | None = None
    contact_phone: str | None = None
    associate_name: str | None = None
    associate_id: int = 0
    use_person_address: bool = False
    contact_fax: str | None = None
    kanafname: str | None = None
    kanalname: str | None = None
    post1: str | None = None
    post2: str | None = None
    post3: str | None = None
    email_name: str | None = None
    contact_full_name: str | None = None
    active_erp_links: int = 0
    ticket_priority_id: int = 0
    support_language_id: int = 0
    support_associate_id: int = 0
    category_name: str | None = None
    person_number: str | None = None
