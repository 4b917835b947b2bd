"""Everything that a process opens once: the settings, the database, the blobs and the vault."""

from msgspec import Struct

from postroom.settings import Settings
from postroom.storage.blobs import Blobs, open_blobs
from postroom.storage.database import Database, open_database
from postroom.storage.secrets import Vault, open_vault


class Store(Struct, frozen=True, kw_only=True):
    """An opened installation; handed to the API, the worker and the commands."""

    settings: Settings
    database: Database
    blobs: Blobs
    vault: Vault

    def close(self) -> None:
        """Close what was opened."""
        self.database.close()


def open_store(settings: Settings) -> Store:
    """Open the installation that the settings describe; the schema must be there already. Raises ``Unavailable``."""
    return Store(settings=settings, database=open_database(settings), blobs=open_blobs(settings), vault=open_vault(settings))
