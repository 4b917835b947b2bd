"""What a handler knows of a call beside its parameters, and its way to the store."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from starlette.requests import Request

from postroom.dialects.onlyoffice.errors import Unauthorized
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class Inner(Struct, frozen=True, kw_only=True):
    """A request inside another one (``batch``)."""

    verb: str
    url: str
    """Path and query, as they stand in a request line."""
    content_type: str
    body: bytes


class Reply(Struct, frozen=True, kw_only=True):
    """An answer, before it is sent."""

    status: int
    headers: dict[str, str]
    body: bytes


class Call:
    """One call of one operation."""

    def __init__(
        self, store: Store, request: Request, caller: int | None, now: int, answer: Callable[[Inner], Awaitable[Reply | None]]
    ) -> None:
        self.store = store
        self.request = request
        """What came; its body has been read, unless the operation takes a file."""
        self.now = now
        """Milliseconds since the epoch."""
        self.answer = answer
        """Answers a request inside this one, for the same person; ``None`` where it leads nowhere."""
        self.headers: dict[str, str] = {}
        """More headers for the answer."""
        self._caller = caller

    @property
    def settings(self) -> Settings:
        """Every setting of the installation."""
        return self.store.settings

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of dates."""
        return ZoneInfo(self.store.settings.onlyoffice.timezone)

    @property
    def user_id(self) -> int:
        """Who is calling. Raises ``Unauthorized`` for nobody, which only a public operation can meet."""
        if self._caller is None:
            raise Unauthorized
        return self._caller

    @property
    def address(self) -> str:
        """Where the request came from."""
        return self.request.client.host if self.request.client else ""

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading unit of work."""
        return await self.store.database.read(unit, *args, **kwargs)

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a writing unit of work."""
        return await self.store.database.write(unit, *args, **kwargs)
