"""What is written down about a program when it gets its key, beyond what each of its calls needs (``directory.clients``)."""

from msgspec import Struct
from sqlalchemy import select

from postroom.errors import NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import clients


class Registration(Struct, frozen=True, kw_only=True):
    """The registration of a program."""

    name: str
    url: str | None
    """Its page, for people."""
    email: str
    """Whom to write to about it; may be empty."""
    created_at: int
    """When it got its key, in milliseconds (``postroom.clock``)."""


def of_client(tx: Tx, client_id: int) -> Registration:
    """Return the registration of a program. Raises ``NotFound("client", id)``."""
    columns = (clients.c[name] for name in Registration.__struct_fields__)
    row = tx.execute(select(*columns).where(clients.c.id == client_id)).first()
    if row is None:
        raise NotFound("client", client_id)
    return Registration(**row._asdict())
