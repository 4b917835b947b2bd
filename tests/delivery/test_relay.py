"""One relay as a worker sees it: how fast, over how many connections, and what becomes of the mail while it is in trouble."""

import asyncio
import collections

import pytest

from postroom.delivery import relay
from postroom.delivery.limits import Pause
from postroom.delivery.relay import Relay
from postroom.settings import DeliverySettings, DomainSettings, RelaySettings, Settings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.delivery.jobs import jobs
from tests.delivery.letters import add_message, rows, settled, tries, until, with_relay, working
from tests.delivery.relays import with_relays
from tests.delivery.sink import Sink, running


def mailing(store: Store, *people: str, lane: str = "bulk") -> int:
    return store.database.write_now(add_message, people, lane=lane)


def send_single(tx: Tx, email: str) -> int:
    message = add_message(tx, [email])
    wakeup.notify(tx)
    return message


def untouched(store: Store, message: int) -> bool:
    """Whether everybody waits as if never tried."""
    return {(row.state, row.attempts) for row in store.database.read_now(rows, message).values()} == {("queued", 0)}


def test_a_relay_gets_no_more_messages_a_second_than_its_rate(sqlite_store: Store) -> None:
    """Over all its connections together, and not much fewer either."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=4, rate=40.0)
            message = mailing(sqlite_store, *(f"ok{n}@x.example" for n in range(61)))
            async with working(ours):
                await settled(ours, message)
            times = sorted(mail.at for mail in sink.taken)
            assert 1.1 <= times[-1] - times[0] <= 2.5  # 1.4, and the first may be late, since it opens the connection
            assert {row.attempts for row in sqlite_store.database.read_now(rows, message).values()} == {1}

    asyncio.run(main())


def test_the_rate_of_a_domain_holds_back_that_domain_only(sqlite_store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            slow = DomainSettings(rate=20.0)
            ours = with_relays(sqlite_store, default={"port": sink.port, "connections": 4}, domains={"Slow.Example": slow})
            people = [f"ok{n}@slow.example" for n in range(25)] + [f"ok{n}@fast.example" for n in range(60)]
            message = mailing(sqlite_store, *people)
            async with working(ours):
                await settled(ours, message)
            ended: dict[str, float] = {}
            begun = sink.taken[0].at
            for mail in sink.taken:
                ended[mail.recipient.partition("@")[2]] = mail.at - begun
            assert 0.8 <= ended["slow.example"] <= 2.0
            assert ended["fast.example"] < ended["slow.example"]

    asyncio.run(main())


def test_the_alarm_of_a_domain_is_set_again_and_again(sqlite_store: Store) -> None:
    """Alarms that are due at once as well: the event loop of the servers (uvloop) knows those by no time."""

    async def main() -> None:
        async with running(Sink()) as sink:
            limits = {f"d{number}.example": DomainSettings(rate=150.0 + number, connections=2) for number in range(4)}
            ours = with_relays(sqlite_store, default={"port": sink.port, "connections": 8}, domains=limits)
            message = mailing(sqlite_store, *(f"ok{number}@d{number % 4}.example" for number in range(400)))
            async with working(ours):
                await settled(ours, message)
            assert len(sink.taken) == 400

    asyncio.run(main())


@pytest.mark.alone
def test_the_time_of_a_slower_domain_does_not_hold_up_a_faster_one() -> None:
    """The first who waits for time is woken in time, though somebody else has to wait for longer."""

    async def main() -> float:
        domains = {"slow.example": DomainSettings(rate=0.1), "fast.example": DomainSettings(rate=20.0)}
        relay = Relay("default", Settings(domains=domains), lambda: None)
        relay.put(jobs("slow.example", 2))
        assert await relay.take(1.0) is not None
        assert await relay.take(0.02) is None  # the alarm is set, for ten seconds hence
        relay.put(jobs("fast.example", 5))
        begun = asyncio.get_running_loop().time()
        for _ in range(5):
            assert await relay.take(1.0) is not None
        took = asyncio.get_running_loop().time() - begun
        relay.end()
        return took

    assert 0.09 <= asyncio.run(main()) <= 0.5  # 0.1, by a clock of milliseconds


def test_a_domain_whose_time_comes_between_two_looks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another one waits for longer: else whoever takes would sleep until that one's time."""

    async def main() -> bool:
        domains = {"slow.example": DomainSettings(rate=0.1), "fast.example": DomainSettings(rate=20.0)}
        ours = Relay("default", Settings(domains=domains), lambda: None)
        ours.put([*jobs("slow.example", 2), *jobs("fast.example", 6)])
        while ours._take(("single", "bulk")) is not None:
            pass
        later = asyncio.get_running_loop().time() + 0.06
        monkeypatch.setattr(relay, "_now", lambda: later)
        waits = ours._set_alarm()
        ours.end()
        return waits

    assert asyncio.run(main()) is False


