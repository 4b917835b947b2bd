"""Delivery in full: shared and templated mail, files inside of mails, the suppression list, copies in Sent folders, late bounces.

Revision 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, indexes and tables."""
    _widen_messages()
    _widen_attachments()
    for column in (
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("variables", sa.Text(), nullable=True),
    ):
        op.add_column("recipients", column)
    op.add_column("attempts", sa.Column("fault", sa.Text(), nullable=True))
    _create_tables()


def _widen_messages() -> None:
    for column in (
        sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("template", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("mail", sa.Text(), server_default="{}", nullable=False),
        sa.Column("bounced_at", sa.BigInteger(), nullable=True),
        sa.Column("retain_until", sa.BigInteger(), nullable=True),
    ):
        op.add_column("messages", column)
    for name in ("bounced_at", "retain_until"):
        condition = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_messages_{name}", "messages", [name], sqlite_where=condition, postgresql_where=condition)
    pending = sa.text("status = 'pending'")
    op.create_index("ix_messages_pending", "messages", ["id"], sqlite_where=pending, postgresql_where=pending)


def _widen_attachments() -> None:
    # Said in SQL: Alembic would make the table anew on SQLite, though a column may bring its own condition along.
    op.execute(
        "ALTER TABLE attachments ADD COLUMN disposition TEXT DEFAULT 'link' NOT NULL"
        " CONSTRAINT ck_attachments_disposition CHECK (disposition IN ('link', 'attachment', 'inline'))"
    )
    op.add_column("attachments", sa.Column("content_id", sa.Text(), nullable=True))
    op.create_index("ix_attachments_blob_key", "attachments", ["blob_key"])
    op.drop_index("ix_attachments_expires_at", "attachments")  # it led through all links that were ever over
    alive = sa.text("revoked_at IS NULL")
    op.create_index("ix_attachments_expires_at", "attachments", ["expires_at"], sqlite_where=alive, postgresql_where=alive)


def _create_tables() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("reason IN ('hard_bounce', 'complaint', 'manual', 'import')", name=op.f("ck_suppressions_reason")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_suppressions_message_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    op.create_index("ix_suppressions_expires_at", "suppressions", ["expires_at"])
    op.create_index("ix_suppressions_message_id", "suppressions", ["message_id"])
    op.create_index("uq_suppressions_lower_email", "suppressions", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "sent_copies",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("security", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refusals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recoveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("reply_text", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("security IN ('none', 'starttls', 'tls')", name=op.f("ck_sent_copies_security")),
        sa.CheckConstraint("state IN ('queued', 'sending', 'done', 'failed')", name=op.f("ck_sent_copies_state")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_sent_copies_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_copies")),
    )
    op.create_index("ix_sent_copies_message_id", "sent_copies", ["message_id"])
    for name, column, state in (("due", "due_at", "queued"), ("lease", "lease_until", "sending")):
        condition = sa.text(f"state = '{state}'")
        op.create_index(f"ix_sent_copies_{name}", "sent_copies", [column], sqlite_where=condition, postgresql_where=condition)
    op.create_index("ix_sent_copies_settled_at", "sent_copies", ["settled_at"])
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("on_wire", sa.Text(), server_default="[]", nullable=False),
        sa.Column("report", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )


def downgrade() -> None:
    """Take it all back; what only these columns held is gone."""
    for table in ("counters", "workers", "sent_copies", "suppressions"):
        op.drop_table(table)
    op.drop_column("attempts", "fault")
    for name in ("variables", "name"):
        op.drop_column("recipients", name)
    op.drop_index("ix_attachments_expires_at", "attachments")
    op.create_index("ix_attachments_expires_at", "attachments", ["expires_at"])
    op.drop_index("ix_attachments_blob_key", "attachments")
    for name in ("content_id", "disposition"):
        op.drop_column("attachments", name)
    for name in ("bounced_at", "retain_until", "pending"):
        op.drop_index(f"ix_messages_{name}", "messages")
    for name in ("retain_until", "bounced_at", "mail", "template", "shared"):
        op.drop_column("messages", name)
