"""The nonce of a signed call is used up by its first unit of work, once (RFC 5849 section 3.3)."""

import asyncio

import pytest
from sqlalchemy import func, select

from postroom import clock
from postroom.dialects.oauth1 import Replayed
from postroom.dialects.signed_call import Nonce, SignedCall
from postroom.directory import clients, people
from postroom.directory.people import NewPerson
from postroom.errors import Invalid, Unavailable
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import nonces, users


@pytest.fixture
def nonce(store: Store) -> Nonce:
    client = store.database.write_now(clients.add_client, store.vault, "app", administrative=False, now=clock.now())
    return Nonce(client_id=client.id, timestamp=1_700_000_000, nonce="n")


def used(tx: Tx) -> int:
    return int(tx.execute(select(func.count()).select_from(nonces)).scalar_one())


def people_there(tx: Tx) -> int:
    return int(tx.execute(select(func.count()).select_from(users)).scalar_one())


def add(tx: Tx, error: Exception | None = None) -> int:
    number = people.add(tx, NewPerson(first_name="Jan", last_name="Lis"), 1)
    if error is not None:
        raise error
    return number


def test_a_call_uses_its_nonce_up_once(store: Store, nonce: Nonce) -> None:
    async def main() -> None:
        call = SignedCall(store, nonce, clock.now())
        assert await call.read(people_there) == 0
        await call.write(add)
        await call.claim()
        assert await call.read(used) == 1
        again = SignedCall(store, nonce, clock.now())
        for work in (again.read(people_there), again.write(add), again.claim()):
            with pytest.raises(Replayed):
                await work

    asyncio.run(main())
    assert store.database.read_now(people_there) == 1


def test_work_that_is_refused_leaves_the_nonce_used_and_nothing_else(store: Store, nonce: Nonce) -> None:
    async def main() -> None:
        with pytest.raises(Invalid):
            await SignedCall(store, nonce, clock.now()).write(add, Invalid("x", "y"))

    asyncio.run(main())
    assert (store.database.read_now(used), store.database.read_now(people_there)) == (1, 0)


def test_a_store_that_is_not_there_gives_the_nonce_back(store: Store, nonce: Nonce) -> None:
    async def main() -> None:
        call = SignedCall(store, nonce, clock.now())
        with pytest.raises(Unavailable):
            await call.write(add, Unavailable("disk full"))
        await call.write(add)

    asyncio.run(main())
    assert (store.database.read_now(used), store.database.read_now(people_there)) == (1, 1)


def test_a_call_that_nobody_signed_has_none(store: Store) -> None:
    async def main() -> None:
        call = SignedCall(store, None, clock.now())
        await call.claim()
        await call.write(add)

    asyncio.run(main())
    assert store.database.read_now(used) == 0
