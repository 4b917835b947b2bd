"""What the worker does when the store, or our own code, lets it down."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from postroom import clock
from postroom.delivery import queue
from postroom.delivery.leases import Leases
from postroom.delivery.records import Outcome
from postroom.delivery.settling import Settler
from postroom.errors import Unavailable
from postroom.messages import reports
from postroom.settings import DeliverySettings
from postroom.storage.store import Store
from postroom.storage.tables import recipients
from tests.delivery.letters import add_message, rows, settled, states, status, until, with_relay, working
from tests.delivery.sink import Sink, running
from tests.support import counted


class Flaky:
    """A database that is away now and then: before a unit, or after its commit, when nobody hears that it succeeded."""

    def __init__(self, database: Any, *, after: bool) -> None:
        self._database = database
        self._after = after
        self._dice = random.Random(4)
        self.calm = False
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, unit: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        unlucky = not self.calm and self._dice.random() < 0.3
        if unlucky and not self._after:
            self.refused += 1
            raise Unavailable("away")
        result = await self._database.write(unit, *args, **kwargs)
        if unlucky:
            self.refused += 1
            raise Unavailable("gone before it answered")
        return result


@pytest.mark.parametrize("after", [False, True])
def test_a_store_that_comes_and_goes_loses_nobody(sqlite_store: Store, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """Design 1.2 and 1.3: outcomes wait for the store; nobody is sent to twice for it, nobody is stuck."""
    monkeypatch.setattr("postroom.delivery.worker._STORE_PAUSE", 0.02)
    monkeypatch.setattr("postroom.delivery.settling._PAUSE", 0.02)
    flaky = Flaky(sqlite_store.database, after=after)

    async def main() -> None:
        async with running(Sink()) as sink:
            store = msgspec.structs.replace(sqlite_store, database=flaky)
            ours = with_relay(store, sink.port, DeliverySettings(lease=2))
            people = [f"ok{n}@x.example" for n in range(120)]
            message = sqlite_store.database.write_now(add_message, people)
            async with working(ours):
                await settled(sqlite_store, message, 60)
                flaky.calm = True
            assert flaky.refused > 0
            assert sink.recipients() == sorted(people)

    asyncio.run(main())


def test_a_message_whose_end_breaks_takes_no_other_with_it(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure on one message never stops the worker, and its outcomes are kept all the same."""
    original = reports.settle
    bad = sqlite_store.database.write_now(add_message, ["ok-bad@x.example"])
    good = sqlite_store.database.write_now(add_message, ["ok-good@x.example"])

    def broken(tx: Any, settings: Any, message_ids: Any, now: int) -> Any:
        if bad in message_ids:
            raise KeyError(bad)
        return original(tx, settings, message_ids, now)

    monkeypatch.setattr(reports, "settle", broken)

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port)
            async with working(ours) as task:
                await settled(sqlite_store, good)
                await until(lambda: sqlite_store.database.read_now(states, bad) == {"ok-bad@x.example": "delivered"})
                assert not task.done()

    asyncio.run(main())
    assert sqlite_store.database.read_now(status, bad) == "pending"


def test_outcomes_that_wait_are_written_together(sqlite_store: Store) -> None:
    """Design 1.3: one group commit serves all connections."""
    message = sqlite_store.database.write_now(add_message, [f"{n}@x.example" for n in range(50)])
    claimed = sqlite_store.database.write_now(queue.claim, "me", clock.now(), 60_000, single=50, bulk=0)

    async def main() -> int:
        leases = Leases()
        leases.add(claimed, clock.now() + 60_000)
        settler = Settler(sqlite_store, "me", leases)
        task = asyncio.create_task(settler.run())
        with counted(sqlite_store) as statements:
            outcomes = [
                Outcome(recipient_id=due.id, message_id=message, state="delivered", reply_code=250, reply_text="ok", relay="r")
                for due in claimed
            ]
            await asyncio.gather(*(settler.submit([outcome]) for outcome in outcomes))
        assert len(leases) == 0
        settler.close()
        await task
        return len(statements)

    assert asyncio.run(main()) < 10
    assert {row.state for row in sqlite_store.database.read_now(rows, message).values()} == {"delivered"}


def test_a_lost_lease_is_not_sent_for(store: Store) -> None:
    """Two workers never send to one recipient: who cannot renew a lease leaves the recipient to whoever took it."""

    async def main() -> None:
        sink = Sink()
        sink.slow = 2.5
        async with running(sink):
            ours = with_relay(store, sink.port, DeliverySettings(lease=1), connections=1)
            message = store.database.write_now(add_message, ["slow1@x.example", "ok2@x.example"])
            async with working(ours):
                await until(lambda: sink.asked["slow1@x.example"] == 1)
                await store.database.write(steal)  # another worker has it now
                await until(lambda: store.database.read_now(states, message)["slow1@x.example"] == "delivered")
                await asyncio.sleep(0.2)
            assert sink.recipients() == ["slow1@x.example"]
            assert store.database.read_now(states, message) == {"slow1@x.example": "delivered", "ok2@x.example": "sending"}

    def steal(tx: Any) -> None:
        taken_over = {"lease_owner": "another", "lease_until": clock.now() + clock.HOUR}
        tx.execute(update(recipients).where(recipients.c.email == "ok2@x.example").values(taken_over))

    asyncio.run(main())
