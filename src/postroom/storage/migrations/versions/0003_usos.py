"""What the whole of the USOS API needs: messages of programs, consent of people, passwords that are guessed at, calls made once.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, indexes and tables."""
    for column in (
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("callbacks", sa.Text(), server_default="", nullable=False),
    ):
        op.add_column("clients", column)
    # Said in SQL: Alembic would make the table anew on SQLite, though a column may bring its own reference along.
    op.execute("ALTER TABLE messages ADD COLUMN client_id INTEGER CONSTRAINT fk_messages_client_id REFERENCES clients (id)")
    op.add_column("messages", sa.Column("summary_email", sa.Text(), nullable=True))
    sent_by_program = sa.text("status = 'pending' AND client_id IS NOT NULL")
    op.create_index("ix_messages_client_id", "messages", ["client_id"], sqlite_where=sent_by_program, postgresql_where=sent_by_program)
    op.create_table(
        "request_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("callback", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("verifier", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_request_tokens_client_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_request_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_tokens")),
        sa.UniqueConstraint("token", name=op.f("uq_request_tokens_token")),
    )
    for name in ("client_id", "user_id", "expires_at"):
        op.create_index(f"ix_request_tokens_{name}", "request_tokens", [name])
    op.create_table(
        "login_failures",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_failures")),
    )
    op.create_index("ix_login_failures_last_at", "login_failures", ["last_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    """Take it all back; what only these columns held is gone."""
    for table in ("idempotency_keys", "login_failures", "request_tokens"):
        op.drop_table(table)
    op.drop_index("ix_messages_client_id", "messages")
    for name in ("summary_email", "client_id"):
        op.drop_column("messages", name)
    for name in ("callbacks", "email", "url"):
        op.drop_column("clients", name)
