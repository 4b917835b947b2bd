"""The whole schema on one page.

Keys are integers below 2^31, since one dialect prints them as digit strings and the others as numbers; only rows that are
never shown to a client by number (recipients, attempts, audience entries) may outgrow that. The number of a deleted user,
group, message or attachment is never given out again (``sqlite_autoincrement``; PostgreSQL's sequences do so by
themselves). Times are milliseconds since the epoch in UTC (``postroom.clock``), in columns named ``…_at``. Addresses are
kept as they were given and compared without regard to case through indexes on ``lower(email)``.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    null,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Big: Final = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key: SQLite numbers rows by itself only in a column declared INTEGER."""

Folded: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared by code points in both databases, so that an index finds what begins with something."""


# -- directory: who there is -----------------------------------------------------------------------------------------

users: Final = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, unique=True),  # the person's key in the system that people are imported from
    Column("first_name", Text, nullable=False),
    Column("middle_names", Text, nullable=False, server_default=""),
    Column("last_name", Text, nullable=False),
    Column("title_before", Text, nullable=False, server_default=""),
    Column("title_after", Text, nullable=False, server_default=""),
    Column("email", Text),
    Column("alt_email", Text),
    Column("language", Text, nullable=False, server_default="pl"),
    Column("picture", Text),
    Column("school", Text),
    Column("role", Text, nullable=False, server_default=""),  # such as student: who may write to whom goes by it (directory.contact_rules)
    Column("notify", Text, nullable=False, server_default="off"),  # of private messages, by mail: off, each, digest
    Column("notify_content", Boolean, nullable=False, server_default=false()),  # whether such a mail may hold what was written
    Column("notified_at", BigInteger),  # until when the last digest told of messages
    Column("password_hash", Text),
    Column("totp_secret", Text),  # encrypted: codes are made from it (directory.totp); null: the password alone is enough
    Column("totp_last", BigInteger, nullable=False, server_default="0"),  # number of the code that was used last: each is good once
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_users_lower_email", func.lower(users.c.email))
Index("ix_users_lower_alt_email", func.lower(users.c.alt_email))
Index("ix_users_names", users.c.last_name, users.c.first_name, users.c.id)
Index("ix_users_digest", users.c.id, sqlite_where=text("notify = 'digest'"), postgresql_where=text("notify = 'digest'"))

user_words: Final = Table(
    "user_words",
    metadata,
    Column("word", Folded, primary_key=True),  # of a person's names, folded (directory.names)
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_user_words_user_id", "user_id", "word"),
    sqlite_with_rowid=False,
)

institutional_addresses: Final = Table(
    "institutional_addresses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index("uq_institutional_addresses_lower_email", func.lower(institutional_addresses.c.email), unique=True)

address_assignments: Final = Table(
    "address_assignments",
    metadata,
    Column("address_id", ForeignKey("institutional_addresses.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("assigned_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Index("ix_address_assignments_user_id", "user_id"),
)

groups: Final = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column(
        "code", Text
    ),  # the group's key outside: of a primary group its USOS identifier ('' is the root), of a course group its course list
    Column("name", Text, nullable=False),
    Column("owner_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column(
        "parent_id", ForeignKey("groups.id", ondelete="CASCADE")
    ),  # primary groups form a tree; members of a group are members of its parents
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    CheckConstraint("kind IN ('primary', 'custom', 'course')", name="kind"),
    CheckConstraint("parent_id IS NULL OR kind = 'primary'", name="parent"),
    Index("uq_groups_kind_code", "kind", "code", unique=True),
    Index("ix_groups_parent_id", "parent_id"),
    Index("ix_groups_owner_id", "owner_id"),
    sqlite_autoincrement=True,
)

group_members: Final = Table(
    "group_members",
    metadata,
    Column("id", Big, primary_key=True),
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("subgroup_id", ForeignKey("groups.id", ondelete="CASCADE")),
    Column("email", Text),
    CheckConstraint(
        "(user_id IS NOT NULL AND subgroup_id IS NULL AND email IS NULL) OR (user_id IS NULL AND subgroup_id IS NOT NULL AND email IS NULL)"
        " OR (user_id IS NULL AND subgroup_id IS NULL AND email IS NOT NULL)",
        name="one_kind",
    ),
)
Index("uq_group_members_user", group_members.c.group_id, group_members.c.user_id, unique=True)
Index(
    "uq_group_members_subgroup",
    group_members.c.group_id,
    group_members.c.subgroup_id,
    unique=True,
    sqlite_where=group_members.c.subgroup_id.is_not(None),
    postgresql_where=group_members.c.subgroup_id.is_not(None),
)
Index(
    "uq_group_members_email",
    group_members.c.group_id,
    func.lower(group_members.c.email),
    unique=True,
    sqlite_where=group_members.c.email.is_not(None),
    postgresql_where=group_members.c.email.is_not(None),
)
Index("ix_group_members_user_id", group_members.c.user_id)
Index("ix_group_members_subgroup_id", group_members.c.subgroup_id)

clients: Final = Table(
    "clients",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("secret", Text, nullable=False),  # encrypted (storage.secrets): HMAC needs it back
    Column("name", Text, nullable=False),
    Column("administrative", Boolean, nullable=False, server_default=false()),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("created_at", BigInteger, nullable=False),
    Column("url", Text),  # page of the program, for people
    Column("email", Text, nullable=False, server_default=""),  # whom to write to about it
    Column("callbacks", Text, nullable=False, server_default=""),  # one on each line: where people may be sent after their consent
    Column("user_id", ForeignKey("users.id")),  # whose personal key it is: it acts for them without a token
    Index("ix_clients_user_id", "user_id", sqlite_where=text("user_id IS NOT NULL"), postgresql_where=text("user_id IS NOT NULL")),
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("secret", Text, nullable=False),  # encrypted, as above
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("scopes", Text, nullable=False, server_default=""),  # names separated by |
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_expires_at", "expires_at"),
    Index("ix_tokens_revoked_at", "revoked_at"),
)

request_tokens: Final = Table(
    "request_tokens",  # temporary credentials of OAuth 1.0a, until they are exchanged for a token
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("secret", Text, nullable=False),  # encrypted, as above
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("callback", Text, nullable=False),  # "oob": the person reads the verifier from the page
    Column("scopes", Text, nullable=False, server_default=""),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),  # who consented; null until somebody does
    Column("verifier", Text),  # a hash of it
    Column("wrong_verifiers", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_request_tokens_client_id", "client_id"),
    Index("ix_request_tokens_user_id", "user_id"),
    Index("ix_request_tokens_expires_at", "expires_at"),
)

sessions: Final = Table(
    "sessions",  # opened by a program with a person's password, and known to it by a token
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),  # the interface that it was opened at, and is good at
    Column("token_hash", Text, nullable=False, unique=True),  # of a random token that nobody needs back
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_sessions_user_id", "user_id", "id"),
    Index("ix_sessions_expires_at", "expires_at"),
)

login_failures: Final = Table(
    "login_failures",
    metadata,
    Column("subject", Text, primary_key=True),  # whose password, or from which address it was guessed at
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Index("ix_login_failures_last_at", "last_at"),
)

nonces: Final = Table(
    "nonces",
    metadata,
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True),
    Column("timestamp", BigInteger, primary_key=True),  # oauth_timestamp: seconds, as the client sent it
    Column("nonce", Text, primary_key=True),
    Index("ix_nonces_timestamp", "timestamp"),
    sqlite_with_rowid=False,
)

contacts: Final = Table(
    "contacts",  # a person's own address book
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False),  # personal: entered by its owner; frequent: learnt from what they sent
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    CheckConstraint("kind IN ('personal', 'frequent')", name="kind"),
    Index("ix_contacts_user_id", "user_id", "id"),
    sqlite_autoincrement=True,
)

contact_infos: Final = Table(
    "contact_infos",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contact_id", ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("is_primary", Boolean, nullable=False, server_default=false()),
    CheckConstraint("kind IN ('email', 'phone')", name="kind"),
    Index("ix_contact_infos_contact_id", "contact_id"),
    sqlite_autoincrement=True,
)
Index("ix_contact_infos_lower_value", func.lower(contact_infos.c.value), contact_infos.c.contact_id)


# -- messages: what is said ------------------------------------------------------------------------------------------

_OWN: Final = text("sent_at IS NOT NULL AND deleted_at IS NULL AND folder_id IS NULL")
_RECEIVED: Final = text("received_at IS NOT NULL AND deleted_at IS NULL")
_UNSENT: Final = (text("letter = 1 AND sent_at IS NULL"), text("letter AND sent_at IS NULL"))
_PLACED: Final = text("place IS NOT NULL")
_FILED: Final = text("folder_id IS NOT NULL")
_STANDS_IN_SENT: Final = text("sent_at IS NOT NULL AND deleted_at IS NULL AND superseded_at IS NULL")

messages: Final = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "kind", Text, nullable=False, server_default="message"
    ),  # summary: written by the server itself, of no author: a report, a notification
    Column("author_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("dialect", Text, nullable=False),
    Column("client_id", ForeignKey("clients.id")),  # the program that sent it in its own name; it can be disabled, not deleted
    Column("thread_id", ForeignKey("messages.id", ondelete="SET NULL")),
    Column("in_reply_to", ForeignKey("messages.id", ondelete="SET NULL")),
    Column("subject", Text, nullable=False, server_default=""),
    Column("content", Text, nullable=False, server_default=""),
    Column("content_format", Text, nullable=False, server_default="plain"),
    Column("language", Text),  # of headers and signature; null until sending
    Column("from_address_id", ForeignKey("institutional_addresses.id", ondelete="SET NULL")),
    Column("send_summary", Boolean, nullable=False, server_default=false()),
    Column("summary_email", Text),  # where the report of a message without an author goes
    Column("send_to_myself", Boolean, nullable=False, server_default=false()),
    Column("attachments_lifetime", Integer, nullable=False, server_default="14"),  # days, from sending
    Column("shared", Boolean, nullable=False, server_default=false()),  # one mail that names all its recipients, instead of one for each
    Column("letter", Boolean, nullable=False, server_default=false()),  # its author's mailbox tells of its end (messages.letters, endings)
    Column(
        "template", Boolean, nullable=False, server_default=false()
    ),  # subject and content hold {placeholders}, see recipients.variables
    Column(
        "mail", Text, nullable=False, server_default="{}"
    ),  # JSON: what the composer is to do beyond text (messages.records.MailOptions)
    Column("options", Text, nullable=False, server_default="{}"),  # JSON: what only one dialect knows of
    Column("given_id", Text),  # Message-ID that its author's program chose, without angle brackets: it is sent once (letter_identifiers)
    Column("foreign_parent", Text),  # Message-ID of the mail that it answers, if that is none of ours: what else answers it is one thread
    Column("status", Text, nullable=False, server_default="draft"),
    Column("audience_version", Integer, nullable=False, server_default="0"),  # grows with each change of the audience
    Column("roll_version", Integer),  # the audience_version that the roll was made from
    Column("roll_refreshed_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("settled_at", BigInteger),  # when the last recipient was done
    Column("bounced_at", BigInteger),  # a bounce came after the end, and no report has told of it yet
    Column("superseded_at", BigInteger),  # a later message of its author in its thread stands for both in the folder of sent messages
    Column("retain_until", BigInteger),  # gone for good after that, once settled; null: kept
    Column("deleted_at", BigInteger),  # gone from the author's list; recipients and delivery are untouched
    Column("important", Boolean, nullable=False, server_default=false()),  # to its author
    Column("place", Text),  # trash or spam: deleted_at is set, and the author can take it out again
    Column("folder_id", ForeignKey("user_folders.id")),  # of the author's own, instead of the one that it belongs to
    Column("replied_at", BigInteger),  # when its author said so; answers that are ours say so by themselves
    CheckConstraint("kind IN ('message', 'summary')", name="kind"),
    CheckConstraint("status IN ('draft', 'pending', 'sent', 'error')", name="status"),
    CheckConstraint("content_format IN ('plain', 'html')", name="content_format"),
    Index("ix_messages_author_id", "author_id", "id"),
    Index("ix_messages_sent", "author_id", "sent_at", "id", sqlite_where=_STANDS_IN_SENT, postgresql_where=_STANDS_IN_SENT),
    Index("ix_messages_own", "author_id", "sent_at", "id", "status", "thread_id", sqlite_where=_OWN, postgresql_where=_OWN),
    Index("ix_messages_unsent", "author_id", "modified_at", sqlite_where=_UNSENT[0], postgresql_where=_UNSENT[1]),
    Index("ix_messages_place", "author_id", "place", sqlite_where=_PLACED, postgresql_where=_PLACED),
    Index("ix_messages_folder_id", "folder_id", sqlite_where=_FILED, postgresql_where=_FILED),
    Index("ix_messages_pending", "id", sqlite_where=text("status = 'pending'"), postgresql_where=text("status = 'pending'")),
    Index(
        "ix_messages_client_id",  # what programs sent and is not done; what is done grows without bounds and is not asked for by program
        "client_id",
        sqlite_where=text("status = 'pending' AND client_id IS NOT NULL"),
        postgresql_where=text("status = 'pending' AND client_id IS NOT NULL"),
    ),
    Index(
        "ix_messages_from_address_id",
        "from_address_id",
        sqlite_where=text("from_address_id IS NOT NULL"),
        postgresql_where=text("from_address_id IS NOT NULL"),
    ),
    Index("ix_messages_thread_id", "thread_id"),
    Index("ix_messages_in_reply_to", "in_reply_to"),
    Index(
        "ix_messages_foreign_parent",
        "author_id",
        "foreign_parent",
        sqlite_where=text("foreign_parent IS NOT NULL"),
        postgresql_where=text("foreign_parent IS NOT NULL"),
    ),
    Index(
        "uq_messages_given_id",
        "given_id",
        "author_id",
        unique=True,
        sqlite_where=text("given_id IS NOT NULL"),
        postgresql_where=text("given_id IS NOT NULL"),
    ),
    Index(
        "ix_messages_bounced_at", "bounced_at", sqlite_where=text("bounced_at IS NOT NULL"), postgresql_where=text("bounced_at IS NOT NULL")
    ),
    Index(
        "ix_messages_retain_until",
        "retain_until",
        sqlite_where=text("retain_until IS NOT NULL"),
        postgresql_where=text("retain_until IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

audience: Final = Table(
    "audience",
    metadata,
    Column("id", Big, primary_key=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE")),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("email", Text),
    CheckConstraint(
        "(group_id IS NOT NULL AND user_id IS NULL AND email IS NULL) OR (group_id IS NULL AND user_id IS NOT NULL AND email IS NULL)"
        " OR (group_id IS NULL AND user_id IS NULL AND email IS NOT NULL)",
        name="one_kind",
    ),
    Index("uq_audience_group", "message_id", "group_id", unique=True),
    Index("uq_audience_user", "message_id", "user_id", unique=True),
    Index("ix_audience_group_id", "group_id", sqlite_where=text("group_id IS NOT NULL"), postgresql_where=text("group_id IS NOT NULL")),
)
Index(
    "uq_audience_email",
    audience.c.message_id,
    func.lower(audience.c.email),
    unique=True,
    sqlite_where=audience.c.email.is_not(None),
    postgresql_where=audience.c.email.is_not(None),
)

attachments: Final = Table(
    "attachments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("blob_key", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("md5", Text),  # hexadecimal digits, where the dialect that it came through wants to know
    Column("description", Text, nullable=False, server_default=""),
    Column("disposition", Text, nullable=False, server_default="link"),  # link: fetched through the door; else a part of the mail
    Column("content_id", Text),  # of an inline part, without angle brackets
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null until the message is sent
    Column("revoked_at", BigInteger),  # the link is withdrawn, the blob may be gone
    Index("ix_attachments_message_id", "message_id"),
    CheckConstraint("disposition IN ('link', 'attachment', 'inline')", name="disposition"),
    Index(
        "ix_attachments_expires_at",
        "expires_at",
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
    Index("ix_attachments_blob_key", "blob_key"),
    sqlite_autoincrement=True,
)

user_folders: Final = Table(
    "user_folders",  # a tree for each person
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", ForeignKey("user_folders.id", ondelete="CASCADE")),
    Column("name", Text, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Index("ix_user_folders_user_id", "user_id"),
    Index("ix_user_folders_parent_id", "parent_id"),
    sqlite_autoincrement=True,
)

labels: Final = Table(
    "labels",  # what a person marks messages with
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("style", Text, nullable=False, server_default=""),
    Column("addresses", Text, nullable=False, server_default="[]"),  # JSON: whose mails it is for, as they were written
    Index("ix_labels_user_id", "user_id"),
    sqlite_autoincrement=True,
)

labelled: Final = Table(
    "labelled",  # a message of its author's, or the line of a roll by which it came to somebody
    metadata,
    Column("id", Big, primary_key=True),
    Column("label_id", ForeignKey("labels.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE")),
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE")),
    CheckConstraint("(message_id IS NULL) <> (recipient_id IS NULL)", name="one_kind"),
    Index("uq_labelled_message_id", "message_id", "label_id", unique=True),
    Index("uq_labelled_recipient_id", "recipient_id", "label_id", unique=True),
    Index("ix_labelled_label_id", "label_id"),
)

label_addresses: Final = Table(
    "label_addresses",  # the addresses of labels once more, as messages are labelled by them when they come
    metadata,
    Column("email", Text, primary_key=True),  # alone, in lower case
    Column("label_id", ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_label_addresses_label_id", "label_id"),
)

message_words: Final = Table(
    "message_words",  # what messages are found by (messages.search); SQLite keeps an index of it in tables of its own: message_index
    metadata,
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("words", Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
)

unindexed_messages: Final = Table(
    "unindexed_messages",  # were there before the index was: housekeeping adds them to it
    metadata,
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
)

mail_accounts: Final = Table(
    "mail_accounts",  # what a person has settled for one of the addresses (directory.owned_addresses), and the number that it has
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False),  # in lower case
    Column("signature", Text, nullable=False, server_default=""),  # HTML
    Column("signature_on", Boolean, nullable=False, server_default=false()),
    Column("autoreply", Text, nullable=False, server_default="{}"),  # JSON
    Column("is_default", Boolean, nullable=False, server_default=false()),  # what programs write from unless told otherwise
    Index("uq_mail_accounts_user_id_email", "user_id", "email", unique=True),
    sqlite_autoincrement=True,
)

account_servers: Final = Table(
    "account_servers",  # the mail server that an account has of each kind, and the login there (directory.account_servers)
    metadata,
    Column("account_id", ForeignKey("mail_accounts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("security", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("secret", Text, nullable=False),  # the password, encrypted
    CheckConstraint("kind IN ('smtp', 'imap')", name="kind"),
    CheckConstraint("security IN ('none', 'starttls_if_offered', 'tls')", name="security"),
)

mail_filters: Final = Table(
    "mail_filters",  # what is to be done with messages of a person's mailbox by themselves
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),  # in the order of which they act
    Column("enabled", Boolean, nullable=False),
    Column("rule", Text, nullable=False),  # JSON: conditions and actions
    Index("ix_mail_filters_user_id", "user_id"),
    sqlite_autoincrement=True,
)

mail_settings: Final = Table(
    "mail_settings",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("conversations", Boolean, nullable=False, server_default=true()),
    Column("all_images", Boolean, nullable=False, server_default=false()),
    Column("next_after_move", Boolean, nullable=False, server_default=false()),
    Column("replace_body", Boolean, nullable=False, server_default=false()),
)

image_addresses: Final = Table(
    "image_addresses",  # whose foreign images a person wants to be shown
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("email", Text, primary_key=True),  # in lower case
)

alerts: Final = Table(
    "alerts",  # what a person is to be told at once, until they take it away
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),  # whose delivery failed
    Column("told_in", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),  # the letter that says more
    Column("sender", Text, nullable=False),  # From and subject as they were then
    Column("subject", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("kind IN ('delivery_failure')", name="kind"),
    Index("ix_alerts_user_id", "user_id", "id"),
    Index("ix_alerts_message_id", "message_id"),
    Index("ix_alerts_told_in", "told_in"),
    sqlite_autoincrement=True,
)

autoreply_history: Final = Table(
    "autoreply_history",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("sender", Text, primary_key=True),  # the address that answered by itself, in lower case, as is the next
    Column("email", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

uploads: Final = Table(
    "uploads",  # files announced, and then sent, before there is a message that they belong to
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("filename", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # as announced; what comes must agree
    Column("md5", Text),  # as announced, or as found
    Column("content_type", Text),
    Column("blob_key", Text),  # null until all of it has come
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),  # forgotten then, unless a message has taken it over
    Index("ix_uploads_user_id", "user_id"),
    Index("ix_uploads_expires_at", "expires_at"),
    Index("ix_uploads_blob_key", "blob_key"),
    sqlite_autoincrement=True,
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True),  # dialect, program and person: nobody meets the keys of others
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # of the request
    Column("answer", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Index("ix_idempotency_keys_created_at", "created_at"),
)


# -- recipients: the roll, the queue and the inbox are one table -----------------------------------------------------

WAITING_STATES: Final = ("queued", "deferred", "unknown")
"""States of a recipient that is due at ``due_at``; one with no ``due_at`` is held until a person decides."""

OPEN_STATES: Final = (*WAITING_STATES, "sending")
"""States of a recipient whose outcome is still to come."""

FINAL_STATES: Final = ("delivered", "failed", "suppressed", "expired", "cancelled")
"""The five ways in which a recipient is accounted for."""

_WAITING: Final = text("state IN ('queued', 'deferred', 'unknown')")
_OPEN: Final = text("state IN ('queued', 'deferred', 'unknown', 'sending')")
_UNREAD: Final = text("received_at IS NOT NULL AND deleted_at IS NULL AND superseded_at IS NULL AND read_at IS NULL")

recipients: Final = Table(
    "recipients",
    metadata,
    Column("id", Big, primary_key=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL")),
    Column("email", Text),  # the envelope recipient, frozen; null: this person has no address
    Column("name", Text),  # what the author calls them, '' included; null: by no name of the author's
    Column("variables", Text),  # JSON object: values of the placeholders of a template, for this recipient
    Column("role", Text, nullable=False, server_default="to"),
    Column("state", Text, nullable=False, server_default="listed"),  # listed: on the roll of a draft, not yet handed over
    Column("lane", Text, nullable=False, server_default="single"),
    Column("due_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("recoveries", Integer, nullable=False, server_default="0"),  # times that a worker died while it sent to this recipient
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("ambiguous", Boolean, nullable=False, server_default=false()),  # perhaps delivered twice: an outcome was once unknown
    Column("reply_code", Integer),
    Column("reply_text", Text),  # the last reply of the relay, or the reason in words
    Column("settled_at", BigInteger),
    Column("received_at", BigInteger),  # when it came to this person's mailbox; null for bare addresses, copies to oneself and drafts
    Column("superseded_at", BigInteger),  # a later message of its thread stands for both in this person's inbox
    Column("read_at", BigInteger),
    Column("deleted_at", BigInteger),
    Column("important", Boolean, nullable=False, server_default=false()),  # to this person
    Column("place", Text),  # trash or spam: deleted_at is set, and the person can take it out again
    Column("folder_id", ForeignKey("user_folders.id")),  # of the person's own, instead of the inbox
    Column("replied_at", BigInteger),  # when the person said that they answered; answers that are ours say so by themselves
    CheckConstraint(
        "state IN ('listed', 'queued', 'sending', 'deferred', 'unknown', 'delivered', 'failed', 'suppressed', 'expired', 'cancelled')",
        name="state",
    ),
    CheckConstraint("role IN ('to', 'cc', 'bcc', 'self')", name="role"),
    CheckConstraint("lane IN ('single', 'bulk')", name="lane"),
    CheckConstraint("user_id IS NOT NULL OR email IS NOT NULL", name="someone"),
    Index("ix_recipients_message_id", "message_id", "id"),
    Index("ix_recipients_due", "lane", "due_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index("ix_recipients_open", "message_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_recipients_lease", "lease_until", sqlite_where=text("state = 'sending'"), postgresql_where=text("state = 'sending'")),
    Index(
        "ix_recipients_mailbox",  # one for all lists of what came: each further one slows the writing of large rolls
        *("user_id", "received_at", "id", "message_id", "read_at", "superseded_at", "folder_id"),
        sqlite_where=_RECEIVED,
        postgresql_where=_RECEIVED,
    ),
    Index("ix_recipients_place", "user_id", "place", "received_at", sqlite_where=_PLACED, postgresql_where=_PLACED),
    Index("ix_recipients_folder_id", "folder_id", "received_at", sqlite_where=_FILED, postgresql_where=_FILED),
    Index("ix_recipients_unread", "user_id", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
)
Index(
    "ix_recipients_inbox",
    recipients.c.user_id,
    recipients.c.message_id,
    sqlite_where=recipients.c.user_id.is_not(None),
    postgresql_where=recipients.c.user_id.is_not(None),
)


due_autoreplies: Final = Table(
    "due_autoreplies",  # letters that came to an address that answers by itself, until the worker has looked at them
    metadata,
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
)

due_filters: Final = Table(
    "due_filters",  # what came to somebody who has filters, or was sent by such a person, until the worker has looked at it
    metadata,
    Column("id", Big, primary_key=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE")),
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE")),
    CheckConstraint("(message_id IS NULL) <> (recipient_id IS NULL)", name="one_kind"),
    Index("uq_due_filters_message_id", "message_id", unique=True),
    Index("uq_due_filters_recipient_id", "recipient_id", unique=True),
)


STANDS_IN_SENT: Final = and_(messages.c.sent_at.is_not(None), messages.c.deleted_at.is_(None), messages.c.superseded_at.is_(None))
"""The message stands for its thread in its author's folder of sent messages: condition of queries by ``ix_messages_sent``."""

