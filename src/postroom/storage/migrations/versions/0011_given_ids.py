"""Message-IDs that programs give to letters themselves. Revision 0011."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_GIVEN = sa.text("given_id IS NOT NULL")


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("messages", sa.Column("given_id", sa.Text(), nullable=True))
    columns = ["given_id", "author_id"]
    op.create_index("uq_messages_given_id", "messages", columns, unique=True, sqlite_where=_GIVEN, postgresql_where=_GIVEN)


def downgrade() -> None:
    """Take them back."""
    op.drop_index("uq_messages_given_id", "messages")
    op.drop_column("messages", "given_id")
