"""What a person has settled acts: letters to be answered by themselves, addresses of labels, messages to be indexed. Revision 0012."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UNINDEXED = """
INSERT INTO unindexed_messages (message_id)
SELECT id FROM messages
WHERE (letter OR sent_at IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM message_words WHERE message_words.message_id = messages.id)
"""


def upgrade() -> None:
    """Add the tables; take over the addresses that labels have, and note which messages no search finds yet."""
    _create("due_autoreplies", "recipient_id", "recipients", sa.BigInteger())
    _create("unindexed_messages", "message_id", "messages", sa.Integer())
    op.create_table(
        "label_addresses",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_label_addresses_label_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("email", "label_id", name=op.f("pk_label_addresses")),
    )
    op.create_index("ix_label_addresses_label_id", "label_addresses", ["label_id"])
    _take_over_addresses()
    op.execute(_UNINDEXED)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("label_addresses", "unindexed_messages", "due_autoreplies"):
        op.drop_table(table)


def _create(table: str, column: str, of: str, kind: sa.types.TypeEngine[int]) -> None:
    kind = kind.with_variant(sa.Integer(), "sqlite") if isinstance(kind, sa.BigInteger) else kind
    op.create_table(
        table,
        sa.Column(column, kind, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint([column], [f"{of}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}")),
    )


def _take_over_addresses() -> None:
    connection = op.get_bind()
    labels = connection.execute(sa.text("SELECT id, addresses FROM labels WHERE addresses <> '[]'")).all()
    rows = [{"label": label, "email": email} for label, kept in labels for email in {bare(address) for address in json.loads(kept)}]
    if rows:
        connection.execute(sa.text("INSERT INTO label_addresses (email, label_id) VALUES (:email, :label)"), rows)


def bare(address: str) -> str:
    """Return the address alone of what may have a name in front."""
    return address.rpartition("<")[2].rstrip("> ").strip().lower()
