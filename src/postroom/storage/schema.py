"""Which schema this version of the code needs. Servers ask that, and need nothing else of the machinery of migrations (10 MB)."""

from typing import Final

from sqlalchemy import inspect, text

from postroom.storage.database import Tx

REVISION: Final = "0016"
"""The newest of ``storage.migrations``."""


def is_current(tx: Tx) -> bool:
    """Tell whether the store has the schema that this version of the code needs."""
    return inspect(tx).has_table("alembic_version") and tx.scalar(text("SELECT version_num FROM alembic_version")) == REVISION
