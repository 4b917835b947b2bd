"""The audit must notice every way in which store, API and catcher can disagree; else the demo proves nothing."""

import pytest

from postroom.demo.audit import Line, Outcome, checks, outcome
from postroom.demo.catcher import Catcher

AUTHOR = "rector@example.edu"
LINES = [
    Line("a@example.org", "sent"),
    Line("A@example.org", "sent"),  # two people share an address
    Line("later@example.org", "sent"),
    Line("nobody@example.org", "error"),
    Line(None, None),
    Line(AUTHOR, "sent"),
]


def _catcher() -> Catcher:
    catcher = Catcher()
    catcher.taken.update(["a@example.org", "a@example.org", "later@example.org", AUTHOR, AUTHOR, AUTHOR])
    catcher.deferred.update(["later@example.org"])
    catcher.rejected.update(["nobody@example.org"])
    return catcher


def _outcome(**changes: int) -> Outcome:
    counts = {"delivered": 4, "failed": 1, "suppressed": 1, **changes}
    return outcome(6, counts, 1.234)  # type: ignore[arg-type]


def _broken(result: Outcome, lines: list[Line], catcher: Catcher) -> int:
    return sum(not check.holds for check in checks(result, lines, catcher, AUTHOR))


def test_holds_when_everything_agrees() -> None:
    assert _broken(_outcome(), LINES, _catcher()) == 0


@pytest.mark.parametrize(
    "counts", [{"delivered": 3}, {"queued": 1}, {"unknown": 1, "delivered": 3}, {"expired": 1, "failed": 0, "delivered": 5}]
)
def test_notices_wrong_counts(counts: dict[str, int]) -> None:
    assert _broken(_outcome(**counts), LINES, _catcher())


def test_counts_whoever_is_under_way_as_pending() -> None:
    result = _outcome(queued=1, sending=2, deferred=3, unknown=4)
    assert (result.pending, result.unknown, result.seconds) == (6, 4, 1.23)


def test_notices_a_lost_a_doubled_and_a_foreign_mail() -> None:
    lost, doubled, foreign = _catcher(), _catcher(), _catcher()
    lost.taken["a@example.org"] -= 1
    doubled.taken["later@example.org"] += 1
    foreign.taken["stranger@example.org"] += 1
    assert [_broken(_outcome(), LINES, catcher) for catcher in (lost, doubled, foreign)] == [1, 1, 1]


def test_notices_a_refusal_that_was_not_reported() -> None:
    catcher = _catcher()
    catcher.rejected["a@example.org"] += 1
    assert _broken(_outcome(), LINES, catcher) == 1


def test_notices_a_deferral_that_never_arrived() -> None:
    catcher = _catcher()
    catcher.deferred["nobody@example.org"] += 1
    assert _broken(_outcome(), LINES, catcher) == 1


def test_an_empty_roll_proves_nothing() -> None:
    assert not checks(outcome(0, {}, 0.0), [], Catcher(), AUTHOR)[0].holds