STANDS_IN_INBOX: Final = and_(
    recipients.c.received_at.is_not(None), recipients.c.deleted_at.is_(None), recipients.c.superseded_at.is_(None)
)
"""The message stands for its thread in a person's inbox: condition of queries by ``ix_recipients_mailbox``."""

IS_UNREAD: Final = and_(STANDS_IN_INBOX, recipients.c.read_at.is_(None))
"""As above, and the thread is unread: condition of queries by ``ix_recipients_unread``."""


def _in_state(*states: str) -> ColumnElement[bool]:
    """Compare the state with words, not bound values: a planner uses a partial index only when it can read the condition in the query."""
    return recipients.c.state.in_(bindparam(None, states, expanding=True, literal_execute=True))


IS_WAITING: Final = _in_state(*WAITING_STATES)
"""Condition of queries by ``ix_recipients_due``."""

IS_OPEN: Final = _in_state(*OPEN_STATES)
"""Condition of queries by ``ix_recipients_open``."""

IS_HELD: Final = and_(IS_WAITING, recipients.c.due_at == null())
"""Waits, without a due time, until a person decides."""

IS_SENDING: Final = recipients.c.state == literal_column("'sending'")
"""Condition of queries by ``ix_recipients_lease``."""


attempts: Final = Table(
    "attempts",
    metadata,
    Column("id", Big, primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("relay", Text, nullable=False),
    Column("outcome", Text, nullable=False),  # the state it led to: deferred, unknown, failed, expired
    Column("fault", Text),  # whose matter a refusal was (delivery.records.Fault)
    Column("reply_code", Integer),
    Column("reply_text", Text, nullable=False),
    Index("ix_attempts_recipient_id", "recipient_id"),
)


# -- delivery: what comes back, what goes elsewhere ------------------------------------------------------------------

suppressions: Final = Table(
    "suppressions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),  # the words of the mail server, or of whoever added it
    Column("message_id", ForeignKey("messages.id", ondelete="SET NULL")),  # whose mail bounced
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null: until somebody removes it
    CheckConstraint("reason IN ('hard_bounce', 'complaint', 'manual', 'import')", name="reason"),
    Index("ix_suppressions_expires_at", "expires_at"),
    Index("ix_suppressions_message_id", "message_id"),
)
Index("uq_suppressions_lower_email", func.lower(suppressions.c.email), unique=True)

sent_copies: Final = Table(
    "sent_copies",
    metadata,
    Column("id", Big, primary_key=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("security", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("secret", Text, nullable=False),  # the password, encrypted; empty once the copy is done
    Column("folder", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("due_at", BigInteger),
    Column("expires_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),  # logins that the server refused
    Column("recoveries", Integer, nullable=False, server_default="0"),  # times that a worker died over it
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("reply_text", Text),  # the last words of the IMAP server, or why there is no copy
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    CheckConstraint("security IN ('none', 'starttls', 'tls')", name="security"),
    CheckConstraint("state IN ('queued', 'sending', 'done', 'failed')", name="state"),
    Index("ix_sent_copies_message_id", "message_id"),
    Index("ix_sent_copies_due", "due_at", sqlite_where=text("state = 'queued'"), postgresql_where=text("state = 'queued'")),
    Index("ix_sent_copies_lease", "lease_until", sqlite_where=text("state = 'sending'"), postgresql_where=text("state = 'sending'")),
    Index("ix_sent_copies_settled_at", "settled_at"),
)

connections: Final = Table(
    "connections",  # the mail server that a message leaves through instead of a relay (messages.connections); gone when it is settled
    metadata,
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("security", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("secret", Text, nullable=False),  # the password, encrypted
    CheckConstraint("security IN ('none', 'starttls_if_offered', 'tls')", name="security"),
)

workers: Final = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),  # as in recipients.lease_owner
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("on_wire", Text, nullable=False, server_default="[]"),  # JSON: numbers of the recipients whose mail it may be handing over
    Column("report", Text, nullable=False, server_default="{}"),  # JSON: its relays and the domains that it holds back
)

counters: Final = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),  # such as bounce.forged
    Column("value", BigInteger, nullable=False),
)
