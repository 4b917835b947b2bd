"""``postroom queue`` and its sub-commands: what an operator sees, is asked, and does."""

import io
import json
import re
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from postroom import clock
from postroom.delivery import operations, presence
from postroom.delivery.records import PARKED_MARK, DomainReport, RelayReport, WorkerReport
from postroom.messages import reports, workload
from postroom.storage.store import Store
from postroom.storage.tables import counters, recipients
from tests.delivery.letters import add_message, states, status


@pytest.fixture
def message(place: Store) -> int:
    """Message 1 to two at one domain and one at another, all deferred for an hour."""
    number = place.database.write_now(add_message, ["a@x.example", "b@x.example", "c@y.example"])
    change(place, state="deferred", due_at=clock.now() + clock.HOUR, reply_text="450 later")
    return number


def change(place: Store, email: str | None = None, **values: Any) -> None:
    here = [] if email is None else [recipients.c.email == email]
    place.database.write_now(lambda tx: tx.execute(update(recipients).where(*here).values(values)) and None)


def held(place: Store) -> set[str]:
    rows = place.database.read_now(lambda tx: list(tx.execute(select(recipients.c.email, recipients.c.due_at))))
    return {row.email for row in rows if row.due_at is None}


def test_hold_and_release_of_a_domain_of_a_message(run: Any, place: Store, message: int) -> None:
    result = run("queue", "hold", "--message", str(message), "--domain", "X.example", "--yes")
    assert (result.status, result.out) == (0, "2 recipients held: 2 deferred.\n")
    assert held(place) == {"a@x.example", "b@x.example"}
    shown = run("queue").out
    assert "3 deferred; 2 held" in shown
    assert "postroom queue release" in shown
    told = run("message", str(message)).out
    assert re.search(r"a@x\.example\W+deferred, held\b", told)
    assert operations.HELD in told
    assert run("queue", "release", "--address", "A@x.example", "--yes").out == "1 recipient released: 1 deferred.\n"
    assert held(place) == {"b@x.example"}


def test_parked_ones_are_told_apart(run: Any, place: Store, message: int) -> None:
    change(place, "a@x.example", state="unknown", due_at=None, recoveries=3, reply_text=f"{PARKED_MARK} three workers died")
    change(place, "b@x.example", due_at=None)
    assert "2 deferred, 1 unknown; 1 held, 1 parked" in run("queue").out
    line = json.loads(run("queue", "--json").out.splitlines()[0])
    assert (line["held"], line["parked"]) == (2, 1)
    assert re.search(r"a@x\.example\W+unknown, parked\b", run("message", str(message)).out)


