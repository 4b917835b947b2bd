"""One authenticated call of a method: for whom, when, and the way to the store, which uses up the nonce of the signature.

A handler runs units of work through its ``Call``. The first of them claims the nonce: a writing unit in the same
transaction as its own work (a savepoint inside, so that the nonce stays used when the work is refused), a reading one in a
small writing unit before it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from postroom.dialects import oauth1
from postroom.dialects.usos import errors
from postroom.dialects.usos.formats import Output
from postroom.dialects.usos.modules import Module
from postroom.directory import clients
from postroom.directory.records import Client
from postroom.errors import PostroomError, Unavailable
from postroom.messages import idempotency
from postroom.messages.idempotency import Once
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class Nonce(Struct, frozen=True, kw_only=True):
    """What makes a signed request the only one of its kind (RFC 5849 §3.3)."""

    client_id: int
    timestamp: int
    nonce: str


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls, as the signature proves; whoever did not sign is nobody."""

    client: Client | None = None
    user_id: int | None = None
    """The person for whom the call is made."""
    scopes: frozenset[str] = frozenset()
    token: str | None = None
    """Key of the token that the request was signed with."""
    nonce: Nonce | None = None


class Call:
    """What a handler knows of the call beside its arguments."""

    def __init__(self, store: Store, caller: Caller, now: int, modules: Sequence[Module]) -> None:
        self.store = store
        self.caller = caller
        self.now = now
        """Milliseconds since the epoch."""
        self.modules = modules
        """All modules of the dialect, for those methods that describe it."""
        self.output = Output("json", None)
        """How the answer is wanted; known when the handler runs."""
        self.brief = False
        """Whether its units are brief (``Endpoint.brief``)."""
        self.once: Once | None = None
        """What the call is known by when it is repeated; ``None``: its client gave no key."""
        self.zone = ZoneInfo(store.settings.usos.timezone)
        """Time zone of dates in answers."""
        self._claimed = caller.nonce is None

    @property
    def user_id(self) -> int:
        """The person for whom the call is made. Raises ``UsosError`` where the method can do without one, but not this call."""
        if self.caller.user_id is None:
            raise errors.method_forbidden("user_missing")
        return self.caller.user_id

    @property
    def client(self) -> Client:
        """The program that calls. Raises ``UsosError`` where the method can do without one, but not this call."""
        if self.caller.client is None:
            raise errors.method_forbidden("consumer_missing")
        return self.caller.client

    @property
    def administrative(self) -> bool:
        """Whether a program calls that may do anything for anybody."""
        return self.caller.client is not None and self.caller.client.administrative

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading unit of work. Raises what it raises, and ``oauth1.Malformed`` for a used nonce."""
        await self.claim()
        read = self.store.database.read_briefly if self.brief else self.store.database.read
        return await read(unit, *args, **kwargs)

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a writing unit of work. Raises as ``read``."""
        write = self.store.database.write_briefly if self.brief else self.store.database.write
        if self._claimed or self.caller.nonce is None:
            return await write(unit, *args, **kwargs)
        outcome = await write(_claim_and_work, self.caller.nonce, lambda tx: unit(tx, *args, **kwargs))
        self._claimed = True
        if outcome is None:
            raise oauth1.already_used(self.caller.nonce.nonce)
        if isinstance(outcome, _Refused):
            raise outcome.error
        return outcome.result

    async def send(self, unit: Callable[Concatenate[Tx, P], Any], *args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - JSON
        """Run a writing unit once for each idempotency key; it answers with what JSON can hold. Raises as ``write``, and ``Invalid``."""
        if self.once is None:
            return await self.write(unit, *args, **kwargs)
        return await self.write(idempotency.once, self.once, self.now, lambda tx: unit(tx, *args, **kwargs))

    async def claim(self) -> None:
        """Use up the nonce now, for handlers that do something before their first unit of work."""
        if self._claimed or self.caller.nonce is None:
            return
        if not await self.store.database.write_briefly(_claim, self.caller.nonce):
            raise oauth1.already_used(self.caller.nonce.nonce)
        self._claimed = True


class _Refused(Struct, frozen=True):
    """The work of a unit was refused; its nonce stays used all the same."""

    error: PostroomError


class _Done(Struct, Generic[T], frozen=True):
    """The work of a unit was done."""

    result: T


def _claim(tx: Tx, nonce: Nonce) -> bool:
    return clients.claim_nonce(tx, nonce.client_id, nonce.timestamp, nonce.nonce)


def _claim_and_work(tx: Tx, nonce: Nonce, work: Callable[[Tx], T]) -> _Done[T] | _Refused | None:
    """Claim the nonce, then work in a savepoint; ``None`` if the nonce was used before.

    ``Unavailable`` gives the nonce back with everything else: nothing was done and the client may try again.
    """
    if not _claim(tx, nonce):
        return None
    try:
        with plain.savepoint(tx):
            return _Done(work(tx))
    except Unavailable:
        raise
    except PostroomError as error:
        return _Refused(error)
