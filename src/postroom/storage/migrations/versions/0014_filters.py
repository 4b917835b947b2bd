"""Filters of mailboxes, and what they are to look at. Revision 0014."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "mail_filters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_filters_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_filters")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mail_filters_user_id", "mail_filters", ["user_id"])
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "due_filters",
        sa.Column("id", big, nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("recipient_id", big, nullable=True),
        sa.CheckConstraint("(message_id IS NULL) <> (recipient_id IS NULL)", name=op.f("ck_due_filters_one_kind")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_due_filters_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_due_filters_recipient_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_due_filters")),
    )
    for column in ("message_id", "recipient_id"):
        op.create_index(f"uq_due_filters_{column}", "due_filters", [column], unique=True)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("due_filters")
    op.drop_table("mail_filters")