def test_nothing_is_done_before_somebody_agrees(run: Any, place: Store, message: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = run("queue", "cancel", "--message", str(message))
    assert refused.status == 1
    assert "3 recipients (3 deferred) will be cancelled. Go on?" in refused.err
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("queue", "cancel", "--message", str(message)).status == 1, "nobody is there to answer"
    assert set(place.database.read_now(states, message).values()) == {"deferred"}
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    agreed = run("queue", "cancel", "--message", str(message))
    assert (agreed.status, agreed.out) == (0, "3 recipients cancelled: 3 deferred.\n")
    assert place.database.read_now(status, message) == "error"


def test_those_on_the_wire_are_counted_and_left_alone(run: Any, place: Store, message: int) -> None:
    change(place, "a@x.example", state="sending", lease_owner="w", lease_until=clock.now() + 60_000)
    result = run("queue", "cancel", "--message", str(message), "--yes")
    assert "2 recipients cancelled" in result.out
    assert "1 more are being sent at this moment and cannot be called back" in " ".join(result.out.split())
    assert json.loads(run("queue", "cancel", "--message", str(message), "--yes", "--json").out) == {"done": {}, "on_wire": 1}


def test_retry_now_by_number(run: Any, place: Store, message: int) -> None:
    number = json.loads(run("message", str(message), "--json").out.splitlines()[2])["id"]
    result = run("queue", "retry", "--recipient", str(number), "--recipient", "999999", "--yes", "--json")
    assert json.loads(result.out) == {"done": {"deferred": 1}, "on_wire": 0}
    due = select(recipients.c.email).where(recipients.c.due_at <= clock.now())
    assert place.database.read_now(lambda tx: list(tx.scalars(due))) == ["b@x.example"]


def test_retry_of_failed_ones_is_for_a_message_in_error(run: Any, place: Store, message: int) -> None:
    refused = run("queue", "retry", "--message", str(message), "--failed")
    assert (refused.status, "not in error" in refused.err) == (1, True)
    change(place, state="failed", due_at=None, settled_at=1)
    place.database.write_now(reports.settle, place.settings, [message], 1)
    assert run("queue", "retry", "--message", str(message), "--failed").out == "3 recipients queued again.\n"
    for more in ([], ["--message", str(message), "--domain", "x.example"]):
        assert run("queue", "retry", "--failed", *more).status == 2


def test_unknown_outcomes_are_decided(run: Any, place: Store, message: int) -> None:
    change(place, state="unknown", due_at=None, reply_text="the connection broke")
    assert (
        run("queue", "settle", "--as", "delivered", "--domain", "x.example", "--yes").out
        == "2 recipients settled as delivered: 2 unknown.\n"
    )
    assert run("queue", "settle", "--as", "failed", "--message", str(message), "--yes").status == 0
    assert place.database.read_now(states, message) == {"a@x.example": "delivered", "b@x.example": "delivered", "c@y.example": "failed"}
    assert run("queue", "settle", "--as", "perhaps", "--message", str(message)).status == 2


@pytest.mark.parametrize("command", [["retry"], ["cancel"], ["hold"], ["release"], ["settle", "--as", "failed"]], ids=" ".join)
@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ([], "name a message, a domain, an address or recipients"),
        (["--domain", "no domain"], "not a domain"),
        (["--address", "no address"], "not an address"),
        (["--message", "77"], "no message 77"),
        (["--message", str(2**70)], "no message"),
        (["--recipient", str(2**70)], "not the number of a recipient"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_selection_that_cannot_be_is_one_sentence(
    run: Any, place: Store, message: int, command: list[str], selection: list[str], words: str
) -> None:
    result = run("queue", *command, *selection, "--yes")
    assert (result.status, words in result.err) == (1, True)
    assert set(place.database.read_now(states, message).values()) == {"deferred"}


def test_nobody_to_work_on_is_no_error(run: Any, message: int) -> None:
    assert run("queue", "hold", "--domain", "elsewhere.example").out == "0 recipients held.\n"


def test_the_overview_shows_domains_workers_and_counts(run: Any, place: Store, message: int) -> None:
    relay = RelayReport(name="main", address="relay.example:25", up=False, reason="refused", next_try_in=8.2, sent=41, rate=2.25)
    slow = DomainReport(name="slow.example", relay="main", busy=3, waiting=17, put_off=True)
    now = clock.now()
    place.database.write_now(presence.put_report, "host:1", WorkerReport(relays=[relay], domains=[slow]), now, now)
    place.database.write_now(presence.put_report, "host:2", WorkerReport(), now, now - workload.SILENT_AFTER)
    place.database.write_now(lambda tx: tx.execute(insert(counters).values(name="bounce.forged", value=3)) and None)
    shown = run("queue").out
    for words in (r"x\.example\W+2\W+2\b", r"down: refused, next try in 8 s", r"slow\.example\W+main\W+3\W+17\W+others go first"):
        assert re.search(words, shown)
    head = next(line for line in shown.splitlines() if "heard of" in line)
    cells = next(line for line in shown.splitlines() if "down: refused" in line)
    assert [head.index("state"), head.index("a second")] == [cells.index("down:"), cells.index("2.2")]
    assert re.search(r"host:2\W+[-0-9 :]+\(silent\)", shown)
    assert re.search(r"bounce\.forged\W+3\b", shown)
    lines = [json.loads(line) for line in run("queue", "--json").out.splitlines()]
    assert [line["kind"] for line in lines] == ["message", "domain", "domain", "worker", "worker", "counter"]
    assert lines[3]["report"]["relays"][0]["reason"] == "refused"
