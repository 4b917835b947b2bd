"""How often one caller may call (dialects/rate_limit.py; wire/schoology.md §3.1, wire/onlyoffice.md §8.32)."""

from postroom.clock import SECOND
from postroom.dialects.rate_limit import RateLimit

WINDOW = 5 * SECOND
START = 1_000 * WINDOW


def test_too_many_wait_for_the_next_window() -> None:
    rate = RateLimit(2, WINDOW)
    assert [rate.count(1, at) for at in (START, START + 1)] == [0, 0]
    assert rate.count(1, START + WINDOW - 1) == 1
    assert rate.count(1, START + SECOND) == 4
    assert rate.count(2, START + 2) == 0
    assert rate.count(1, START + WINDOW) == 0
    assert len(rate._counts) == 1, "callers of earlier windows are forgotten"


def test_a_limit_of_0_is_none() -> None:
    rate = RateLimit(0, WINDOW)
    assert not any(rate.count(1, 0) for _ in range(1_000))
    assert rate._counts == {}
