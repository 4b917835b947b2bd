"""What private messages need: inboxes and folders of sent messages that show threads, roles, personal keys, uploads, notifications.

Revision 0004.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_IN_SENT: Final = "sent_at IS NOT NULL AND deleted_at IS NULL AND superseded_at IS NULL"
_IN_INBOX: Final = "received_at IS NOT NULL AND deleted_at IS NULL AND superseded_at IS NULL"

_RECEIVE: Final = """
UPDATE recipients
SET received_at = (SELECT sent_at FROM messages WHERE messages.id = recipients.message_id),
    read_at = (SELECT sent_at FROM messages WHERE messages.id = recipients.message_id)
WHERE user_id IS NOT NULL AND role <> 'self' AND state <> 'listed'
AND message_id IN (SELECT id FROM messages WHERE kind = 'message' AND sent_at IS NOT NULL)
"""
"""What was sent to people before stands in their inboxes, too; as read, since they have had the mail."""


def upgrade() -> None:
    """Add the columns, indexes and the table."""
    for column in (
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("notify", sa.Text(), server_default="off", nullable=False),
        sa.Column("notify_content", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("users", column)
    op.create_index("ix_users_names", "users", ["last_name", "first_name", "id"])
    _index("ix_users_digest", "users", ["id"], "notify = 'digest'")
    # Said in SQL: Alembic would make the table anew on SQLite, though a column may bring its own reference along.
    op.execute("ALTER TABLE clients ADD COLUMN user_id INTEGER CONSTRAINT fk_clients_user_id REFERENCES users (id)")
    _index("ix_clients_user_id", "clients", ["user_id"], "user_id IS NOT NULL")
    op.add_column("messages", sa.Column("superseded_at", sa.BigInteger(), nullable=True))
    _index("ix_messages_sent", "messages", ["author_id", "sent_at", "id"], _IN_SENT)
    op.add_column("attachments", sa.Column("md5", sa.Text(), nullable=True))
    for name in ("received_at", "superseded_at"):
        op.add_column("recipients", sa.Column(name, sa.BigInteger(), nullable=True))
    op.execute(_RECEIVE)
    _index("ix_recipients_received", "recipients", ["user_id", "received_at", "message_id"], _IN_INBOX)
    _index("ix_recipients_unread", "recipients", ["user_id"], f"{_IN_INBOX} AND read_at IS NULL")
    op.create_table(
        "uploads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("blob_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_uploads_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sqlite_autoincrement=True,
    )
    for name in ("user_id", "expires_at", "blob_key"):
        op.create_index(f"ix_uploads_{name}", "uploads", [name])


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Take it all back; what only these columns held is gone."""
    op.drop_table("uploads")
    for name, table in (
        ("ix_recipients_unread", "recipients"),
        ("ix_recipients_received", "recipients"),
        ("ix_messages_sent", "messages"),
        ("ix_clients_user_id", "clients"),
        ("ix_users_digest", "users"),
        ("ix_users_names", "users"),
    ):
        op.drop_index(name, table)
    for table, names in (
        ("recipients", ("superseded_at", "received_at")),
        ("attachments", ("md5",)),
        ("messages", ("superseded_at",)),
        ("clients", ("user_id",)),
        ("users", ("notified_at", "notify_content", "notify", "role")),
    ):
        for name in names:
            op.drop_column(table, name)
