"""The queue: leases, lanes, group settlement, and how many statements that takes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postroom import clock
from postroom.delivery import overview, queue
from postroom.delivery.records import Batch, Due, Outcome
from postroom.messages.records import State
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.delivery.letters import add_message, rows, states, status, tries
from tests.support import counted

NOW = clock.now() + clock.HOUR
LEASE = 60_000


def outcome_of(due: Any, state: State, **more: Any) -> Outcome:
    values = {"reply_code": 250, "reply_text": "250 ok", "relay": "here:25", **more}
    return Outcome(recipient_id=due.id, message_id=due.message_id, state=state, **values)


def claim(store: Store, owner: str = "one", *, single: int = 100, bulk: int = 100) -> list[Due]:
    return store.database.write_now(queue.claim, owner, NOW, LEASE, single=single, bulk=bulk)


def settle(store: Store, outcomes: Sequence[Outcome], starts: Sequence[int] = (), owner: str = "one") -> frozenset[int]:
    """Write outcomes, and look whether their messages are done."""
    ended = tuple({outcome.message_id for outcome in outcomes})
    return store.database.write_now(
        queue.settle, store.settings, owner, Batch(outcomes=tuple(outcomes), starts=tuple(starts), on_wire=tuple(starts), ended=ended), NOW
    )


def recover(store: Store, **settings: Any) -> tuple[int, int, int]:
    return store.database.write_now(queue.recover, msgspec.structs.replace(store.settings.delivery, **settings), NOW + LEASE)


def test_claim_takes_single_mails_first_and_what_is_due_only(store: Store) -> None:
    """Design 1.4: bulk takes what single leaves."""
    bulk = store.database.write_now(add_message, [f"b{n}@x.example" for n in range(5)], lane="bulk")
    single = store.database.write_now(add_message, ["s@x.example"])
    later = store.database.write_now(add_message, ["later@x.example"])
    store.database.write_now(lambda tx: tx.execute(update(recipients).where(recipients.c.message_id == later).values(due_at=NOW + 1)))
    first = claim(store, bulk=2)
    assert [due.message_id for due in first] == [single, bulk, bulk]
    assert {(due.attempts, due.lane) for due in first} == {(1, "single"), (1, "bulk")}
    assert claim(store, bulk=0) == []
    assert len(claim(store, bulk=1)) == 1
    assert len(claim(store)) == 2
    assert claim(store) == []


def test_claim_costs_a_statement_for_each_lane_whatever_the_limit(store: Store) -> None:
    store.database.write_now(add_message, [f"b{n}@x.example" for n in range(300)], lane="bulk")
    with counted(store) as statements:
        assert len(claim(store, bulk=300)) == 300
    assert len(statements) == 2


def test_nobody_is_claimed_twice(store: Store) -> None:
    store.database.write_now(add_message, [f"b{n}@x.example" for n in range(20)])
    one, two = claim(store, "one", single=12), claim(store, "two", single=12)
    assert len({due.id for due in one} | {due.id for due in two}) == 20
    assert (len(one), len(two)) == (12, 8)


def test_release_burns_no_attempt_and_only_the_owner_may(store: Store) -> None:
    message = store.database.write_now(add_message, ["a@x.example"])
    (due,) = claim(store)
    store.database.write_now(queue.release, "somebody else", [due.id])
    assert store.database.read_now(states, message) == {"a@x.example": "sending"}
    store.database.write_now(queue.release, "one", [due.id])
    row = store.database.read_now(rows, message)["a@x.example"]
    assert (row.state, row.attempts, row.lease_owner, row.lease_until) == ("queued", 0, None, None)
    (again,) = claim(store)
    assert again.attempts == 1
    settle(store, [outcome_of(again, "deferred", due_at=NOW)])
    store.database.write_now(queue.release, "one", [claim(store)[0].id])
    row = store.database.read_now(rows, message)["a@x.example"]
    assert (row.state, row.attempts) == ("deferred", 1)


def test_release_may_put_off(store: Store) -> None:
    message = store.database.write_now(add_message, ["a@x.example"])
    (due,) = claim(store)
    store.database.write_now(queue.release, "one", [due.id], NOW + 5)
    row = store.database.read_now(rows, message)["a@x.example"]
    assert (row.state, row.attempts, row.due_at) == ("queued", 0, NOW + 5)


def test_leases_are_renewed_or_run_out(store: Store) -> None:
    """Design 1.3: whom a dead worker had claimed but not begun with waits again as if nothing had been."""
    message = store.database.write_now(add_message, ["a@x.example", "b@x.example"])
    first, second = claim(store)
    settle(store, [])
    assert store.database.write_now(queue.renew, "one", [first.id], NOW + 10 * LEASE) == {first.id}
    assert store.database.write_now(queue.renew, "two", [second.id], NOW + 10 * LEASE) == set()
    assert recover(store) == (1, 0, 0)
    found = store.database.read_now(rows, message)
    assert [(row.state, row.attempts, row.recoveries, bool(row.ambiguous)) for row in found.values()] == [
        ("sending", 1, 0, False),
        ("queued", 0, 0, False),
    ]


@pytest.mark.parametrize("hold", [False, True])
def test_whose_mail_was_on_the_wire_is_unknown_after_a_crash(store: Store, hold: bool) -> None:  # noqa: FBT001
    """Design 1.2: tried again after a pause with the same Message-ID, or held for a person; the history tells of it."""
    message = store.database.write_now(add_message, ["a@x.example", "b@x.example"])
    first, _ = claim(store)
    assert settle(store, [], [first.id]) == frozenset()
    assert recover(store, unknown_pause=7, unknown_hold=hold) == (1, 1, 0)
    row = store.database.read_now(rows, message)["a@x.example"]
    assert (row.state, row.attempts, row.recoveries, bool(row.ambiguous), row.lease_owner) == ("unknown", 1, 1, True, None)
    assert row.due_at == (None if hold else NOW + LEASE + 7_000)
    assert [(tried.recipient_id, tried.outcome) for tried in store.database.read_now(tries)] == [(first.id, "unknown")]


def test_who_has_crashed_a_worker_three_times_is_parked(store: Store) -> None:
    """A poisonous mail does not kill one worker after the other; it waits, open, until a person looks."""
    message = store.database.write_now(add_message, ["poison@x.example"])
    counts = []
    for _ in range(queue.POISON):
        store.database.write_now(lambda tx: tx.execute(update(recipients).values(due_at=NOW)))
        (due,) = claim(store)
        settle(store, [], [due.id])
        counts.append(recover(store))
    assert counts == [(0, 1, 0), (0, 1, 0), (0, 0, 1)]
    row = store.database.read_now(rows, message)["poison@x.example"]
    assert (row.state, row.due_at, row.reply_text) == ("unknown", None, queue.PARKED)
    assert claim(store) == []


def test_nobody_is_started_whom_another_worker_holds(store: Store) -> None:
    """Two workers never send to one recipient."""
    store.database.write_now(add_message, ["a@x.example", "b@x.example"])
    first, second = claim(store)
    store.database.write_now(lambda tx: tx.execute(update(recipients).where(recipients.c.id == second.id).values(lease_owner="two")))
    assert settle(store, [], [first.id, second.id]) == {second.id}


def test_settle_writes_only_what_the_owner_still_holds(store: Store) -> None:
    """Two workers never write over each other."""
    message = store.database.write_now(add_message, ["a@x.example", "b@x.example"])
    first, second = claim(store)
    store.database.write_now(lambda tx: tx.execute(update(recipients).where(recipients.c.id == second.id).values(lease_owner="two")))
    outcomes = [outcome_of(first, "delivered"), outcome_of(second, "failed", reply_code=550, reply_text="550 no")]
    assert settle(store, outcomes) == {second.id}
    assert store.database.read_now(states, message) == {"a@x.example": "delivered", "b@x.example": "sending"}
    assert store.database.read_now(tries) == []
    assert store.database.read_now(status, message) == "pending"


def test_settle_is_one_group_of_statements_for_all_connections(store: Store) -> None:
    """One group commit serves all connections: the number of statements does not grow with the recipients."""
    store.database.write_now(add_message, [f"b{n}@x.example" for n in range(200)])
    claimed = claim(store, single=200)

    def cost(count: int) -> int:
        some = [claimed.pop() for _ in range(count)]
        with counted(store) as statements:
            settle(store, [outcome_of(due, "failed", reply_text="no") for due in some])
        return len(statements)

    assert cost(4) == cost(150)


def test_last_outcome_settles_the_message(store: Store) -> None:
    """Contract 1.3: the message is sent when all have it, in error when somebody has not."""
    good = store.database.write_now(add_message, ["a@x.example", "b@x.example"])
    bad = store.database.write_now(add_message, ["c@x.example"])
    claimed = claim(store)
    first = [outcome_of(due, "failed" if due.message_id == bad else "delivered") for due in claimed[1:]]
    settle(store, first)
    assert [store.database.read_now(status, message) for message in (good, bad)] == ["pending", "error"]
    settle(store, [outcome_of(claimed[0], "delivered")])
    assert store.database.read_now(status, good) == "sent"


def test_ambiguity_stays(store: Store) -> None:
    """Design 1.2: once unknown, always marked as perhaps delivered twice."""
    message = store.database.write_now(add_message, ["a@x.example"])
    (due,) = claim(store)
    settle(store, [outcome_of(due, "unknown", ambiguous=True, due_at=NOW)])
    (again,) = claim(store)
    assert again.ambiguous
    settle(store, [outcome_of(again, "delivered")])
    row = store.database.read_now(rows, message)["a@x.example"]
    assert (row.state, bool(row.ambiguous), row.attempts) == ("delivered", True, 2)


def test_who_waits_beyond_all_time_is_given_up_once_nobody_can_try(store: Store) -> None:
    """Design 1.2: everybody ends accounted for, even if the relay is away for good; whoever is held for a person stays."""
    gone = store.database.write_now(add_message, ["a@x.example"], expires_at=NOW - queue.OVERDUE)
    kept = store.database.write_now(add_message, ["b@x.example"], expires_at=NOW)
    held = store.database.write_now(add_message, ["c@x.example"], expires_at=NOW - queue.OVERDUE)
    store.database.write_now(
        lambda tx: tx.execute(update(recipients).where(recipients.c.message_id == held).values(state="unknown", due_at=None))
    )
    assert store.database.write_now(queue.expire, store.settings, NOW, 10) == 1
    assert store.database.read_now(status, gone) == "error"
    assert store.database.read_now(rows, gone)["a@x.example"].reply_text == "no relay could be reached in time"
    assert store.database.read_now(states, kept) == {"b@x.example": "queued"}
    assert store.database.read_now(states, held) == {"c@x.example": "unknown"}


def test_next_due_is_the_earliest_of_each_lane(store: Store) -> None:
    assert store.database.read_now(queue.next_due) == (None, None)
    early = store.database.write_now(add_message, ["a@x.example"], lane="bulk")
    single = store.database.write_now(add_message, ["b@x.example", "c@x.example"])
    store.database.write_now(lambda tx: tx.execute(update(recipients).where(recipients.c.message_id == early).values(due_at=5)))
    store.database.write_now(lambda tx: tx.execute(update(recipients).where(recipients.c.message_id == single).values(due_at=9)))
    assert store.database.read_now(queue.next_due) == (9, 5)
    claim(store)
    assert store.database.read_now(queue.next_due) == (None, None)


def test_overview_says_what_waits_and_why(store: Store) -> None:
    """``postroom queue`` shows what waits, why, since when."""
    message = store.database.write_now(add_message, ["a@x.example", "b@x.example", "c@x.example"], lane="bulk", subject="News")
    done = store.database.write_now(add_message, ["d@x.example"])
    claimed = claim(store)
    outcomes = [outcome_of(due, "delivered") for due in claimed if due.message_id == done]
    outcomes.append(outcome_of(claimed[-1], "deferred", due_at=NOW + 7, reply_code=451, reply_text="451 later"))
    settle(store, outcomes)
    store.database.write_now(queue.release, "one", [claimed[-2].id])
    with counted(store) as statements:
        (line,) = store.database.read_now(overview.overview, 10)
    assert len(statements) == 3
    assert (line.message_id, line.subject, line.lane, line.last_reply) == (message, "News", "bulk", "451 later")
    assert line.states == {"sending": 1, "deferred": 1, "queued": 1}
    assert line.since == store.database.read_now(
        lambda tx: tx.execute(select(messages.c.sent_at).where(messages.c.id == message)).scalar_one()
    )


def test_roll_tells_each_outcome_with_its_tries_page_by_page(store: Store) -> None:
    """``postroom message N`` shows the roll of one message with each outcome."""
    message = store.database.write_now(add_message, [f"{n}@x.example" for n in range(5)])
    claimed = claim(store)
    outcomes = [outcome_of(due, "deferred", due_at=NOW, reply_code=450, reply_text=f"450 {due.email}") for due in claimed]
    settle(store, outcomes)
    with counted(store) as statements:
        page = store.database.read_now(overview.roll, message, 0, 3)
    assert len(statements) == 2
    rest = store.database.read_now(overview.roll, message, page[-1].id, 3)
    assert [line.email for line in page + rest] == [f"{n}@x.example" for n in range(5)]
    assert [[tried.reply_text for tried in line.tries] for line in page] == [[f"450 {n}@x.example"] for n in range(3)]
    assert store.database.read_now(overview.roll, message, 10**9, 3) == []


def test_settling_reads_the_rows_it_names_and_no_others(store: Store) -> None:
    """Also in a table of which PostgreSQL knows nothing yet: it takes a new one for short and would read all of it each time."""
    if store.database.dialect != "postgresql":
        pytest.skip("PostgreSQL only: SQLite reads by the primary key whatever it knows")
    store.database.write_now(add_message, [f"a{number}@x.example" for number in range(2_000)])
    claimed = claim(store)
    outcomes = tuple(outcome_of(due, "delivered") for due in claimed[:20])
    batch = Batch(outcomes=outcomes, starts=tuple(due.id for due in claimed[20:40]), on_wire=(), ended=())

    def scans(tx: Tx) -> int:
        return int(tx.exec_driver_sql("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'recipients'").scalar_one())

    def settle_and_count(tx: Tx) -> int:
        before = scans(tx)
        assert queue.settle(tx, store.settings, "one", batch, clock.now()) == frozenset()
        return scans(tx) - before

    assert store.database.write_now(settle_and_count) == 0


def test_a_claim_takes_no_more_than_it_may_whatever_the_plan(store: Store) -> None:
    """PostgreSQL may run a subquery for each row that it looks at, and lock others each time."""
    if store.database.dialect != "postgresql":
        pytest.skip("PostgreSQL only: SQLite runs such a subquery once")
    store.database.write_now(add_message, [f"a{number}@x.example" for number in range(60)])

    def claim_by_nested_loops(tx: Tx) -> list[Due]:
        for plan in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize"):
            tx.exec_driver_sql(f"SET LOCAL enable_{plan} = off")
        return queue.claim(tx, "one", clock.now(), 60_000, single=20, bulk=20)

    assert len(store.database.write_now(claim_by_nested_loops)) == 20
