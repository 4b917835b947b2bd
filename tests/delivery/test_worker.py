"""The worker against a server that keeps the truth: nobody lost, nobody twice, outcomes as they were."""

import asyncio
import collections
import re
from typing import Any

import pytest
from sqlalchemy import select, update

from postroom import clock
from postroom.delivery import queue
from postroom.delivery.records import Batch
from postroom.settings import DeliverySettings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import recipients
from tests.delivery.letters import add_message, add_person, rows, settled, states, status, tries, until, with_relay, working
from tests.delivery.sink import Sink, running


def test_each_recipient_ends_with_its_own_outcome(store: Store) -> None:
    """Design 1.2: everyone is accounted for. 4xx comes again, 5xx fails, the last reply is kept, and so is each try that failed."""
    people = [f"ok{n}@x.example" for n in range(30)] + ["t4x2-a@x.example", "p5-b@x.example", "spam-c@x.example"]

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            message = store.database.write_now(add_message, people)
            async with working(ours):
                await settled(ours, message)
        found = store.database.read_now(rows, message)
        failed = {email: row.state for email, row in found.items() if row.state != "delivered"}
        assert failed == {"p5-b@x.example": "failed", "spam-c@x.example": "failed"}
        assert store.database.read_now(status, message) == "error"
        assert sink.recipients() == sorted(set(people) - set(failed))
        assert (found["ok1@x.example"].reply_code, found["ok1@x.example"].reply_text) == (250, "250 2.0.0 taken as 4711")
        refused = found["p5-b@x.example"]
        assert (refused.reply_code, refused.reply_text) == (550, "550 5.1.1 no such person ask somebody else (to RCPT)")
        assert found["t4x2-a@x.example"].attempts == 3
        kept = [(row.outcome, row.reply_code) for row in store.database.read_now(tries) if row.recipient_id == found["t4x2-a@x.example"].id]
        assert kept == [("deferred", 451), ("deferred", 451)]
        assert all(row.lease_owner is None and row.settled_at for row in found.values())

    asyncio.run(main())


def test_expiry_ends_what_never_succeeds(store: Store) -> None:
    """The last try falls on the expiry; what fails then is expired, with the reply it got."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            message = store.database.write_now(
                lambda tx: add_message(tx, ["garbage@x.example", "t4x99@x.example"], expires_at=clock.now() + 700)
            )
            async with working(ours):
                await settled(ours, message)
        found = store.database.read_now(rows, message)
        assert {email: row.state for email, row in found.items()} == {"garbage@x.example": "expired", "t4x99@x.example": "expired"}
        assert found["t4x99@x.example"].reply_text == "451 4.7.1 come back later (to RCPT)"
        assert "not a reply" in found["garbage@x.example"].reply_text
        assert found["t4x99@x.example"].settled_at >= found["t4x99@x.example"].expires_at
        assert found["t4x99@x.example"].attempts >= 3

    asyncio.run(main())


def test_unknown_outcome_is_tried_again_under_the_same_message_id_and_stays_marked(store: Store) -> None:
    """Design 1.2: the connection died after the final dot."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            message = store.database.write_now(add_message, ["drop@x.example", "ok@x.example"])
            async with working(ours):
                await settled(ours, message)
            found = store.database.read_now(rows, message)
            assert {email: (row.state, bool(row.ambiguous)) for email, row in found.items()} == {
                "drop@x.example": ("delivered", True),
                "ok@x.example": ("delivered", False),
            }
            twice = [mail.content for mail in sink.taken if mail.recipient == "drop@x.example"]
            assert len(twice) == 2
            assert twice[0] == twice[1]
            assert len({re.search(rb"Message-ID: (\S+)", mail.content)[1] for mail in sink.taken}) == 2  # type: ignore[index]
            assert [row.outcome for row in store.database.read_now(tries)] == ["unknown"]

    asyncio.run(main())


