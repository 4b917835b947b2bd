"""Temporary tables that hold what the files say until all of it is checked; they are gone with the import.

They make the rest set-based: a handful of statements for each file, however long it is.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text, insert, text

from postroom.directory.values import chunks
from postroom.storage.database import Tx

_metadata: Final = MetaData()
_CHUNK: Final = 2_000


def _table(name: str, *columns: Column[Any] | Index) -> Table:
    return Table(name, _metadata, *columns, prefixes=["TEMPORARY"])


people: Final = _table(
    "import_people",
    Column("line", Integer, nullable=False),
    Column("id", Integer),  # null: the store gives one, or has
    Column("uid", Text, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("middle_names", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("title_before", Text, nullable=False),
    Column("title_after", Text, nullable=False),
    Column("email", Text),
    Column("alt_email", Text),
    Column("language", Text, nullable=False),
    Column("picture", Text),
    Column("school", Text),
    Column("role", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)

groups: Final = _table(
    "import_groups",
    Column("line", Integer, nullable=False),
    Column("id", Integer),  # null: the store gives one, or has
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("parent_code", Text),  # null: no parent; '' is the root
    Column("owner_uid", Text),
)

memberships: Final = _table(
    "import_memberships",
    Column("line", Integer, nullable=False),
    Column("group_kind", Text, nullable=False),
    Column("group_code", Text, nullable=False),
    Column("uid", Text),  # of these, one kind is set; none: the line only names the group
    Column("subgroup_kind", Text),
    Column("subgroup_code", Text),
    Column("email", Text),
)

addresses: Final = _table(
    "import_addresses",
    Column("line", Integer, nullable=False),
    Column("id", Integer),  # null: the store gives one, or has
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
)

assignments: Final = _table(
    "import_assignments",
    Column("line", Integer, nullable=False),
    Column("email", Text, nullable=False),
    Column("uid", Text, nullable=False),
)

mentioned: Final = _table("import_mentioned", Column("group_id", Integer, primary_key=True, autoincrement=False))
"""Groups of ``memberships``, by number."""

members: Final = _table(
    "import_members",
    Column("group_id", Integer, nullable=False),
    Column("user_id", Integer),
    Column("subgroup_id", Integer),
    Column("email", Text),
    Index("ix_import_members_user", "group_id", "user_id"),
    Index("ix_import_members_subgroup", "group_id", "subgroup_id"),
    Index("ix_import_members_email", "group_id", "email"),
)
"""Members of ``memberships``, by number."""

named: Final = _table("import_named", Column("address_id", Integer, primary_key=True, autoincrement=False))
"""Addresses of ``addresses`` that were in the store before, by number."""

assigned: Final = _table(
    "import_assigned",
    Column("address_id", Integer, primary_key=True, autoincrement=False),
    Column("user_id", Integer, primary_key=True, autoincrement=False),
)
"""Assignments of ``assignments``, by number."""


@contextmanager
def stage(tx: Tx) -> Iterator[None]:
    """Make the temporary tables, and drop them at the end; when the unit fails, its rollback takes them away."""
    _metadata.create_all(tx, checkfirst=False)
    yield
    _metadata.drop_all(tx, checkfirst=False)


def fill(tx: Tx, rows: Iterable[tuple[Table, dict[str, Any]]], done: Callable[[int], None]) -> None:
    """Put rows into their tables, some thousands at a time; ``done`` hears after each time how many there were since the last."""
    for chunk in chunks(rows, _CHUNK):
        for table in dict.fromkeys(table for table, _ in chunk):
            tx.execute(insert(table), [row for target, row in chunk if target is table])
        done(len(chunk))


def gather_statistics(tx: Tx) -> None:
    """Tell PostgreSQL's planner how large the tables are: nothing does by itself within one transaction."""
    if tx.dialect.name == "postgresql":
        for table in _metadata.sorted_tables:
            tx.execute(text(f"ANALYZE {table.name}"))
