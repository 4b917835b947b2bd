"""The schema through time: Alembic's revisions, and the call that brings a store to the newest."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from postroom.errors import Unavailable
from postroom.storage.database import Database

_HERE: Final = Path(__file__).parent

_LOCK: Final = 0x706F7374
"""Number of the advisory lock that a migration holds on PostgreSQL: two at once would both try to make the tables."""


def migrate(database: Database) -> None:
    """Bring the store to the newest schema, in one transaction: all of it or nothing. Does nothing when it is there already.

    Raises ``Unavailable`` when the store cannot be written, or was made by a newer version.
    """
    database.write_now(_upgrade)


def _upgrade(tx: Connection) -> None:
    config = _config()
    config.attributes["connection"] = tx
    if tx.dialect.name == "postgresql":
        tx.execute(text("SET LOCAL statement_timeout = 0"))  # long tables take their time
        tx.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(f"the schema of the store is unknown to this version, which is older than the store ({error})") from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    return config
