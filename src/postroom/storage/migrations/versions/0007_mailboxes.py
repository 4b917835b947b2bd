"""What mailboxes need: folders of one's own, trash, labels, searching, signatures and other settings.

The table of tags, which nothing used, makes room for labels. Revision 0007.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OWN: Final = "sent_at IS NOT NULL AND deleted_at IS NULL AND folder_id IS NULL"
_RECEIVED: Final = "received_at IS NOT NULL AND deleted_at IS NULL AND folder_id IS NULL"
_INDEXES: Final = (
    ("ix_messages_own", "messages", ["author_id", "sent_at", "id", "status", "thread_id"], _OWN),
    ("ix_messages_place", "messages", ["author_id", "place"], "place IS NOT NULL"),
    ("ix_messages_folder_id", "messages", ["folder_id"], "folder_id IS NOT NULL"),
    ("ix_recipients_mailbox", "recipients", ["user_id", "received_at", "id", "read_at"], _RECEIVED),
    ("ix_recipients_place", "recipients", ["user_id", "place", "received_at"], "place IS NOT NULL"),
    ("ix_recipients_folder_id", "recipients", ["folder_id", "received_at"], "folder_id IS NOT NULL"),
)

_INDEX: Final = """
CREATE VIRTUAL TABLE message_index
USING fts5 (words, content='message_words', content_rowid='message_id', tokenize='ascii', detail='none', columnsize=0)
"""
_INSERTED: Final = """
CREATE TRIGGER message_words_inserted AFTER INSERT ON message_words
BEGIN INSERT INTO message_index (rowid, words) VALUES (new.message_id, new.words); END
"""
_DELETED: Final = """
CREATE TRIGGER message_words_deleted AFTER DELETE ON message_words
BEGIN INSERT INTO message_index (message_index, rowid, words) VALUES ('delete', old.message_id, old.words); END
"""
_FULL_TEXT: Final = {
    "sqlite": (_INDEX, _INSERTED, _DELETED),
    "postgresql": ("CREATE INDEX ix_message_words ON message_words USING gin (words)",),
}
"""Words come folded and parted by blanks, so neither database has anything to do with languages."""


def upgrade() -> None:
    """Add the columns, indexes and tables."""
    op.drop_table("tags")
    _create_folders()
    _create_labels()
    for table in ("messages", "recipients"):
        op.add_column(table, sa.Column("important", sa.Boolean(), server_default=sa.false(), nullable=False))
        op.add_column(table, sa.Column("place", sa.Text(), nullable=True))
        # Said in SQL: Alembic would make the table anew on SQLite, though a column may bring its own reference along.
        op.execute(f"ALTER TABLE {table} ADD COLUMN folder_id INTEGER CONSTRAINT fk_{table}_folder_id REFERENCES user_folders (id)")
    unsent = (sa.text("letter = 1 AND sent_at IS NULL"), sa.text("letter AND sent_at IS NULL"))
    op.create_index("ix_messages_unsent", "messages", ["author_id", "modified_at"], sqlite_where=unsent[0], postgresql_where=unsent[1])
    for name, table, columns, where in _INDEXES:
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "message_words",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_words_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_words")),
    )
    for statement in _FULL_TEXT[op.get_bind().dialect.name]:
        op.execute(statement)
    _create_settings()


def _create_folders() -> None:
    op.create_table(
        "user_folders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_folders_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["user_folders.id"], name=op.f("fk_user_folders_parent_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_folders")),
        sqlite_autoincrement=True,
    )
    for name in ("user_id", "parent_id"):
        op.create_index(f"ix_user_folders_{name}", "user_folders", [name])


def _create_labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("style", sa.Text(), server_default="", nullable=False),
        sa.Column("addresses", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_labels_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_labels_user_id", "labels", ["user_id"])
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "labelled",
        sa.Column("id", big, nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("recipient_id", big, nullable=True),
        sa.CheckConstraint("(message_id IS NULL) <> (recipient_id IS NULL)", name=op.f("ck_labelled_one_kind")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_labelled_label_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_labelled_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_labelled_recipient_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labelled")),
    )
    for name in ("message_id", "recipient_id"):
        op.create_index(f"uq_labelled_{name}", "labelled", [name, "label_id"], unique=True)
    op.create_index("ix_labelled_label_id", "labelled", ["label_id"])


def _create_settings() -> None:
    op.create_table(
        "mail_accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), server_default="", nullable=False),
        sa.Column("signature_on", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("autoreply", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_accounts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_accounts")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_mail_accounts_user_id_email", "mail_accounts", ["user_id", "email"], unique=True)
    op.create_table(
        "mail_settings",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("conversations", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("all_images", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("next_after_move", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("replace_body", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_settings_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_mail_settings")),
    )
    op.create_table(
        "image_addresses",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_image_addresses_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "email", name=op.f("pk_image_addresses")),
    )


def downgrade() -> None:
    """Take it all back; what only these columns and tables held is gone, and what was in the trash stays deleted."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE message_index")
    for table in ("image_addresses", "mail_settings", "mail_accounts", "message_words", "labelled", "labels"):
        op.drop_table(table)
    op.drop_index("ix_messages_unsent", "messages")
    for name, table, _, _ in _INDEXES:
        op.drop_index(name, table)
    for table in ("recipients", "messages"):
        for name in ("folder_id", "place", "important"):
            op.drop_column(table, name)
    op.drop_table("user_folders")
    op.create_table(
        "tags",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_tags_message_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tags_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", "user_id", "name", name=op.f("pk_tags")),
    )
    op.create_index("ix_tags_user_id", "tags", ["user_id", "name"])
