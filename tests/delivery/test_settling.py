"""Making outcomes durable: together, in as few statements as ever, and whatever breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest

from postroom import clock
from postroom.delivery import housekeeping, queue
from postroom.delivery.leases import Leases
from postroom.delivery.records import Due, Outcome
from postroom.delivery.settling import Settler
from postroom.errors import Unavailable
from postroom.messages import reports
from postroom.storage import plain
from postroom.storage.store import Store
from tests.delivery.letters import add_message, rows, states, status
from tests.support import counted


class Away:
    """A database that is away for so many writes."""

    def __init__(self, database: Any, times: int) -> None:
        self._database = database
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, unit: Callable[..., Any], *args: Any) -> Any:
        self._refuse()
        return await self._database.write(unit, *args)

    async def write_briefly(self, unit: Callable[..., Any], *args: Any) -> Any:
        self._refuse()
        return await self._database.write_briefly(unit, *args)

    def _refuse(self) -> None:
        if self.left > 0:
            self.left -= 1
            raise Unavailable("away")


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.delivery.settling._PAUSE", 0.01)


@contextlib.contextmanager
def every_statement(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect statements, those in the words of the driver too."""
    run = plain.run
    with counted(store) as statements, monkeypatch.context() as patch:

        def counting(tx: Any, *given: Any) -> Any:
            statements.extend(texts[tx.dialect.name] for texts, _ in given)
            return run(tx, *given)

        patch.setattr(plain, "run", counting)
        yield statements


def delivered(due: Due, **changes: Any) -> Outcome:
    values = {"state": "delivered", "reply_code": 250, "reply_text": "250 ok", "relay": "r", **changes}
    return Outcome(recipient_id=due.id, message_id=due.message_id, **values)


def claim(store: Store) -> list[Due]:
    return store.database.write_now(queue.claim, "me", clock.now(), 60_000, single=500, bulk=500)


@contextlib.asynccontextmanager
async def settling(store: Store, held: list[Due]) -> AsyncIterator[Settler]:
    leases = Leases()
    leases.add(held, clock.now() + 60_000)
    settler = Settler(store, "me", leases)
    task = asyncio.create_task(settler.run())
    yield settler
    settler.close()
    await task


