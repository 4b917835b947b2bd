"""When a person said, by a program, that they have answered a mail. Revision 0013."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for table in ("messages", "recipients"):
        op.add_column(table, sa.Column("replied_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take them back."""
    for table in ("messages", "recipients"):
        op.drop_column(table, "replied_at")
