"""What waits for one relay: who goes first, who is held back, and that nobody gets lost in it."""

import collections
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from postroom.delivery import window as windows
from postroom.delivery.window import SLOW, Job, Taken, Window, domain_of
from postroom.settings import DomainSettings, RelaySettings
from tests.delivery.jobs import job, jobs


def opened(domains: Mapping[str, DomainSettings] | None = None, **relay: Any) -> Window:
    return Window(RelaySettings(**{"connections": 4, **relay}), domains or {})


def taken(window: Window, now: float, most: int = 1_000) -> list[Taken]:
    """Whatever may start now."""
    found: list[Taken] = []
    while len(found) < most and (one := window.take(now)) is not None:
        found.append(one)
    return found


def order(window: Window, now: float = 0.0) -> list[str]:
    """Whom the mails go to, one after the other, each answered before the next one."""
    addresses: list[str] = []
    while (one := window.take(now)) is not None:
        addresses.append(one.job.dues[0].email or "")
        window.done(one, now, works=True)
    return addresses


def answered(window: Window, domain: str, now: float) -> None:
    """Let the domain take one mail."""
    window.put(jobs(domain, 1), now)
    (one,) = taken(window, now)
    window.done(one, now, works=True)


def test_domains_are_compared_in_lower_case() -> None:
    assert domain_of("Ala@Uni.EXAMPLE") == "uni.example"
    assert domain_of("") == ""


def test_single_mails_go_before_bulk() -> None:
    """Design 1.4, whatever the order they came in and the domain."""
    window = opened()
    window.put([*jobs("one.example", 3), *jobs("two.example", 2)], 0.0)
    window.put(jobs("one.example", 2, "single"), 0.0)
    assert (window.waiting("single"), window.waiting("bulk"), len(window)) == (2, 5, 7)
    lanes = [one.job.lane for one in taken(window, 0.0, 4)]
    assert lanes == ["single", "single", "bulk", "bulk"]


def test_only_the_lanes_that_are_asked_for_are_taken() -> None:
    window = opened()
    window.put(jobs("one.example", 1, "single"), 0.0)
    assert window.take(0.0, ("bulk",)) is None
    assert window.take(0.0, ("single",)) is not None


def test_domains_take_turns() -> None:
    """A mailing that begins with a thousand at one domain does not keep the others waiting."""
    window = opened()
    window.put([*jobs("one.example", 4), *jobs("two.example", 2), *jobs("three.example", 1)], 0.0)
    assert [address.partition("@")[2] for address in order(window)] == [
        "one.example",
        "two.example",
        "three.example",
        "one.example",
        "two.example",
        "one.example",
        "one.example",
    ]


def test_mails_of_a_domain_keep_their_order() -> None:
    window = opened()
    window.put(jobs("one.example", 5), 0.0)
    assert order(window) == [f"{number}@one.example" for number in range(5)]


def test_domain_connections_are_a_hard_limit() -> None:
    """Though nobody else waits and the domain answers."""
    window = opened(connections=8, domain_connections=2)
    answered(window, "one.example", 0.0)
    window.put(jobs("one.example", 5), 0.0)
    first, _ = taken(window, 0.0)
    window.done(first, 0.0, works=True)
    assert len(taken(window, 0.0)) == 1


def test_limits_of_a_single_domain_come_before_those_of_the_relay() -> None:
    window = opened({"one.example": DomainSettings(connections=1)}, connections=8, domain_connections=3)
    window.put([*jobs("one.example", 5), *jobs("two.example", 5)], 0.0)
    assert collections.Counter(one.domain for one in taken(window, 0.0)) == {"one.example": 1, "two.example": 3}


def test_a_domain_that_has_not_answered_has_three_quarters() -> None:
    """Though nobody else waits: a quarter of the connections stays free for whoever comes."""
    window = opened(connections=8)
    window.put(jobs("one.example", 20), 0.0)
    assert len(taken(window, 0.0)) == 6
    window.put(jobs("two.example", 1), 0.0)
    assert [one.domain for one in taken(window, 0.0)] == ["two.example"]


def test_a_domain_that_answers_has_all_connections_while_nobody_else_waits() -> None:
    window = opened(connections=8)
    answered(window, "one.example", 0.0)
    window.put(jobs("one.example", 20), 0.0)
    assert len(taken(window, 0.0, 8)) == 8


