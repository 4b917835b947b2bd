"""The operator's hand on the queue: what each operation changes, whom it leaves alone, and in how many statements."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, update

from postroom.clock import DAY, HOUR
from postroom.delivery import operations, queue
from postroom.delivery.operations import CANCEL, DELIVERED, FAILED, HOLD, RELEASE, RETRY, Operation, Selection
from postroom.delivery.records import PARKED_MARK, Affected
from postroom.errors import Forbidden, Invalid, NotFound, WrongState
from postroom.messages import reports
from postroom.storage import wakeup
from postroom.storage.store import Store
from postroom.storage.tables import attempts, messages, recipients
from tests.delivery.letters import add_message, rows, states, status
from tests.support import counted

NOW = 1_700_000_000_000
LATER = NOW + HOUR


def mailing(store: Store, **states_: str) -> int:
    """A message whose recipients, named by their addresses at x.example, are in these states; those waiting are due in an hour."""
    return mailing_to(store, {f"{name}@x.example": state for name, state in states_.items()})


def mailing_to(store: Store, wanted: dict[str, str]) -> int:
    message = store.database.write_now(add_message, list(wanted), expires_at=NOW + DAY)
    for email, state in wanted.items():
        values: dict[str, Any] = {"state": state, "due_at": LATER, "reply_text": "450 later"}
        if state == "sending":
            values |= {"lease_owner": "w", "lease_until": LATER}
        if state in {"delivered", "failed", "expired", "cancelled"}:
            values |= {"due_at": None, "settled_at": NOW}
        change(store, message, email, **values)
    return message


def change(store: Store, message: int, email: str, **values: Any) -> None:
    here = recipients.c.message_id == message, recipients.c.email == email
    store.database.write_now(lambda tx: tx.execute(update(recipients).where(*here).values(values)) and None)


def found(store: Store, message: int) -> dict[str, Any]:
    return {email.partition("@")[0]: row for email, row in store.database.read_now(rows, message).items()}


def perform(store: Store, operation: Operation, now: int = NOW, **selection: Any) -> Counter[str]:
    """All steps of an operation, as the command runs them."""
    chosen = operations.checked(Selection(**selection))
    done: Counter[str] = Counter()
    place = (0, 0)
    while True:
        ids, place = store.database.read_now(operations.next_step, chosen, operation, place)
        if not ids:
            return done
        done += store.database.write_now(operations.perform, store.settings, operation, ids, now)


ALL = {"q": "queued", "d": "deferred", "u": "unknown", "s": "sending", "ok": "delivered", "no": "failed"}


def test_retry_makes_whoever_waits_due_now_and_wakes_the_workers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(wakeup, "notify", lambda _tx: woken.append(True))
    message = mailing(store, **ALL)
    change(store, message, "u@x.example", due_at=None)
    before = found(store, message)
    assert perform(store, RETRY, message_id=message) == {"queued": 1, "deferred": 1, "unknown": 1}
    after = found(store, message)
    assert {name: after[name].due_at for name in "qdu"} == dict.fromkeys("qdu", NOW)
    assert {name: after[name].state for name in ALL} == ALL
    assert {name: after[name] for name in ("s", "ok", "no")} == {name: before[name] for name in ("s", "ok", "no")}
    assert woken == [True]


def test_hold_keeps_whoever_waits_from_being_tried_and_from_expiring(store: Store) -> None:
    message = mailing(store, **ALL)
    assert perform(store, HOLD, message_id=message) == {"queued": 1, "deferred": 1, "unknown": 1}
    held = found(store, message)
    assert {(held[name].due_at, held[name].reply_text) for name in "qdu"} == {(None, operations.HELD)}
    assert perform(store, HOLD, message_id=message) == {}
    never = NOW + 1_000 * DAY
    assert store.database.write_now(queue.claim, "w", never, 1_000, single=10, bulk=10) == []
    assert store.database.write_now(queue.expire, store.settings, never, 10) == 0
    assert store.database.read_now(status, message) == "pending"


def test_release_lets_whoever_is_held_go_on_with_the_whole_time_and_the_last_words(store: Store) -> None:
    message = mailing(store, tried="deferred", fresh="queued", parked="unknown", free="deferred")
    row = {"recipient_id": found(store, message)["tried"].id, "at": NOW, "relay": "r", "outcome": "deferred"}
    words = [{**row, "reply_text": "450 earlier"}, {**row, "reply_text": "451 latest"}]
    store.database.write_now(lambda tx: tx.execute(insert(attempts), words) and None)
    for name in ("tried", "fresh"):
        perform(store, HOLD, message_id=message, address=f"{name}@x.example")
    change(store, message, "parked@x.example", due_at=None, recoveries=3, reply_text=f"{PARKED_MARK} three workers died")
    late = NOW + 30 * DAY
    assert perform(store, RELEASE, late, message_id=message) == {"deferred": 1, "queued": 1, "unknown": 1}
    after = found(store, message)
    assert {name: after[name].reply_text for name in after} == {
        "tried": "451 latest",
        "fresh": None,
        "parked": None,
        "free": "450 later",
    }
    assert {(after[name].due_at, after[name].expires_at) for name in ("tried", "fresh", "parked")} == {(late, late + 48 * HOUR)}
    assert after["parked"].recoveries == 0
    assert (after["free"].due_at, after["free"].expires_at) == (LATER, NOW + DAY)
    assert store.database.write_now(queue.expire, store.settings, late, 10) == 1, "only the one that was not held ran out of time"


def test_cancel_ends_whoever_waits_and_settles_the_message(store: Store) -> None:
    """Design 1.2: nobody is open without being in the queue, and the counts add up."""
    message = mailing(store, q="queued", d="deferred", u="unknown", ok="delivered")
    perform(store, HOLD, message_id=message, address="q@x.example")
    assert perform(store, CANCEL, message_id=message) == {"queued": 1, "deferred": 1, "unknown": 1}
    after = found(store, message)
    assert {(after[n].state, after[n].due_at, after[n].settled_at, after[n].reply_text) for n in "qdu"} == {
        ("cancelled", None, NOW, operations.CANCELLED)
    }
    assert after["ok"].state == "delivered"
    assert store.database.read_now(status, message) == "error"


def test_nobody_calls_back_what_is_being_sent(store: Store) -> None:
    """Design 1.3: the worker that holds the lease alone says what became of it."""
    message = mailing(store, s="sending", claimed="sending", d="deferred")
    before = found(store, message)
    chosen = Selection(message_id=message)
    assert store.database.read_now(operations.count, chosen, CANCEL) == Affected(states={"deferred": 1}, on_wire=2)
    perform(store, CANCEL, message_id=message)
    after = found(store, message)
    assert (after["s"], after["claimed"]) == (before["s"], before["claimed"])
    assert store.database.read_now(status, message) == "pending"


def test_who_is_claimed_between_the_two_halves_of_a_step_is_left_alone(store: Store) -> None:
    message = mailing(store, d="deferred")
    ids, _ = store.database.read_now(operations.next_step, Selection(message_id=message), CANCEL, (0, 0))
    assert store.database.write_now(queue.claim, "w", LATER, 1_000, single=1, bulk=0)
    assert store.database.write_now(operations.perform, store.settings, CANCEL, ids, NOW) == {}
    assert store.database.read_now(states, message) == {"d@x.example": "sending"}


@pytest.mark.parametrize(("operation", "state", "end"), [(DELIVERED, "delivered", "sent"), (FAILED, "failed", "error")])
def test_a_person_decides_about_unknown_outcomes_that_are_held(store: Store, operation: Operation, state: str, end: str) -> None:
    message = mailing(store, held="unknown", free="unknown", put_off="deferred")
    change(store, message, "held@x.example", due_at=None, reply_text="the connection broke", ambiguous=True)
    perform(store, HOLD, message_id=message, address="put_off@x.example")
    assert perform(store, operation, message_id=message) == {"unknown": 1}
    after = found(store, message)
    assert (after["held"].state, after["held"].settled_at, after["held"].ambiguous) == (state, NOW, True)
    assert after["held"].reply_text == operations.DECIDED + "the connection broke"
    assert (after["free"].state, after["put_off"].state) == ("unknown", "deferred")
    for name in ("free", "put_off"):
        change(store, message, f"{name}@x.example", state="delivered", due_at=None)
    store.database.write_now(reports.settle, store.settings, [message], NOW)
    assert store.database.read_now(status, message) == end


def test_selections_narrow_each_other(store: Store) -> None:
    one = mailing_to(store, {"a@x.example": "deferred", "A@y.example": "deferred", "b@sub.x.example": "deferred"})
    two = mailing_to(store, {"a@x.example": "deferred", "c@y.example": "deferred"})

    def chosen(**selection: Any) -> int:
        return sum(store.database.read_now(operations.count, operations.checked(Selection(**selection)), HOLD).states.values())

    ids = tuple(row.id for row in store.database.read_now(rows, one).values())
    assert [chosen(message_id=number) for number in (one, two)] == [3, 2]
    assert [chosen(domain=name) for name in ("X.Example", "y.example", "sub.x.example", "example")] == [2, 2, 1, 0]
    assert [chosen(address=name) for name in ("A@X.example", "a@Y.example", "nobody@x.example")] == [2, 1, 0]
    assert [chosen(recipient_ids=ids[:2]), chosen(recipient_ids=ids, domain="x.example")] == [2, 1]
    assert chosen(message_id=two, address="a@x.example") == 1


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"domain": "no domain"},
        {"domain": "a@b.example"},
        {"domain": "%"},
        {"address": "no address"},
        {"recipient_ids": (0,)},
        {"recipient_ids": (2**70,)},
        {"recipient_ids": tuple(range(1, 1_002))},
    ],
)
def test_a_selection_of_nobody_or_of_nonsense_is_refused(selection: dict[str, Any]) -> None:
    """So a slip of the hand never means everybody."""
    with pytest.raises(Invalid):
        operations.checked(Selection(**selection))


def test_a_message_that_is_not_there_is_said_so(store: Store) -> None:
    for number in (1, 2**40):
        with pytest.raises(NotFound):
            store.database.read_now(operations.count, Selection(message_id=number), HOLD)
        with pytest.raises(NotFound):
            store.database.write_now(operations.retry_failed, store.settings, number, NOW)


def _many(store: Store, sizes: Sequence[int]) -> None:
    for message, size in enumerate(sizes):
        store.database.write_now(add_message, [f"p{n}@m{message}.example" for n in range(size)], lane="bulk", expires_at=NOW + DAY)


def test_long_mailings_are_worked_through_in_steps_of_constant_cost(store: Store) -> None:
    _many(store, [1, 700, 350])
    with counted(store) as statements:
        assert perform(store, HOLD, domain="m1.example") == {"queued": 700}
    assert len(statements) == 3 + 2 * 2  # read three times, the last time in vain; change in two
    with counted(store) as statements:
        ids, place = store.database.read_now(operations.next_step, Selection(domain="m1.example"), RELEASE, (0, 0))
        store.database.write_now(operations.perform, store.settings, RELEASE, ids, NOW)
    assert (len(ids), place[0], len(statements) <= 5) == (500, 2, True)
    assert perform(store, CANCEL, domain="m2.example") == {"queued": 350}


def test_messages_settle_with_their_reports_in_the_step_that_ends_them(store: Store) -> None:
    message = mailing(store, d="deferred")
    store.database.write_now(lambda tx: tx.execute(update(messages).values(send_summary=True)) and None)
    perform(store, CANCEL, message_id=message)
    report = store.database.read_now(lambda tx: tx.execute(messages.select().where(messages.c.kind == "summary")).one())
    assert "d@x.example" in report.content


def test_an_operator_sends_again_to_whom_a_message_failed_to_reach(store: Store) -> None:
    message = mailing(store, no="failed", late="expired", ok="delivered")
    with pytest.raises(WrongState, match="error_required"):
        store.database.write_now(operations.retry_failed, store.settings, message, NOW)
    store.database.write_now(reports.settle, store.settings, [message], NOW)
    assert store.database.write_now(operations.retry_failed, store.settings, message, NOW) == 2
    assert store.database.read_now(status, message) == "pending"
    assert store.database.read_now(states, message) == {"no@x.example": "queued", "late@x.example": "queued", "ok@x.example": "delivered"}


def test_an_operator_does_not_send_from_an_address_that_was_taken_away(store: Store) -> None:
    message = mailing(store, no="failed")
    store.database.write_now(reports.settle, store.settings, [message], NOW)

    def unassigned(tx: Any) -> None:
        address = tx.exec_driver_sql(
            "INSERT INTO institutional_addresses (email, name, created_at) VALUES ('o@x.example', 'O', 1) RETURNING id"
        ).scalar_one()
        tx.execute(update(messages).values(from_address_id=address))

    store.database.write_now(unassigned)
    with pytest.raises(Forbidden):
        store.database.write_now(operations.retry_failed, store.settings, message, NOW)