def test_domain_connections_hold_for_the_relay(sqlite_store: Store) -> None:
    """No more transactions at a time with one domain, while another one has as many."""

    async def main() -> None:
        sink = Sink()
        sink.slow = 0.02
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, connections=6, domain_connections=2)
            message = mailing(sqlite_store, *(f"slow{n}@{domain}.example" for n in range(20) for domain in ("one", "two")))
            async with working(ours):
                await settled(ours, message)
            assert sink.most_busy == {"one.example": 2, "two.example": 2}

    asyncio.run(main())


def test_a_connection_without_work_is_closed_in_time(sqlite_store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=2, idle=0.3)
            async with working(ours):
                await settled(ours, mailing(sqlite_store, "ok1@x.example", lane="single"))
                assert sink.open_now >= 1
                await until(lambda: sink.open_now == 0, 3)
                assert sink.commands[-1] == "QUIT"
                again = await sqlite_store.database.write(send_single, "ok2@x.example")
                await settled(ours, again)

    asyncio.run(main())


def test_a_connection_that_may_idle_is_used_again(sqlite_store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=1, idle=30.0)
            async with working(ours):
                for n in range(3):
                    await settled(ours, await sqlite_store.database.write(send_single, f"ok{n}@x.example"))
                    await asyncio.sleep(0.1)
            assert sink.connections == 1
            assert sink.commands[-1] == "QUIT"

    asyncio.run(main())


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("SIZE",)])
def test_a_connection_is_replaced_after_so_many_messages(sqlite_store: Store, extensions: tuple[str, ...]) -> None:
    """Each but the last is used up, the envelope that goes ahead included."""

    async def main() -> None:
        async with running(Sink(extensions=extensions)) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=1, messages_per_connection=7)
            message = mailing(sqlite_store, *(f"ok{n}@x.example" for n in range(20)))
            async with working(ours):
                await settled(ours, message)
            counted = collections.Counter(mail.connection for mail in sink.taken)
            assert [counted[number] for number in sorted(counted)] == [7, 7, 6]
            assert sum(command.startswith("MAIL") for command in sink.commands) == 20  # none is opened that is given up

    asyncio.run(main())


def test_one_message_for_each_connection(sqlite_store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=2, messages_per_connection=1)
            message = mailing(sqlite_store, *(f"ok{n}@x.example" for n in range(10)))
            async with working(ours):
                await settled(ours, message)
            assert (sink.connections, len({mail.connection for mail in sink.taken})) == (10, 10)

    asyncio.run(main())


def test_a_connection_that_went_stale_costs_no_attempt(sqlite_store: Store) -> None:
    """The relay closed it meanwhile: the mail goes over a new one, at once."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=1, idle=30.0)
            async with working(ours):
                await settled(ours, await sqlite_store.database.write(send_single, "ok1@x.example"))
                for writer in sink.writers:
                    writer.transport.abort()
                message = await sqlite_store.database.write(send_single, "ok2@x.example")
                await settled(ours, message)
            assert sink.connections == 2
            assert {row.attempts for row in sqlite_store.database.read_now(rows, message).values()} == {1}
            assert sqlite_store.database.read_now(tries) == []

    asyncio.run(main())


def test_a_relay_that_admits_fewer_connections_is_worked_with_over_those(sqlite_store: Store) -> None:
    """The others rest; nobody loses an attempt, and the work goes on all the time."""

    async def main() -> None:
        sink = Sink()
        sink.connection_limit = 2
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, DeliverySettings(), connections=8)
            message = mailing(sqlite_store, *(f"ok{n}@x.example" for n in range(1_000)))
            async with working(ours):
                await settled(ours, message, 10)
            assert sink.turned_away >= 6
            assert len(sink.taken) == 1_000
            assert max(after.at - before.at for before, after in zip(sink.taken, sink.taken[1:], strict=False)) < 0.5
        assert {row.attempts for row in sqlite_store.database.read_now(rows, message).values()} == {1}
        assert sqlite_store.database.read_now(tries) == []

    asyncio.run(main())


def refused(sink: Sink) -> int:
    """How often MAIL was said."""
    return sum(command.startswith("MAIL") for command in sink.commands)


def test_a_relay_that_refuses_us_at_mail_is_left_alone_for_longer_each_time(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that is wanted is our trouble (RFC 4954 section 6): greeting and EHLO do not show that it is over."""
    monkeypatch.setattr("postroom.delivery.relay.Pause", lambda: Pause(0.1, 60.0))

    async def main() -> None:
        sink = Sink()
        sink.credentials = ("a", "b")  # and our settings have none: 530 to MAIL
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, DeliverySettings(), connections=2)
            message = mailing(sqlite_store, *(f"ok{n}@x.example" for n in range(30)))
            async with working(ours) as task:
                await asyncio.sleep(2.0)
                await until(lambda: refused(sink) >= 2)
                assert not task.done()
                assert refused(sink) <= 12  # at 0, 0.1, 0.3, 0.7, 1.5 seconds or so, over two connections
                assert sink.connections <= 16
                sink.credentials = None
                await settled(ours, message)
            assert {row.attempts for row in sqlite_store.database.read_now(rows, message).values()} == {1}
            assert sqlite_store.database.read_now(tries) == []

    asyncio.run(main())


