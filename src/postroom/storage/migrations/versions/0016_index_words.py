"""The words of SQLite's index of messages, to be looked up. Revision 0016."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Show them, each with every message that it is in: what a look-up reads of one word ends with the first."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE message_index_words USING fts5vocab ('message_index', 'instance')")


def downgrade() -> None:
    """Hide them."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE message_index_words")
