"""Several relays: who takes what, what happens while some of them are away, and that nobody is sent to twice for it."""

import asyncio
import collections
from typing import Any

import pytest
from sqlalchemy import insert, update

from postroom import clock
from postroom.delivery import queue
from postroom.delivery.dispatch import BACKLOG, Dispatch
from postroom.delivery.limits import Pause
from postroom.settings import DeliverySettings, RouteSettings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import institutional_addresses, recipients
from tests.delivery.jobs import jobs
from tests.delivery.letters import add_message, rows, settled, states, tries, until, with_relay, working
from tests.delivery.relays import sinks, unused_port, with_relays
from tests.delivery.sink import Sink, running
from tests.support import counted


def put(store: Store, *people: str, lane: str = "bulk", **columns: Any) -> int:
    def added(tx: Tx) -> int:
        wakeup.notify(tx)
        return add_message(tx, people, lane=lane, **columns)

    return store.database.write_now(added)


def attempts(store: Store, message: int) -> set[int]:
    return {row.attempts for row in store.database.read_now(rows, message).values()}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.delivery.relay.Pause", lambda: Pause(0.2, 1.0))


def test_relays_share_the_mail_by_weight(store: Store) -> None:
    async def main() -> None:
        async with sinks(2) as (one, three):
            ours = with_relays(store, default={"port": one.port, "weight": 1}, other={"port": three.port, "weight": 3})
            message = put(store, *(f"ok{n}@x.example" for n in range(400)))
            async with working(ours):
                await settled(ours, message)
            assert len(one.taken) + len(three.taken) == 400
            assert 60 <= len(one.taken) <= 140

    asyncio.run(main())


def test_a_relay_of_no_weight_works_only_while_the_others_are_down(sqlite_store: Store) -> None:
    async def main() -> None:
        async with sinks(2) as (first, spare):
            ours = with_relays(sqlite_store, default={"port": first.port}, spare={"port": spare.port, "weight": 0})
            message = put(sqlite_store, *(f"ok{n}@x.example" for n in range(100)))
            async with working(ours):
                await settled(ours, message)
            assert (len(first.taken), spare.connections) == (100, 0)
            ours = with_relays(sqlite_store, default={"port": await unused_port()}, spare={"port": spare.port, "weight": 0})
            message = put(sqlite_store, *(f"ok{n}@x.example" for n in range(100)))
            async with working(ours):
                await settled(ours, message)
            assert len(spare.taken) == 100
            assert attempts(sqlite_store, message) == {1}

    asyncio.run(main())


def test_when_one_relay_is_away_the_other_takes_everything_and_no_attempt_is_burnt(store: Store) -> None:
    """And when it is back, it takes its share again."""

    async def main() -> None:
        port = await unused_port()
        async with running(Sink()) as there:
            ours = with_relays(store, default={"port": port, "weight": 5}, other={"port": there.port})
            first = put(store, *(f"ok{n}@x.example" for n in range(100)))
            async with working(ours):
                await settled(ours, first)
                assert len(there.recipients()) == 100
                async with running(Sink(), port=port) as back:
                    await until(lambda: back.connections > 0)  # somebody looks whether it is back, though there is no mail
                    await asyncio.sleep(0.1)
                    second = put(store, *(f"ok{n}@y.example" for n in range(100)))
                    await settled(ours, second)
                    assert len(back.taken) > 50
            assert attempts(store, first) == attempts(store, second) == {1}
            assert store.database.read_now(tries) == []

    asyncio.run(main())


def test_mail_that_waits_for_a_relay_that_goes_away_moves_to_the_other(sqlite_store: Store) -> None:
    """Whoever was claimed for it goes on at once; only the mails in flight count as tried."""

    async def main() -> None:
        async with sinks(2) as (leaving, staying):
            leaving.slow = staying.slow = 0.02
            ours = with_relays(
                sqlite_store, default={"port": leaving.port, "connections": 2}, other={"port": staying.port, "connections": 2}
            )
            message = put(sqlite_store, *(f"slow{n}@x.example" for n in range(100)))
            async with working(ours):
                await until(lambda: len(leaving.taken) >= 5)
                leaving.connection_limit = 0
                for writer in leaving.writers:
                    writer.transport.abort()
                await settled(ours, message)
            assert len(set(leaving.recipients()) | set(staying.recipients())) == 100
            tried = collections.Counter(row.attempts for row in sqlite_store.database.read_now(rows, message).values())
            assert tried[1] >= 98
            assert set(tried) <= {1, 2}
            twice = len(leaving.taken) + len(staying.taken) - 100
            assert 0 <= twice <= tried[2]

    asyncio.run(main())


