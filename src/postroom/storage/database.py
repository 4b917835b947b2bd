"""Units of work: the one way to the store, for the event loop and for the command line.

A unit is a plain function that takes an open transaction first. It neither opens nor commits one, knows no event loop,
and may run again from the start (after a deadlock on PostgreSQL), so it changes nothing outside of the transaction.
What it returns is handed to the caller only after its transaction is committed to disk.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, make_url, select

from postroom.settings import Settings

Tx = Connection
"""An open transaction."""

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """A store that runs units of work; SQLite and PostgreSQL are the two implementations.

    All calls raise what the unit raised (its changes rolled back, those of other units untouched), or
    ``Unavailable`` when the store could not take or keep the work: then nothing of it is in the store.
    """

    dialect: str
    """``sqlite`` or ``postgresql``."""

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit that changes the store; return its result once it is durable."""
        ...

    async def write_briefly(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``write`` for a unit of a few milliseconds that everything else in this process waits for anyway.

        On SQLite it runs on the thread of the event loop when nobody else is writing, in one transaction with all others that
        come in the same turn of the loop: handing it to another thread and back costs more than the unit itself, and while the
        loop is busy that thread waits for the interpreter's lock at each row.
        """
        ...

    async def read_briefly(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``read`` for such a unit."""
        ...

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit that only reads, in one consistent snapshot on SQLite and PostgreSQL alike."""
        ...

    async def read_behind(self, first: Callable[[Tx], None], unit: Callable[[Tx], T], *, brief: bool) -> T:
        """Run ``first``, a brief unit that writes, and behind it one that reads, in one snapshot; return the result of the latter.

        When ``first`` raises, nothing is read. What it wrote stays whatever ``PostroomError`` the reading raises; ``Unavailable`` may have
        undone it. PostgreSQL has both in one transaction, which is half the way to the server and back.
        """
        ...

    async def look_up(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``read_briefly`` for a unit whose statements need not see the same snapshot: each is on its own on PostgreSQL."""
        ...

    def write_now(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``write`` for callers without an event loop: the command line, tests."""
        ...

    def read_now(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``read`` for callers without an event loop."""
        ...

    def close(self) -> None:
        """Finish the units that wait, then close every connection and thread. A closed store raises ``Unavailable``."""
        ...


def open_database(settings: Settings) -> Database:
    """Open the store that the settings name; its schema must be there already (``migrations.migrate``).

    Raises ``Unavailable`` when its folder cannot be made. A PostgreSQL server that is away is noticed by the first unit.
    """
    if not settings.database.url:
        from postroom.storage.sqlite import SqliteDatabase  # noqa: PLC0415 - one of two, each with libraries of its own

        return SqliteDatabase(settings.database_file)
    from postroom.storage.postgresql import PostgresqlDatabase  # noqa: PLC0415 - as above

    url = make_url(settings.database.url).set(drivername="postgresql+psycopg")
    return PostgresqlDatabase(url, connections=settings.database.connections)


def ping(tx: Tx) -> None:
    """Read nothing, successfully: the unit that asks whether the store answers at all."""
    tx.execute(select(1))
