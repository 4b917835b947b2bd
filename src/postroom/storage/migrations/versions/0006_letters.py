"""What letters need: how they end and what they answer, alerts, address books, whom an automatic reply went to.

Revision 0006.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FOREIGN: Final = sa.text("foreign_parent IS NOT NULL")


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("messages", sa.Column("letter", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("messages", sa.Column("foreign_parent", sa.Text(), nullable=True))
    op.create_index(
        "ix_messages_foreign_parent", "messages", ["author_id", "foreign_parent"], sqlite_where=_FOREIGN, postgresql_where=_FOREIGN
    )
    _create_alerts()
    _create_autoreply_history()
    _create_address_books()


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("told_in", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('delivery_failure')", name=op.f("ck_alerts_kind")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_alerts_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_alerts_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["told_in"], ["messages.id"], name=op.f("fk_alerts_told_in"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_user_id", "alerts", ["user_id", "id"])
    op.create_index("ix_alerts_message_id", "alerts", ["message_id"])
    op.create_index("ix_alerts_told_in", "alerts", ["told_in"])


def _create_autoreply_history() -> None:
    op.create_table(
        "autoreply_history",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_autoreply_history_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "sender", "email", name=op.f("pk_autoreply_history")),
        sqlite_with_rowid=False,
    )


def _create_address_books() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('personal', 'frequent')", name=op.f("ck_contacts_kind")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_contacts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_contacts_user_id", "contacts", ["user_id", "id"])
    op.create_table(
        "contact_infos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("is_primary", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("kind IN ('email', 'phone')", name=op.f("ck_contact_infos_kind")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_infos_contact_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_infos")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_contact_infos_contact_id", "contact_infos", ["contact_id"])
    op.create_index("ix_contact_infos_lower_value", "contact_infos", [sa.text("lower(value)"), "contact_id"])


def downgrade() -> None:
    """Take it all back; what only these columns and tables held is gone."""
    for table in ("contact_infos", "contacts", "autoreply_history", "alerts"):
        op.drop_table(table)
    op.drop_index("ix_messages_foreign_parent", "messages")
    for name in ("foreign_parent", "letter"):
        op.drop_column("messages", name)