@pytest.mark.parametrize("host", ["a..b", "x" * 80 + ".example", "127.0.0.1 ", "xn--\u0142.example"])
def test_a_host_name_that_is_none_is_trouble_of_the_relay_only(sqlite_store: Store, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while names are looked up nobody loses an attempt, and the worker lives."""

    async def main() -> None:
        ours = with_relay(sqlite_store, 25, host=host)
        message = mailing(sqlite_store, "ok@x.example")
        async with working(ours) as task:
            await asyncio.sleep(0.3)
            assert not task.done()
            await until(lambda: untouched(sqlite_store, message))

    asyncio.run(main())


def test_a_domain_that_never_answers_holds_up_nobody_else(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three tenths of a mailing: everybody else, and a single mail meanwhile, goes out long before the time-out."""
    monkeypatch.setattr("postroom.delivery.window.SLOW", 0.5)
    monkeypatch.setattr("postroom.delivery.window._PUT_OFF_FIRST", 0.5)  # a busy test machine makes the others look slow at times
    monkeypatch.setattr("postroom.delivery.sender.LONGEST_AHEAD", 0.2)
    monkeypatch.setattr("postroom.delivery.worker._TENDING", 0.1)
    monkeypatch.setattr("postroom.delivery.worker.GRACE", 0.5)
    people = [f"slow{n}@silent.example" if n % 10 < 3 else f"ok{n}@people.example" for n in range(1_000)]
    healthy = sorted(each for each in people if "people" in each)

    async def main() -> None:
        sink = Sink()
        sink.slow = 600
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, DeliverySettings(), connections=8, timeout=25.0)
            message = mailing(sqlite_store, *people)
            async with working(ours):
                await until(lambda: len(sink.taken) > 100, 5)
                single = await sqlite_store.database.write(send_single, "single@other.example")
                await settled(ours, single, 5)
                await until(lambda: len(sink.taken) == len(healthy) + 1, 15)
                assert 1 <= sink.busy["silent.example"] <= 6
                sink.slow = 0
        assert sorted(set(sink.recipients()) - {"single@other.example"}) == healthy
        found = sqlite_store.database.read_now(rows, message)
        silent = collections.Counter(row.state for email, row in found.items() if "silent" in email)
        assert set(silent) <= {"queued", "unknown"}
        assert silent["unknown"] <= 8  # at most one for each connection was on the wire

    asyncio.run(main())


def test_what_waits_behind_a_slow_mail_goes_over_another_connection(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its envelope may be open already: nothing of it went out."""
    monkeypatch.setattr("postroom.delivery.sender.LONGEST_AHEAD", 0.1)
    monkeypatch.setattr("postroom.delivery.worker._TENDING", 0.1)

    async def main() -> None:
        sink = Sink()
        sink.slow = 3.0
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, connections=2)
            message = mailing(sqlite_store, "slow1@a.example", *(f"ok{n}@c.example" for n in range(20)))
            async with working(ours):
                await until(lambda: len(sink.taken) == 20, 2.5)
                assert sink.busy["a.example"] == 1
                await settled(ours, message)
            assert len(sink.taken) == 21
            assert {row.attempts for row in sqlite_store.database.read_now(rows, message).values()} == {1}

    asyncio.run(main())


def test_only_bulk_is_taken_ahead_and_only_when_nobody_else_would_take_it() -> None:
    """A single mail waits behind no other, and no connection stands idle while jobs wait behind a busy one."""

    async def main() -> None:
        relay = Relay("default", Settings(), lambda: None)
        relay.put(jobs("x.example", 1, "single"))
        assert relay.take_ahead() is None
        relay.put(jobs("x.example", 2))
        assert relay.take_ahead() is None
        single = await relay.take(0.1)
        assert single is not None
        assert single.job.lane == "single"
        assert relay.take_ahead() is not None
        assert relay.take_ahead() is not None
        others = [asyncio.create_task(relay.take(0.2)) for _ in range(2)]
        await asyncio.sleep(0)
        relay.put(jobs("x.example", 1))
        assert relay.take_ahead() is None
        assert sum(taken is not None for taken in await asyncio.gather(*others)) == 1
        relay.end()

    asyncio.run(main())


def test_a_report_tells_how_the_relay_does() -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            relay = Relay("default", Settings(relay=RelaySettings(port=sink.port, timeout=2.0)), lambda: None)
            connection = await relay.connect()
            relay.sent = 10
            told = relay.report()
            assert (told.up, told.connections, told.sent, told.next_try_in, told.address) == (True, 1, 10, None, f"127.0.0.1:{sink.port}")
            assert told.rate > 0
            await asyncio.sleep(0.05)
            assert relay.report().rate == 0
            await relay.part(connection)
            relay.failed("421 enough")
            down = relay.report()
            assert (down.up, down.reason, down.connections) == (False, "421 enough", 0)
            assert 0.7 <= (down.next_try_in or 0) <= 1.2
            relay.end()

    asyncio.run(main())