def test_unknown_outcome_is_held_where_the_settings_say_so(store: Store) -> None:
    """Design 1.2: a setting holds such recipients for a person to decide."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port, DeliverySettings(unknown_hold=True, unknown_pause=0.01))
            message = store.database.write_now(add_message, ["drop@x.example"])
            async with working(ours):
                await until(lambda: store.database.read_now(states, message) == {"drop@x.example": "unknown"})
                await asyncio.sleep(0.2)
            row = store.database.read_now(rows, message)["drop@x.example"]
            assert (row.state, row.due_at, bool(row.ambiguous)) == ("unknown", None, True)
            assert len(sink.taken) == 1

    asyncio.run(main())


def test_absent_relay_burns_no_attempt(store: Store) -> None:
    """Recipients wait while the relay is away, and get their mail when it is back."""

    async def main() -> None:
        async with running(Sink()) as placeholder:
            port = placeholder.port
        ours = with_relay(store, port)
        message = store.database.write_now(add_message, [f"ok{n}@x.example" for n in range(20)])
        async with working(ours):
            await asyncio.sleep(0.5)
            await until(lambda: untouched(store, message))
            async with running(Sink(), port=port) as sink:
                await settled(ours, message)
                assert len(sink.recipients()) == 20
        assert {row.attempts for row in store.database.read_now(rows, message).values()} == {1}
        assert store.database.read_now(tries) == []

    asyncio.run(main())


@pytest.mark.parametrize("greeting", [b"554 5.7.1 not you\r\n", b"421 4.3.2 later\r\n", b"\x00\xff\xfe nonsense\r\n", b"x" * 100_000])
def test_relay_that_does_not_speak_smtp_costs_nobody_an_attempt(sqlite_store: Store, greeting: bytes) -> None:
    async def main() -> None:
        sink = Sink()
        sink.greeting = greeting
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port)
            message = sqlite_store.database.write_now(add_message, ["ok@x.example"])
            async with working(ours) as task:
                await asyncio.sleep(0.3)
                assert not task.done()
                await until(lambda: untouched(sqlite_store, message))

    asyncio.run(main())


def test_421_and_a_dropped_connection_defer_one_recipient_only(store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port, connections=1)
            message = store.database.write_now(add_message, ["421@x.example", "die@x.example", "ok@x.example"])
            async with working(ours):
                await until(lambda: store.database.read_now(states, message)["die@x.example"] == "delivered")
                await until(lambda: store.database.read_now(states, message)["ok@x.example"] == "delivered")
                await until(lambda: store.database.read_now(states, message)["421@x.example"] == "deferred")
            found = store.database.read_now(rows, message)
            assert found["ok@x.example"].state == "delivered"
            assert found["421@x.example"].state == "deferred"
            assert found["421@x.example"].reply_code == 421

    asyncio.run(main())


def test_poisoned_recipients_and_messages_fail_alone(store: Store) -> None:
    """Whatever cannot be composed fails with its reason; everybody else gets the mail."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            bad_address = store.database.write_now(add_message, ["a b@x.example", "x>\r\nRCPT TO:<y@z", "ok1@x.example", None])
            bad_subject = store.database.write_now(add_message, ["ok2@x.example"], subject="a\r\nBcc: all@x.example")
            good = store.database.write_now(add_message, ["ok3@x.example"])
            async with working(ours):
                for message in (bad_address, bad_subject, good):
                    await settled(ours, message)
            found = store.database.read_now(rows, bad_address)
            assert {email: row.state for email, row in found.items()} == {
                "a b@x.example": "failed",
                "x>\r\nRCPT TO:<y@z": "failed",
                "ok1@x.example": "delivered",
                None: "failed",
            }
            assert "address" in found["a b@x.example"].reply_text
            assert store.database.read_now(rows, bad_subject)["ok2@x.example"].reply_text == (
                "no mail could be made: Subject: a line break in a header"
            )
            assert sink.recipients() == ["ok1@x.example", "ok3@x.example"]

    asyncio.run(main())


def test_clean_stop_puts_the_rest_back(store: Store) -> None:
    """What was claimed but not begun is queued again with no attempt burnt; what is in flight is finished."""

    async def main() -> None:
        sink = Sink()
        sink.slow = 0.2
        async with running(sink):
            ours = with_relay(store, sink.port, connections=2)
            message = store.database.write_now(add_message, [f"slow{n}@x.example" for n in range(40)])
            async with working(ours):
                await until(lambda: bool(sink.taken))
            found = store.database.read_now(rows, message)
            delivered = sorted(email for email, row in found.items() if row.state == "delivered")
            assert delivered == sink.recipients()
            assert 1 <= len(delivered) < 40
            assert {(row.state, row.attempts, row.lease_owner) for row in found.values() if row.state != "delivered"} == {
                ("queued", 0, None)
            }

    asyncio.run(main())