def test_routes_choose_the_relay_by_the_domain_of_the_recipient(sqlite_store: Store) -> None:
    async def main() -> None:
        async with sinks(2) as (rest, ours_only):
            routes = [RouteSettings(recipients=["uni.example", "*.uni.example"], relays=["inside"])]
            ours = with_relays(sqlite_store, routes=routes, default={"port": rest.port}, inside={"port": ours_only.port})
            message = put(sqlite_store, "ok@uni.example", "ok@Mail.UNI.example", "ok@x.example", "ok@xuni.example")
            async with working(ours):
                await settled(ours, message)
            assert ours_only.recipients() == ["ok@Mail.UNI.example", "ok@uni.example"]
            assert rest.recipients() == ["ok@x.example", "ok@xuni.example"]

    asyncio.run(main())


def test_routes_choose_the_relay_by_what_stands_in_from(sqlite_store: Store) -> None:
    """The institutional address of the message, not the return path."""

    def dean(tx: Tx) -> int:
        row = {"email": "Dean@uni.example", "name": "The dean", "created_at": 1}
        address = tx.execute(insert(institutional_addresses).values(row).returning(institutional_addresses.c.id)).scalar_one()
        return add_message(tx, ["ok1@x.example"], from_address_id=address)

    async def main() -> None:
        async with sinks(2) as (rest, deans):
            routes = [RouteSettings(senders=["dean@uni.example"], relays=["deans"])]
            ours = with_relays(sqlite_store, routes=routes, default={"port": rest.port}, deans={"port": deans.port})
            theirs, others = sqlite_store.database.write_now(dean), put(sqlite_store, "ok2@x.example")
            async with working(ours):
                await settled(ours, theirs)
                await settled(ours, others)
            assert (deans.recipients(), rest.recipients()) == (["ok1@x.example"], ["ok2@x.example"])

    asyncio.run(main())


def test_mail_whose_relays_are_all_down_waits_and_holds_up_nobody_else(sqlite_store: Store) -> None:
    async def main() -> None:
        port = await unused_port()
        async with running(Sink()) as there:
            routes = [RouteSettings(recipients=["away.example"], relays=["away"])]
            ours = with_relays(sqlite_store, routes=routes, default={"port": there.port}, away={"port": port})
            waiting = put(sqlite_store, *(f"ok{n}@away.example" for n in range(300)))
            going = put(sqlite_store, *(f"ok{n}@x.example" for n in range(300)))
            async with working(ours) as task:
                await settled(ours, going, 10)
                assert not task.done()
                assert {row.settled_at for row in sqlite_store.database.read_now(rows, waiting).values()} == {None}
                async with running(Sink(), port=port) as back:
                    await settled(ours, waiting, 10)
                    assert len(back.taken) == 300
            assert attempts(sqlite_store, waiting) == {1}
            assert sqlite_store.database.read_now(tries) == []

    asyncio.run(main())


