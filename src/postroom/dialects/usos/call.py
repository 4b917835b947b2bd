"""One authenticated call of a method: for whom, when, and the way to the store, which uses up the nonce of the signature.

A handler runs units of work through its ``Call``. The first of them claims the nonce: a writing unit in the same
transaction as its own work (a savepoint inside, so that the nonce stays used when the work is refused), a reading one in a
small writing unit before it.
"""

from collections.abc import Callable
from typing import Concatenate, Generic, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from postroom.dialects import oauth1
from postroom.dialects.usos.formats import Output
from postroom.directory import clients
from postroom.errors import PostroomError, Unavailable
from postroom.storage.database import Tx
from postroom.storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls, as the signature proves."""

    client_id: int
    user_id: int
    """The person for whom the call is made."""
    timestamp: int
    nonce: str


class Call:
    """What a handler knows of the call beside its arguments."""

    def __init__(self, store: Store, caller: Caller, now: int) -> None:
        self.store = store
        self.user_id = caller.user_id
        self.now = now
        """Milliseconds since the epoch."""
        self.output = Output("json", None)
        """How the answer is wanted; known when the handler runs."""
        self.zone = ZoneInfo(store.settings.usos.timezone)
        """Time zone of dates in answers."""
        self._caller = caller
        self._claimed = False

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading unit of work. Raises what it raises, and ``oauth1.Malformed`` for a used nonce."""
        await self.claim()
        return await self.store.database.read(unit, *args, **kwargs)

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a writing unit of work. Raises as ``read``."""
        if self._claimed:
            return await self.store.database.write(unit, *args, **kwargs)
        outcome = await self.store.database.write(_claim_and_work, self._caller, lambda tx: unit(tx, *args, **kwargs))
        self._claimed = True
        if outcome is None:
            raise oauth1.already_used(self._caller.nonce)
        if isinstance(outcome, _Refused):
            raise outcome.error
        return outcome.result

    async def claim(self) -> None:
        """Use up the nonce now, for handlers that do something before their first unit of work."""
        if self._claimed:
            return
        if not await self.store.database.write(_claim, self._caller):
            raise oauth1.already_used(self._caller.nonce)
        self._claimed = True


class _Refused(Struct, frozen=True):
    """The work of a unit was refused; its nonce stays used all the same."""

    error: PostroomError


class _Done(Struct, Generic[T], frozen=True):
    """The work of a unit was done."""

    result: T


def _claim(tx: Tx, caller: Caller) -> bool:
    return clients.claim_nonce(tx, caller.client_id, caller.timestamp, caller.nonce)


def _claim_and_work(tx: Tx, caller: Caller, work: Callable[[Tx], T]) -> _Done[T] | _Refused | None:
    """Claim the nonce, then work in a savepoint; ``None`` if the nonce was used before.

    ``Unavailable`` gives the nonce back with everything else: nothing was done and the client may try again.
    """
    if not _claim(tx, caller):
        return None
    try:
        with tx.begin_nested():
            return _Done(work(tx))
    except Unavailable:
        raise
    except PostroomError as error:
        return _Refused(error)