def test_a_domain_that_answers_has_three_quarters_while_others_wait() -> None:
    window = opened({"two.example": DomainSettings(connections=1)}, connections=8)
    answered(window, "one.example", 0.0)
    window.put([*jobs("one.example", 20), *jobs("two.example", 2)], 0.0)
    assert collections.Counter(one.domain for one in taken(window, 0.0)) == {"one.example": 6, "two.example": 1}


def test_an_answer_of_long_ago_gives_no_more_than_three_quarters() -> None:
    window = opened(connections=8)
    answered(window, "one.example", 0.0)
    window.put(jobs("one.example", 20), SLOW + 1)
    assert len(taken(window, SLOW + 1)) == 6


def test_no_answer_in_time_is_no_answer() -> None:
    window = opened(connections=8)
    window.put(jobs("one.example", 20), 0.0)
    first = taken(window, 0.0)
    window.done(first[0], 1.0, works=False)
    assert len(taken(window, 1.0)) == 1


def test_with_one_connection_each_domain_still_gets_it() -> None:
    window = opened(connections=1)
    window.put([*jobs("one.example", 2), *jobs("two.example", 1)], 0.0)
    assert len(order(window)) == 3


def test_domain_rate_spreads_the_mails_of_each_domain() -> None:
    """Ten a second, in twenty seconds: two hundred, and a tenth of a second's worth at the beginning."""
    window = opened(domain_rate=10.0)
    window.put([*jobs("one.example", 500), *jobs("two.example", 500)], 0.0)
    sent: collections.Counter[str] = collections.Counter()
    for step in range(2_000):
        now = 100 + step / 100
        window.look_again(now)
        for one in taken(window, now):
            sent[one.domain] += 1
            window.done(one, now, works=True)
    assert sent["one.example"] == pytest.approx(201, abs=1)
    assert sent["two.example"] == pytest.approx(201, abs=1)


def test_the_rate_of_a_single_domain_comes_before_that_of_the_relay() -> None:
    window = opened({"one.example": DomainSettings(rate=1.0)}, domain_rate=100.0)
    window.put([*jobs("one.example", 500), *jobs("two.example", 500)], 0.0)
    sent: collections.Counter[str] = collections.Counter()
    for step in range(200):
        now = 100 + step / 100
        window.look_again(now)
        for one in taken(window, now):
            sent[one.domain] += 1
            window.done(one, now, works=True)
    assert sent["one.example"] == 3  # at 0, 0.9 and 1.9 seconds
    assert 195 <= sent["two.example"] <= 212


def test_it_is_known_when_the_next_domain_may_start() -> None:
    window = opened({"fast.example": DomainSettings(rate=2.0), "slow.example": DomainSettings(rate=0.5)}, connections=8)
    window.put([*jobs("fast.example", 2), *jobs("slow.example", 2)], 0.0)
    assert len(taken(window, 0.0)) == 2
    assert window.look_again(0.0) == pytest.approx(0.4)
    assert window.look_again(0.5) == pytest.approx(1.4)
    assert [one.domain for one in taken(window, 0.5)] == ["fast.example"]
    assert window.look_again(0.5) == pytest.approx(1.4)
    assert window.look_again(2.0) is None
    assert [one.domain for one in taken(window, 2.0)] == ["slow.example"]


def test_a_job_is_counted_where_it_was_taken_though_its_first_recipient_was_lost() -> None:
    """The domain of a shared mail is that of its first recipient, for good."""
    window = opened(domain_connections=1)
    shared = job("a@one.example", "b@two.example")
    window.put([shared, *jobs("one.example", 1)], 0.0)
    (one,) = taken(window, 0.0)
    kept = structs.replace(one, job=structs.replace(shared, dues=shared.dues[1:]))
    window.begun(kept, 1.0)
    assert window.take(1.0) is None
    window.done(kept, 1.0, works=True)
    assert window.take(1.0) is not None
    assert window.domains(1.0) == []


def test_a_job_taken_ahead_counts_as_waiting_only_when_it_goes_out() -> None:
    """Its domain has no part in the time that the mail before it took."""
    window = opened(connections=1)
    window.put(jobs("one.example", 5), 0.0)
    (ahead,) = taken(window, 0.0)
    assert window.surplus(0.0 + SLOW / 2) == ([], 0.0)
    window.begun(ahead, SLOW)
    assert window.surplus(SLOW + 1) == ([], 0.0)
    assert len(window.surplus(2 * SLOW + 1)[0]) == 2


