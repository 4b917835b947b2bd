"""What the whole of the USOS API needs: messages of programs, consent, passwords that are guessed at, calls made once, searching.

Revision 0003.
"""

import re
import unicodedata
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CHUNK: Final = 2_000
_UNDECOMPOSED: Final = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe"})


def upgrade() -> None:
    """Add the columns, indexes and tables."""
    for column in (
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("callbacks", sa.Text(), server_default="", nullable=False),
    ):
        op.add_column("clients", column)
    # Said in SQL: Alembic would make the table anew on SQLite, though a column may bring its own reference along.
    op.execute("ALTER TABLE messages ADD COLUMN client_id INTEGER CONSTRAINT fk_messages_client_id REFERENCES clients (id)")
    op.add_column("messages", sa.Column("summary_email", sa.Text(), nullable=True))
    sent_by_program = sa.text("status = 'pending' AND client_id IS NOT NULL")
    op.create_index("ix_messages_client_id", "messages", ["client_id"], sqlite_where=sent_by_program, postgresql_where=sent_by_program)
    op.create_table(
        "request_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("callback", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("verifier", sa.Text(), nullable=True),
        sa.Column("wrong_verifiers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_request_tokens_client_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_request_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_tokens")),
        sa.UniqueConstraint("token", name=op.f("uq_request_tokens_token")),
    )
    for name in ("client_id", "user_id", "expires_at"):
        op.create_index(f"ix_request_tokens_{name}", "request_tokens", [name])
    for name in ("expires_at", "revoked_at"):
        op.create_index(f"ix_tokens_{name}", "tokens", [name])
    op.create_table(
        "login_failures",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_failures")),
    )
    op.create_index("ix_login_failures_last_at", "login_failures", ["last_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "user_words",
        sa.Column("word", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_words_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("word", "user_id", name=op.f("pk_user_words")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_user_words_user_id", "user_words", ["user_id", "word"])
    for table, name in (("messages", "from_address_id"), ("audience", "group_id")):
        referring = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_{table}_{name}", table, [name], sqlite_where=referring, postgresql_where=referring)
    _index_names()


def _index_names() -> None:
    """Take the names of everybody apart, as ``directory.names`` did when this revision was made."""
    tx = op.get_bind()
    users = sa.table("users", *map(sa.column, ("id", "first_name", "middle_names", "last_name")))
    words = sa.table("user_words", sa.column("word"), sa.column("user_id"))
    last = 0
    while people := tx.execute(sa.select(users).where(users.c.id > last).order_by(users.c.id).limit(_CHUNK)).all():
        rows = [
            {"word": word, "user_id": person.id}
            for person in people
            for word in _words_of(f"{person.first_name} {person.middle_names} {person.last_name}")
        ]
        if rows:
            tx.execute(sa.insert(words), rows)
        last = people[-1].id


def _words_of(names: str) -> set[str]:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", names).casefold())
    folded = "".join(letter for letter in decomposed if not unicodedata.combining(letter)).translate(_UNDECOMPOSED)
    return {word[:50] for word in re.findall(r"[^\W_]+", folded)}


def downgrade() -> None:
    """Take it all back; what only these columns held is gone."""
    for table in ("user_words", "idempotency_keys", "login_failures", "request_tokens"):
        op.drop_table(table)
    for name in ("expires_at", "revoked_at"):
        op.drop_index(f"ix_tokens_{name}", "tokens")
    op.drop_index("ix_audience_group_id", "audience")
    for name in ("from_address_id", "client_id"):
        op.drop_index(f"ix_messages_{name}", "messages")
    for name in ("summary_email", "client_id"):
        op.drop_column("messages", name)
    for name in ("callbacks", "email", "url"):
        op.drop_column("clients", name)
