"""What a handler knows of a call beside its request, and its way to the store."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from msgspec import Struct

from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.ports import Ports
from postroom.directory import people
from postroom.directory.records import Person
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class Call(Struct, frozen=True, kw_only=True):
    """One call of one method."""

    store: Store
    ports: Ports
    user_id: int
    """Who is calling."""
    now: int
    """Milliseconds since the epoch."""
    dates: Dates
    """The time zone of dates, in the request and in its answer."""
    language: str = ""
    """Two letters of the language of texts; empty: none is wanted (§2.2)."""

    @property
    def settings(self) -> Settings:
        """Every setting of the installation."""
        return self.store.settings

    async def person(self) -> Person:
        """Return who is calling. Raises ``NotFound`` for one who has left meanwhile."""
        return await self.read(people.get, self.user_id)

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading unit of work."""
        return await self.store.database.read(unit, *args, **kwargs)

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a writing unit of work."""
        return await self.store.database.write(unit, *args, **kwargs)
