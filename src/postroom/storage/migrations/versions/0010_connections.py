"""Mail servers that messages leave through instead of a relay. Revision 0010."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "connections",
        sa.Column("message_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("security", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.CheckConstraint("security IN ('none', 'starttls_if_offered', 'tls')", name=op.f("ck_connections_security")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_connections_message_id_messages"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_connections")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("connections")