def test_killed_worker_loses_nobody(store: Store) -> None:
    """Design 1.3: leases run out, rows are recovered, and nobody is left; who was on the wire stays marked, and only they."""

    async def main() -> None:
        async with running(Sink()) as sink:
            people = [f"ok{n}@x.example" for n in range(10)]
            message = store.database.write_now(add_message, people)
            claimed = store.database.write_now(queue.claim, "dead worker", clock.now(), 300, single=10, bulk=0)
            begun = Batch(outcomes=(), starts=(), on_wire=(claimed[0].id, claimed[1].id), ended=())
            store.database.write_now(queue.settle, store.settings, "dead worker", begun, clock.now())
            ours = with_relay(store, sink.port, DeliverySettings(lease=1, unknown_pause=0.1))
            async with working(ours):
                await settled(ours, message)
            assert sink.recipients() == sorted(people)
            found = store.database.read_now(rows, message).values()
            ended = collections.Counter((row.state, row.recoveries, bool(row.ambiguous)) for row in found)
            assert ended == {("delivered", 1, True): 2, ("delivered", 0, False): 8}

    asyncio.run(main())


def test_two_workers_do_not_interfere(store: Store) -> None:
    """Each recipient is sent to once, whoever claims it."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            people = [f"ok{n}@x.example" for n in range(400)]
            message = store.database.write_now(add_message, people, lane="bulk")
            async with working(ours), working(ours):
                await settled(ours, message)
            assert sink.recipients() == sorted(people)

    asyncio.run(main())


def test_next_mail_starts_only_when_the_last_outcome_is_durable(store: Store) -> None:
    """Design 1.3: whatever the sink has taken over one connection is in the store, but for the one mail in flight."""
    seen: list[int] = []

    async def main() -> None:
        sink = Sink()

        class Watched(list):  # type: ignore[type-arg]
            def append(self, mail: Any) -> None:
                delivered = store.database.read_now(_delivered)
                before = len(self)
                seen.append(before - delivered)
                super().append(mail)

        sink.taken = Watched()
        async with running(sink):
            ours = with_relay(store, sink.port, connections=1)
            message = store.database.write_now(add_message, [f"ok{n}@x.example" for n in range(25)])
            async with working(ours):
                await settled(ours, message)

    asyncio.run(main())
    assert seen == [0] * 25


def test_connections_stay_within_their_limit_and_are_reused(store: Store) -> None:
    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port, connections=2, messages_per_connection=10)
            message = store.database.write_now(add_message, [f"ok{n}@x.example" for n in range(60)])
            async with working(ours):
                await settled(ours, message)
            assert sink.most_open <= 2
            assert 6 <= sink.connections <= 8
            assert max(sum(mail.connection == n for mail in sink.taken) for n in range(1, 9)) <= 10

    asyncio.run(main())


def test_single_mail_passes_a_waiting_mailing(store: Store) -> None:
    """Design 1.4: a bulk mailing never delays a single mail."""

    async def main() -> None:
        sink = Sink()
        sink.slow = 0.02
        async with running(sink):
            ours = with_relay(store, sink.port, connections=1)
            store.database.write_now(add_message, [f"slow{n}@x.example" for n in range(200)], lane="bulk")
            async with working(ours):
                await until(lambda: len(sink.taken) >= 5)
                before = len(sink.taken)
                single = await store.database.write(_queue_single)
                await settled(ours, single)
                assert len(sink.taken) - before < 15

    asyncio.run(main())


def test_idle_worker_starts_soon_after_a_commit(store: Store) -> None:
    """A new message wakes the worker at once; a busy test machine gets some time for it."""

    async def main() -> float:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            async with working(ours):
                await asyncio.sleep(0.4)
                start = asyncio.get_running_loop().time()
                await store.database.write(_queue_single)
                await until(lambda: bool(sink.taken))
                return asyncio.get_running_loop().time() - start

    assert asyncio.run(main()) < 2.0


def test_recipients_are_told_apart_by_name(store: Store) -> None:
    """The To header carries a person's name, and the envelope what was frozen on the roll."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            message = store.database.write_now(_to_a_person)
            async with working(ours):
                await settled(ours, message)
            assert b"To: Jan Nowak <frozen@x.example>\r\n" in sink.taken[0].content
            assert sink.taken[0].sender == "no-reply@postroom.localhost"

    asyncio.run(main())


def untouched(store: Store, message: int) -> bool:
    """Whether everybody waits as if never tried."""
    return {(row.state, row.attempts) for row in store.database.read_now(rows, message).values()} == {("queued", 0)}


def _to_a_person(tx: Tx) -> int:
    person = add_person(tx, "Jan", "Nowak", "new@x.example")
    message = add_message(tx, ["frozen@x.example"])
    tx.execute(update(recipients).values(user_id=person))
    return message


def _queue_single(tx: Tx) -> int:
    message = add_message(tx, ["ok-single@x.example"])
    wakeup.notify(tx)
    return message


def _delivered(tx: Tx) -> int:
    return len(tx.execute(select(recipients.c.id).where(recipients.c.state == "delivered")).all())
