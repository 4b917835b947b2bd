"""One signed call: when, and the way to the store, which uses up the nonce of the signature.

A handler runs units of work through its call. The first of them claims the nonce: a writing unit in the same transaction as its
own work (a savepoint inside, so that the nonce stays used when the work is refused), a reading one just before it.
"""

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from msgspec import Struct

from postroom.dialects import oauth1
from postroom.directory import clients
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


class SignedCall:
    """What a handler knows of the call beside its arguments, in every dialect whose requests are signed."""

    def __init__(self, store: Store, nonce: Nonce | None, now: int) -> None:
        self.store = store
        self.now = now
        """Milliseconds since the epoch."""
        self.brief = False
        """Whether its units are brief (``Database.write_briefly``)."""
        self.once: Once | None = None
        """What the call is known by when it is repeated; ``None``: its client gave no key."""
        self._nonce = nonce
        """What is still to be used up."""

    async def read(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading unit of work. Raises what it raises, and ``oauth1.Replayed`` for a used nonce."""
        database, nonce = self.store.database, self._nonce
        if nonce is None:
            return await (database.read_briefly if self.brief else database.read)(unit, *args, **kwargs)

        def claim(tx: Tx) -> None:
            if not _claim(tx, nonce):
                raise oauth1.Replayed(nonce.nonce)

        try:
            result = await database.read_behind(claim, lambda tx: unit(tx, *args, **kwargs), brief=self.brief)
        except Unavailable:
            raise
        except PostroomError:
            self._nonce = None
            raise
        self._nonce = None
        return result

    async def write(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a writing unit of work. Raises as ``read``."""
        write = self.store.database.write_briefly if self.brief else self.store.database.write
        nonce = self._nonce
        if nonce is None:
            return await write(unit, *args, **kwargs)
        outcome = await write(_claim_and_work, nonce, lambda tx: unit(tx, *args, **kwargs))
        if outcome is None:
            raise oauth1.Replayed(nonce.nonce)
        self._nonce = None
        if isinstance(outcome, _Refused):
            raise outcome.error
        return outcome.result

    async def send(self, unit: Callable[Concatenate[Tx, P], Any], *args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - JSON
        """Run a writing unit once for each idempotency key; it answers with what JSON can hold. Raises as ``write``, and ``Invalid``."""
        if self.once is None:
            return await self.write(unit, *args, **kwargs)
        return await self.write(idempotency.once, self.once, self.now, lambda tx: unit(tx, *args, **kwargs))

    async def claim(self) -> None:
        """Use up the nonce now, for handlers that do something before their first unit of work. Raises as ``read``."""
        nonce = self._nonce
        if nonce is None:
            return
        if not await self.store.database.write_briefly(_claim, nonce):
            raise oauth1.Replayed(nonce.nonce)
        self._nonce = None


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