def test_what_waits_for_a_slow_domain_is_taken_out_but_for_a_few() -> None:
    """Twice the connections go on trying; the jobs that came last leave."""
    window = opened(connections=4)
    waiting = jobs("slow.example", 20)
    window.put([*waiting, *jobs("other.example", 2)], 0.0)
    assert [one.domain for one in taken(window, 0.0)].count("slow.example") == 3
    assert window.surplus(SLOW - 0.1) == ([], 0.0)
    left, seconds = window.surplus(SLOW + 0.1)
    assert left == list(reversed(waiting[3 + 8 :]))
    assert 12 <= seconds <= 18
    assert len(window) == 8


def test_a_relay_that_waits_less_counts_mails_as_late_sooner() -> None:
    """Half of its time-out: else a mail would be given up before anybody saw that it is late."""
    window = opened(connections=4, timeout=2.0)
    window.put(jobs("slow.example", 20), 0.0)
    taken(window, 0.0)
    assert window.surplus(0.9) == ([], 0.0)
    assert window.surplus(1.1)[0]


def test_while_a_domain_is_put_off_it_is_only_tried() -> None:
    """One connection of eight; more of its mail that is claimed goes back at once, late or not; an answer ends it."""
    window = opened(connections=8)
    window.put(jobs("slow.example", 40), 0.0)
    held = taken(window, 0.0)
    assert len(held) == 6
    window.surplus(SLOW + 1)
    for one in held:
        window.done(one, SLOW + 2, works=False)
    (tried,) = taken(window, SLOW + 2)
    window.put(jobs("slow.example", 10), SLOW + 2)
    assert len(window.surplus(SLOW + 2)[0]) == 9  # all but two for each connection
    window.done(tried, SLOW + 3, works=True)
    assert len(taken(window, SLOW + 3)) > 1


def test_a_slow_domain_is_left_alone_for_longer_each_time_until_it_answers() -> None:
    window = opened(connections=4)
    window.put(jobs("slow.example", 3), 0.0)
    held = taken(window, 0.0)
    now, pauses = SLOW + 1, []
    for _ in range(8):
        window.put(jobs("slow.example", 20), now)
        assert window.take(now) is None
        pauses.append(window.surplus(now)[1])
        assert window.domains(now)[0][3]
        now += pauses[-1] + 0.1
    assert all(
        0.8 * expected <= pause <= 1.2 * expected for pause, expected in zip(pauses, [15, 30, 60, 120, 240, 480, 600, 600], strict=True)
    )
    for one in held:
        window.done(one, now, works=True)
    window.put(jobs("slow.example", 20), now)
    assert len(taken(window, now, 4)) == 4
    window.put(jobs("other.example", 1), now)
    assert window.take(now) is not None
    window.take(now + SLOW + 1)
    assert 12 <= window.surplus(now + SLOW + 1)[1] <= 18


def test_what_is_put_off_within_a_pause_is_put_off_for_the_rest_of_it() -> None:
    window = opened(connections=4)
    window.put(jobs("slow.example", 30), 0.0)
    taken(window, 0.0)
    _, first = window.surplus(SLOW + 1)
    window.put(jobs("slow.example", 5), SLOW + 2)
    left, second = window.surplus(SLOW + 6)
    assert len(left) == 5
    assert second == pytest.approx(first - 5)


def test_everything_can_be_taken_out() -> None:
    window = opened(connections=2, domain_connections=1)
    waiting = [*jobs("one.example", 5), *jobs("two.example", 5, "single")]
    window.put(waiting, 0.0)
    begun = taken(window, 0.0)
    assert {id(each) for each in window.drain()} == {id(each) for each in waiting} - {id(one.job) for one in begun}
    assert (len(window), window.ready, window.take(0.0)) == (0, False, None)
    for one in begun:
        window.done(one, 0.0, works=True)
    assert window.take(0.0) is None
    window.put(jobs("one.example", 1), 0.0)
    assert window.take(0.0) is not None


def test_it_tells_which_domains_are_held_back() -> None:
    window = opened(domain_connections=1)
    window.put([*jobs("one.example", 4), *jobs("two.example", 1)], 0.0)
    taken(window, 0.0)
    assert window.domains(0.0) == [("one.example", 1, 3, False)]


