"""The first schema: every table and index, as they stood when it was made. Later changes are revisions of their own.

Revision 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "clients",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("administrative", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("key", name=op.f("uq_clients_key")),
    )
    op.create_table(
        "institutional_addresses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_institutional_addresses")),
    )
    op.create_index("uq_institutional_addresses_lower_email", "institutional_addresses", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("middle_names", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("title_before", sa.Text(), server_default="", nullable=False),
        sa.Column("title_after", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("alt_email", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), server_default="pl", nullable=False),
        sa.Column("picture", sa.Text(), nullable=True),
        sa.Column("school", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("uid", name=op.f("uq_users_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_users_lower_alt_email", "users", [sa.literal_column("lower(alt_email)")], unique=False)
    op.create_index("ix_users_lower_email", "users", [sa.literal_column("lower(email)")], unique=False)
    op.create_table(
        "address_assignments",
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("assigned_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["address_id"], ["institutional_addresses.id"], name=op.f("fk_address_assignments_address_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_address_assignments_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("address_id", "user_id", name=op.f("pk_address_assignments")),
    )
    op.create_index("ix_address_assignments_user_id", "address_assignments", ["user_id"], unique=False)
    op.create_table(
        "groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('primary', 'custom', 'course')", name=op.f("ck_groups_kind")),
        sa.CheckConstraint("parent_id IS NULL OR kind = 'primary'", name=op.f("ck_groups_parent")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_groups_owner_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["groups.id"], name=op.f("fk_groups_parent_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_groups_owner_id", "groups", ["owner_id"], unique=False)
    op.create_index("ix_groups_parent_id", "groups", ["parent_id"], unique=False)
    op.create_index("uq_groups_kind_code", "groups", ["kind", "code"], unique=True)
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="message", nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Integer(), nullable=True),
        sa.Column("in_reply_to", sa.Integer(), nullable=True),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("content_format", sa.Text(), server_default="plain", nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("from_address_id", sa.Integer(), nullable=True),
        sa.Column("send_summary", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("send_to_myself", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("attachments_lifetime", sa.Integer(), server_default="14", nullable=False),
        sa.Column("options", sa.Text(), server_default="{}", nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("audience_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("roll_version", sa.Integer(), nullable=True),
        sa.Column("roll_refreshed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("content_format IN ('plain', 'html')", name=op.f("ck_messages_content_format")),
        sa.CheckConstraint("kind IN ('message', 'summary')", name=op.f("ck_messages_kind")),
        sa.CheckConstraint("status IN ('draft', 'pending', 'sent', 'error')", name=op.f("ck_messages_status")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_messages_author_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["from_address_id"], ["institutional_addresses.id"], name=op.f("fk_messages_from_address_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["in_reply_to"], ["messages.id"], name=op.f("fk_messages_in_reply_to"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["thread_id"], ["messages.id"], name=op.f("fk_messages_thread_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_author_id", "messages", ["author_id", "id"], unique=False)
    op.create_index("ix_messages_in_reply_to", "messages", ["in_reply_to"], unique=False)
    op.create_index("ix_messages_thread_id", "messages", ["thread_id"], unique=False)
    op.create_table(
        "nonces",
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_nonces_client_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("client_id", "timestamp", "nonce", name=op.f("pk_nonces")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_nonces_timestamp", "nonces", ["timestamp"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("scopes", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_tokens_client_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token", name=op.f("uq_tokens_token")),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_attachments_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attachments_expires_at", "attachments", ["expires_at"], unique=False)
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"], unique=False)
    op.create_table(
        "audience",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(group_id IS NOT NULL AND user_id IS NULL AND email IS NULL) OR (group_id IS NULL AND user_id IS NOT NULL AND email IS NULL)"
            " OR (group_id IS NULL AND user_id IS NULL AND email IS NOT NULL)",
            name=op.f("ck_audience_one_kind"),
        ),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_audience_group_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_audience_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audience_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audience")),
    )
    op.create_index(
        "uq_audience_email",
        "audience",
        ["message_id", sa.literal_column("lower(email)")],
        unique=True,
        sqlite_where=sa.text("email IS NOT NULL"),
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.create_index("uq_audience_group", "audience", ["message_id", "group_id"], unique=True)
    op.create_index("uq_audience_user", "audience", ["message_id", "user_id"], unique=True)
    op.create_table(
        "group_members",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("subgroup_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(user_id IS NOT NULL AND subgroup_id IS NULL AND email IS NULL)"
            " OR (user_id IS NULL AND subgroup_id IS NOT NULL AND email IS NULL)"
            " OR (user_id IS NULL AND subgroup_id IS NULL AND email IS NOT NULL)",
            name=op.f("ck_group_members_one_kind"),
        ),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["subgroup_id"], ["groups.id"], name=op.f("fk_group_members_subgroup_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_group_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_members")),
    )
    op.create_index("ix_group_members_subgroup_id", "group_members", ["subgroup_id"], unique=False)
    op.create_index("ix_group_members_user_id", "group_members", ["user_id"], unique=False)
    op.create_index(
        "uq_group_members_email",
        "group_members",
        ["group_id", sa.literal_column("lower(email)")],
        unique=True,
        sqlite_where=sa.text("email IS NOT NULL"),
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.create_index(
        "uq_group_members_subgroup",
        "group_members",
        ["group_id", "subgroup_id"],
        unique=True,
        sqlite_where=sa.text("subgroup_id IS NOT NULL"),
        postgresql_where=sa.text("subgroup_id IS NOT NULL"),
    )
    op.create_index("uq_group_members_user", "group_members", ["group_id", "user_id"], unique=True)
    op.create_table(
        "recipients",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), server_default="to", nullable=False),
        sa.Column("state", sa.Text(), server_default="listed", nullable=False),
        sa.Column("lane", sa.Text(), server_default="single", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recoveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("ambiguous", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("reply_text", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("lane IN ('single', 'bulk')", name=op.f("ck_recipients_lane")),
        sa.CheckConstraint("role IN ('to', 'cc', 'bcc', 'self')", name=op.f("ck_recipients_role")),
        sa.CheckConstraint(
            "state IN ('listed', 'queued', 'sending', 'deferred', 'unknown', 'delivered', 'failed', 'suppressed', 'expired', 'cancelled')",
            name=op.f("ck_recipients_state"),
        ),
        sa.CheckConstraint("user_id IS NOT NULL OR email IS NOT NULL", name=op.f("ck_recipients_someone")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_recipients_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recipients_user_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipients")),
    )
    op.create_index(
        "ix_recipients_due",
        "recipients",
        ["lane", "due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'deferred', 'unknown')"),
        postgresql_where=sa.text("state IN ('queued', 'deferred', 'unknown')"),
    )
    op.create_index(
        "ix_recipients_inbox",
        "recipients",
        ["user_id", "message_id"],
        unique=False,
        sqlite_where=sa.text("user_id IS NOT NULL"),
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_index(
        "ix_recipients_lease",
        "recipients",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index("ix_recipients_message_id", "recipients", ["message_id", "id"], unique=False)
    op.create_index(
        "ix_recipients_open",
        "recipients",
        ["message_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'deferred', 'unknown', 'sending')"),
        postgresql_where=sa.text("state IN ('queued', 'deferred', 'unknown', 'sending')"),
    )
    op.create_table(
        "tags",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_tags_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tags_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", "user_id", "name", name=op.f("pk_tags")),
    )
    op.create_index("ix_tags_user_id", "tags", ["user_id", "name"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recipient_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("reply_text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_attempts_recipient_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_recipient_id", "attempts", ["recipient_id"], unique=False)


def downgrade() -> None:
    """Drop every table."""
    for name in (
        "attempts",
        "tags",
        "recipients",
        "group_members",
        "audience",
        "attachments",
        "tokens",
        "nonces",
        "messages",
        "groups",
        "address_assignments",
        "users",
        "institutional_addresses",
        "clients",
    ):
        op.drop_table(name)
