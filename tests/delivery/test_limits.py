"""Pace and pause, with a clock of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.limits import Pace, Pause


def test_no_rate_is_no_limit() -> None:
    pace = Pace(0)
    for _ in range(1_000):
        assert pace.wait(5.0) == 0
        pace.spend(5.0)
    assert not pace.limited


@given(st.floats(0.2, 500), st.lists(st.floats(0, 3), max_size=200))
def test_in_no_span_go_more_than_the_rate_allows(rate: float, gaps: list[float]) -> None:
    """However the asking is spread: at most the rate, a tenth of a second's worth and one more."""
    pace, now, sent = Pace(rate), 1_000.0, []
    for gap in gaps:
        now += gap
        for _ in range(20):
            if pace.wait(now) <= 0:
                pace.spend(now)
                sent.append(now)
    for first in range(0, len(sent), 7):
        for last in range(first, len(sent), 11):
            assert last - first + 1 <= rate * (sent[last] - sent[first] + 0.1) + 1 + 1e-6


@given(st.floats(0.2, 500))
def test_who_waits_as_long_as_told_may_go(rate: float) -> None:
    """No waiting for ever, and none in vain; what a quiet time left over is not saved up."""
    pace, now = Pace(rate), 50.0
    for _ in range(10):
        pace.spend(now)
        now += pace.wait(now)
        assert pace.wait(now) == pytest.approx(0, abs=1e-9)
    assert now - 50.0 == pytest.approx(max(0.0, 10 / rate - 0.1), rel=1e-6, abs=1e-6)


def test_pauses_double_up_to_the_longest_and_begin_anew_when_it_works() -> None:
    pause, now = Pause(1.0, 60.0), 10.0
    lengths = []
    for _ in range(9):
        wait = pause.trouble(now)
        assert wait is not None
        assert pause.left(now) == pytest.approx(wait)
        lengths.append(wait)
        now += wait + 0.001
    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.8 * length <= wait <= 1.2 * length for wait, length in zip(lengths, expected, strict=True))
    pause.end()
    assert pause.left(now) == 0
    assert 0.8 <= (pause.trouble(now) or 0) <= 1.2


def test_trouble_within_a_pause_is_the_same_trouble() -> None:
    pause = Pause(10.0, 60.0)
    wait = pause.trouble(0.5)
    assert wait is not None
    assert pause.trouble(1.0) is None
    assert pause.left(1.0) == pytest.approx(wait - 0.5)


def test_pauses_vary() -> None:
    """Those who wait only must not come back all at once."""
    assert len({Pause(1.0, 60.0).trouble(0.0) for _ in range(20)}) > 10