async def cost(store: Store, settler: Settler, entries: list[tuple[list[Outcome], list[int]]], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many statements it takes to make these durable at once."""
    with every_statement(store, monkeypatch) as statements:
        await asyncio.gather(*(settler.submit(outcomes, starts) for outcomes, starts in entries))
    return sum("set_config" not in statement for statement in statements)  # goes along to PostgreSQL in the same round trip


def test_a_group_commit_is_three_statements_however_many_connections(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom the worker sends to now, what became of the last ones, and whether the next ones are still held."""
    store.database.write_now(add_message, [f"{n}@x.example" for n in range(200)], lane="bulk")
    mine = claim(store)

    async def main() -> None:
        async with settling(store, mine) as settler:
            assert await cost(store, settler, [([], [due.id]) for due in mine[:50]], monkeypatch) == 3
            one = [([delivered(mine[0])], [mine[50].id])]
            assert await cost(store, settler, one, monkeypatch) == 3
            many = [([delivered(before)], [after.id]) for before, after in zip(mine[1:50], mine[51:100], strict=True)]
            assert await cost(store, settler, many, monkeypatch) == 3

    asyncio.run(main())
    assert sum(state == "delivered" for state in store.database.read_now(states, mine[0].message_id).values()) == 50


def test_refusals_cost_one_statement_more_however_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.database.write_now(add_message, [f"{n}@x.example" for n in range(100)], lane="bulk")
    mine = claim(store)
    later = {"state": "deferred", "due_at": clock.now() + 60_000, "reply_code": 451, "reply_text": "451 later", "fault": "policy"}

    async def main() -> None:
        async with settling(store, mine) as settler:
            assert await cost(store, settler, [([delivered(mine[0], **later)], [])], monkeypatch) == 4
            assert await cost(store, settler, [([delivered(due, **later)], []) for due in mine[1:60]], monkeypatch) == 4

    asyncio.run(main())


def test_the_end_of_messages_costs_a_constant_number_of_statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(31):
        store.database.write_now(add_message, [f"{n}@x.example"])
    first, *rest = claim(store)

    async def main() -> None:
        async with settling(store, [first, *rest]) as settler:
            alone = await cost(store, settler, [([delivered(first)], [])], monkeypatch)
            together = await cost(store, settler, [([delivered(due)], []) for due in rest], monkeypatch)
            assert alone == together
            assert alone <= 7

    asyncio.run(main())
    assert {store.database.read_now(status, due.message_id) for due in [first, *rest]} == {"sent"}


def test_outcomes_wait_for_a_store_that_is_away(store: Store) -> None:
    """And are durable when the caller goes on: not sooner."""
    message = store.database.write_now(add_message, ["a@x.example"])
    mine = claim(store)
    away = Away(store.database, 5)

    async def main() -> None:
        async with settling(msgspec.structs.replace(store, database=away), mine) as settler:
            written = settler.submit([delivered(mine[0])])
            await asyncio.sleep(0.02)
            assert not written.done()
            assert await written == frozenset()
            assert store.database.read_now(states, message) == {"a@x.example": "delivered"}
        assert away.left == 0

    asyncio.run(main())


def broken_end(monkeypatch: pytest.MonkeyPatch, bad: int, then: Callable[[], None] = lambda: None) -> None:
    """Let the end of one message break, and something happen then."""
    settle = reports.settle

    def breaking(tx: Any, settings: Any, message_ids: Any, now: int) -> Any:
        if bad in message_ids:
            then()
            raise KeyError(bad)
        return settle(tx, settings, message_ids, now)

    monkeypatch.setattr(reports, "settle", breaking)


def test_a_message_that_breaks_is_written_alone_though_the_store_is_away_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No outcome is lost, nobody is started, and the messages of the others are settled."""
    bad = store.database.write_now(add_message, ["bad@x.example"])
    good = store.database.write_now(add_message, ["good@x.example"])
    next_one = store.database.write_now(add_message, ["next@x.example"])
    mine = {due.email: due for due in claim(store)}
    away = Away(store.database, 0)
    broken_end(monkeypatch, bad, lambda: setattr(away, "left", 2))

    async def main() -> None:
        async with settling(msgspec.structs.replace(store, database=away), list(mine.values())) as settler:
            both = [settler.submit([delivered(mine["bad@x.example"])]), settler.submit([delivered(mine["good@x.example"])])]
            starting = settler.submit((), [mine["next@x.example"].id])
            await asyncio.gather(*both)
            assert await starting == {mine["next@x.example"].id}

    asyncio.run(main())
    assert away.left == 0
    assert store.database.read_now(states, bad) == {"bad@x.example": "delivered"}
    assert store.database.read_now(states, good) == {"good@x.example": "delivered"}
    assert store.database.read_now(states, next_one) == {"next@x.example": "sending"}
    assert [store.database.read_now(status, message) for message in (bad, good)] == ["pending", "sent"]


def test_housekeeping_settles_a_message_that_nobody_settled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose end broke once; those that have open recipients are left alone."""
    forgotten = store.database.write_now(add_message, ["bad@x.example"])
    going = store.database.write_now(add_message, ["open@x.example"])
    mine = claim(store)
    with monkeypatch.context() as patch:
        broken_end(patch, forgotten)

        async def main() -> None:
            async with settling(store, mine) as settler:
                await settler.submit([delivered(mine[0])])

        asyncio.run(main())
    assert store.database.read_now(status, forgotten) == "pending"
    asyncio.run(housekeeping.clear(store, clock.now()))
    assert [store.database.read_now(status, message) for message in (forgotten, going)] == ["sent", "pending"]


def test_an_outcome_that_cannot_be_written_at_all_takes_no_other_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    message = store.database.write_now(add_message, ["good@x.example", "bad@x.example"])
    mine = {due.email: due for due in claim(store)}
    bad = mine["bad@x.example"]
    write = queue._settled_row

    def breaking(outcome: Outcome, now: int) -> Any:
        if outcome.recipient_id == bad.id:
            raise ValueError(outcome)
        return write(outcome, now)

    monkeypatch.setattr(queue, "_settled_row", breaking)

    async def main() -> None:
        async with settling(store, list(mine.values())) as settler:
            await asyncio.gather(settler.submit([delivered(bad)]), settler.submit([delivered(mine["good@x.example"])]))

    asyncio.run(main())
    assert store.database.read_now(states, message) == {"good@x.example": "delivered", "bad@x.example": "sending"}
    row = store.database.read_now(rows, message)["bad@x.example"]
    assert (row.lease_owner, row.attempts) == ("me", 1)  # it comes again when the lease runs out


def test_what_is_not_sent_after_all_is_not_on_record_as_sent(store: Store) -> None:
    """After a crash only those are unknown whose mail may have been on the wire."""
    store.database.write_now(add_message, ["a@x.example", "b@x.example", "c@x.example"])
    first, second, third = mine = claim(store)

    async def main() -> None:
        async with settling(store, mine) as settler:
            await settler.submit((), [first.id])
            await settler.submit((), [second.id])
            settler.not_sent([first.id])
            await settler.submit((), [third.id])

    asyncio.run(main())
    assert store.database.write_now(queue.recover, store.settings.delivery, clock.now() + 120_000) == (1, 2, 0)


def test_a_caller_that_is_cancelled_loses_no_outcome(store: Store) -> None:
    message = store.database.write_now(add_message, ["a@x.example"])
    mine = claim(store)

    async def main() -> None:
        async with settling(store, mine) as settler:
            settler.submit([delivered(mine[0])]).cancel()

    asyncio.run(main())
    assert store.database.read_now(status, message) == "sent"