def test_domains_of_which_there_is_nothing_to_remember_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailing to a million domains does not fill the memory; who is busy, waits, or is put off, is remembered."""
    monkeypatch.setattr(windows, "_KEPT", 50)
    window = opened(connections=1, domain_rate=0.001)
    window.put(jobs("busy.example", 1), 0.0)
    (busy,) = taken(window, 0.0)
    for number in range(1_000):
        at = 2_000.0 * (number + 1)
        window.put(jobs(f"{number}.example", 1), at)
        window.done(taken(window, at)[0], at, works=True)
        assert len(window._domains) <= 50
    assert "busy.example" in window._domains
    window.done(busy, at, works=True)
    window.put(jobs("999.example", 1), at)
    assert window.take(at) is None  # its rate is remembered


def test_who_waits_is_remembered_however_many_domains_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_KEPT", 10)
    window = opened()
    window.put([job(f"a@{number}.example") for number in range(100)], 0.0)
    assert len(order(window)) == 100


DOMAINS = ("one.example", "two.example", "three.example", "limited.example")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(DOMAINS), st.sampled_from(["single", "bulk"]), st.integers(1, 5)),
        st.tuples(st.just("take"), st.sampled_from([("single", "bulk"), ("bulk",)])),
        st.tuples(st.just("done"), st.integers(0, 20), st.booleans()),
        st.tuples(st.just("begun"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.sampled_from([0.01, 0.5, 5.0, 100.0])),
        st.tuples(st.sampled_from(["surplus", "drain", "look_again"])),
    ),
    max_size=60,
)


class Played:
    """A window, and what must be true of it whatever is done to it."""

    def __init__(self, connections: int, domain_connections: int, domain_rate: float) -> None:
        self.relay = RelaySettings(connections=connections, domain_connections=domain_connections, domain_rate=domain_rate)
        self.window = Window(self.relay, {"limited.example": DomainSettings(connections=1, rate=2.0)})
        self.now = 1_000.0
        self.waiting: dict[int, Job] = {}
        self.busy: list[Taken] = []

    def put(self, domain: str, lane: Any, count: int) -> None:
        added = jobs(domain, count, lane)
        self.waiting |= {id(each): each for each in added}
        self.window.put(added, self.now)

    def take(self, lanes: Any) -> None:
        one = self.window.take(self.now, lanes)
        if one is not None:
            assert one.job.lane in lanes
            self.leave([one.job])
            self.busy.append(one)

    def done(self, index: int, works: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        if self.busy:
            self.window.done(self.busy.pop(index % len(self.busy)), self.now, works=works)

    def begun(self, index: int) -> None:
        if self.busy:
            self.window.begun(self.busy[index % len(self.busy)], self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def surplus(self) -> None:
        left, seconds = self.window.surplus(self.now)
        assert seconds > 0 or not left
        self.leave(left)

    def drain(self) -> None:
        self.leave(self.window.drain())
        assert not self.waiting

    def look_again(self) -> None:
        wait = self.window.look_again(self.now)
        assert wait is None or wait > 0

    def leave(self, gone: list[Job]) -> None:
        for each in gone:
            assert self.waiting.pop(id(each), None) is not None, "handed out twice"

    def check(self) -> None:
        lanes = collections.Counter(each.lane for each in self.waiting.values())
        assert (self.window.waiting("single"), self.window.waiting("bulk")) == (lanes["single"], lanes["bulk"])
        assert len(self.window) == len(self.waiting)
        busy = collections.Counter(one.domain for one in self.busy)
        assert busy["limited.example"] <= 1
        assert not self.relay.domain_connections or max(busy.values(), default=0) <= self.relay.domain_connections


@given(STEPS, st.integers(1, 8), st.integers(0, 3), st.sampled_from([0.0, 5.0]))
def test_whatever_happens_nobody_is_handed_out_twice_or_stuck(
    steps: list[Any], connections: int, domain_connections: int, domain_rate: float
) -> None:
    """Counts add up after each step; and when everything is done, all that still waits can be taken in time."""
    played = Played(connections, domain_connections, domain_rate)
    for name, *arguments in steps:
        getattr(played, name)(*arguments)
        played.check()
    while played.busy:
        played.done(0, works=True)
    for _ in range(len(played.waiting)):
        before = len(played.waiting)
        played.take(("single", "bulk"))
        if len(played.waiting) == before:  # as senders do: wait for the time that the window tells
            played.wait((played.window.look_again(played.now) or 0) + 1e-6)
            played.look_again()
            played.take(("single", "bulk"))
        assert len(played.waiting) == before - 1, "stuck"
        played.done(0, works=True)
        played.check()
    assert played.window.take(played.now + 100) is None
