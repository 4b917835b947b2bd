"""Mail servers of people's accounts. Revision 0015."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "account_servers",
        sa.Column("account_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("security", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('smtp', 'imap')", name=op.f("ck_account_servers_kind")),
        sa.CheckConstraint("security IN ('none', 'starttls_if_offered', 'tls')", name=op.f("ck_account_servers_security")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["mail_accounts.id"], name=op.f("fk_account_servers_account_id_mail_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "kind", name=op.f("pk_account_servers")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("account_servers")
