"""One index of what came to a person, where there were two that said nearly the same. Revision 0009."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_RECEIVED: Final = "received_at IS NOT NULL AND deleted_at IS NULL"
_AT_HOME: Final = f"{_RECEIVED} AND folder_id IS NULL"
_IN_INBOX: Final = f"{_RECEIVED} AND superseded_at IS NULL"


def upgrade() -> None:
    """Put the one in the place of both."""
    op.drop_index("ix_recipients_received", "recipients")
    op.drop_index("ix_recipients_mailbox", "recipients")
    _index("ix_recipients_mailbox", ["user_id", "received_at", "id", "message_id", "read_at", "superseded_at", "folder_id"], _RECEIVED)


def downgrade() -> None:
    """Bring both back."""
    op.drop_index("ix_recipients_mailbox", "recipients")
    _index("ix_recipients_mailbox", ["user_id", "received_at", "id", "read_at"], _AT_HOME)
    _index("ix_recipients_received", ["user_id", "received_at", "message_id"], _IN_INBOX)


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "recipients", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
