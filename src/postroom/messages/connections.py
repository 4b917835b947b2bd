"""What is kept of the mail servers that letters leave through instead of our relays, while the letters wait.

The password is encrypted, bound to its message and server, and deleted with its row when the message is settled.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs
from sqlalchemy import delete, insert, select

from postroom.directory import mail_servers
from postroom.directory.mail_servers import Connection
from postroom.directory.values import chunks
from postroom.errors import Unavailable
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import connections

_c: Final = connections.c


def keep(tx: Tx, vault: Vault, message_id: int, connection: Connection) -> None:
    """Let a message leave through this connection alone, whatever it had before; its ``MailOptions.own_connection`` says so too."""
    tx.execute(delete(connections).where(_c.message_id == message_id))
    values = {
        "message_id": message_id,
        **mail_servers.columns(connection),
        "secret": vault.encrypt(connection.password, _purpose(message_id, connection)),
    }
    tx.execute(insert(connections).values(values))


def of_messages(tx: Tx, vault: Vault, message_ids: Iterable[int]) -> dict[int, Connection | None]:
    """Return the connections of messages; ``None`` where the password was encrypted with another key; none for settled ones."""
    found: dict[int, Connection | None] = {}
    for chunk in chunks(sorted(set(message_ids))):
        for row in tx.execute(select(connections).where(_c.message_id.in_(chunk))):
            found[row.message_id] = _opened(vault, row.message_id, mail_servers.bare(row), row.secret)
    return found


def forget(tx: Tx, message_ids: Iterable[int]) -> None:
    """Delete what is kept of the connections of messages: they are settled."""
    for chunk in chunks(message_ids):
        tx.execute(delete(connections).where(_c.message_id.in_(chunk)))


def _opened(vault: Vault, message_id: int, bare: Connection, secret: str) -> Connection | None:
    try:
        password = vault.decrypt(secret, _purpose(message_id, bare))
    except Unavailable:
        return None
    return structs.replace(bare, password=password)


def _purpose(message_id: int, connection: Connection) -> str:
    return f"connection {message_id} {mail_servers.bound(connection)}"