def test_who_waits_for_a_relay_that_stays_down_expires_in_time(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each look for the relay puts the next try off."""
    monkeypatch.setattr("postroom.delivery.worker._CLEARING", 0.1)

    async def main() -> None:
        async with running(Sink()) as there:
            routes = [RouteSettings(recipients=["away.example"], relays=["away"])]
            ours = with_relays(sqlite_store, routes=routes, default={"port": there.port}, away={"port": await unused_port()})
            message = put(sqlite_store, "ok@away.example", expires_at=clock.now() - queue.OVERDUE + 600)
            async with working(ours):
                await settled(ours, message, 10)
            row = sqlite_store.database.read_now(rows, message)["ok@away.example"]
            assert (row.state, row.attempts, row.reply_text) == ("expired", 0, "no relay could be reached in time")
            assert row.settled_at >= row.expires_at + queue.OVERDUE

    asyncio.run(main())


def test_who_is_put_off_beyond_the_expiry_is_given_up_all_the_same(store: Store) -> None:
    message = put(store, "a@x.example", lane="single", expires_at=clock.now() - 2 * clock.HOUR)
    (due,) = store.database.write_now(queue.claim, "me", clock.now(), 60_000, single=5, bulk=0)
    store.database.write_now(queue.release, "me", [due.id], clock.now() + 5_000)
    assert store.database.write_now(queue.expire, store.settings, clock.now(), 100) == 1
    assert store.database.read_now(states, message) == {"a@x.example": "expired"}


def test_whoever_is_claimed_anew_while_an_older_claim_waits_is_sent_to_once(sqlite_store: Store) -> None:
    """Another worker put back what we hold (we stood still for longer than the lease), and we claim it again."""

    def put_back(tx: Tx) -> None:
        back = {"state": "queued", "lease_owner": None, "lease_until": None, "attempts": 0}
        tx.execute(update(recipients).where(recipients.c.email == "ok3@x.example").values(back))

    async def main() -> None:
        sink = Sink()
        sink.slow = 0.5
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, connections=2, messages_per_connection=1)
            message = put(sqlite_store, "slow1@x.example", "slow2@x.example", "ok3@x.example", lane="single")
            async with working(ours):
                await until(lambda: sum(sink.asked.values()) == 2)
                await sqlite_store.database.write(put_back)
                await until(lambda: sqlite_store.database.read_now(states, message)["ok3@x.example"] in {"sending", "delivered"}, 8)
                await settled(ours, message)
                await asyncio.sleep(0.3)
            assert sink.asked == {"slow1@x.example": 1, "slow2@x.example": 1, "ok3@x.example": 1}
            assert attempts(sqlite_store, message) == {1}

    asyncio.run(main())


def test_more_bulk_is_claimed_only_when_much_of_it_can_be(sqlite_store: Store) -> None:
    """So that a claim takes many at a time; single mails have a room of their own, always."""

    async def main() -> None:
        dispatch = Dispatch(with_relay(sqlite_store, 1, connections=2), "me")
        capacity = 2 * BACKLOG
        assert dispatch.room() == (capacity, capacity)
        dispatch.assign(jobs("x.example", capacity // 2 - 1))
        assert dispatch.room() == (capacity, capacity // 2 + 1)
        dispatch.assign(jobs("x.example", 1))
        assert dispatch.room() == (capacity, 0)
        dispatch.assign(jobs("x.example", 5, "single"))
        assert dispatch.room() == (capacity - 5, 0)

    asyncio.run(main())


def test_whom_nobody_may_take_now_is_handed_back(sqlite_store: Store) -> None:
    async def main() -> None:
        dispatch = Dispatch(with_relays(sqlite_store, default={"port": 1}, other={"port": 2}), "me")
        dispatch.relays["default"].failed("gone")
        mine = jobs("x.example", 3)
        assert dispatch.assign(mine) == mine
        assert not dispatch.all_down
        dispatch.relays["other"].failed("gone too")
        assert dispatch.all_down
        assert 0 < dispatch.wait_left <= 0.25
        for relay in dispatch.relays.values():
            relay.end()

    asyncio.run(main())


def test_a_claim_takes_as_many_as_there_is_room_for_and_costs_two_statements(store: Store) -> None:
    put(store, *(f"{n}@x.example" for n in range(200)))
    with counted(store) as statements:
        claimed = store.database.write_now(queue.claim, "me", clock.now(), 60_000, single=50, bulk=150)
    assert (len(claimed), len(statements)) == (150, 2)


def test_an_expired_deferral_is_not_tried_for_ever(sqlite_store: Store) -> None:
    """Whoever comes due after its expiry, since the relay was away until then, has one last try."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, DeliverySettings(retry_first=0.05))
            message = put(sqlite_store, "t4x99@x.example", "ok@x.example", lane="single", expires_at=clock.now() - 1)
            async with working(ours):
                await settled(ours, message)
            assert sqlite_store.database.read_now(states, message) == {"t4x99@x.example": "expired", "ok@x.example": "delivered"}
            assert sink.asked["t4x99@x.example"] == 1

    asyncio.run(main())
