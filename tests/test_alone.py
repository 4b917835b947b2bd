"""Whoever measures is alone, whoever does not is not, and nobody waits for ever."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import alone
from tests.alone import room

SECONDS = 20


@pytest.fixture
def go_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., "Visitor"]:
    """Enter a room of this test's own, as another worker would."""
    for name in ("_DOOR", "_ROOM"):
        (tmp_path / name).touch()
        monkeypatch.setattr(alone, name, tmp_path / name)
    return Visitor


class Visitor(threading.Thread):
    """Stays in the room until told to leave. Each opens the files anew, so threads count as processes do."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__(daemon=True)
        self._alone, self.inside, self._told = alone, threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with room(alone=self._alone):
            self.inside.set()
            self._told.wait(SECONDS)

    def leave(self) -> None:
        self._told.set()
        self.join(SECONDS)


def test_those_who_measure_nothing_are_in_together(go_in: Callable[..., Visitor]) -> None:
    visitors = [go_in(alone=False) for _ in range(3)]
    assert all(visitor.inside.wait(SECONDS) for visitor in visitors)
    for visitor in visitors:
        visitor.leave()


def test_who_measures_waits_for_the_others_and_they_for_him(go_in: Callable[..., Visitor]) -> None:
    before = go_in(alone=False)
    assert before.inside.wait(SECONDS)
    measuring = go_in(alone=True)
    assert not measuring.inside.wait(0.2)
    after = go_in(alone=False)
    assert not after.inside.wait(0.2), "he came later, and would keep the one who waits from ever being alone"
    before.leave()
    assert measuring.inside.wait(SECONDS)
    assert not after.inside.wait(0.2)
    measuring.leave()
    assert after.inside.wait(SECONDS)
    after.leave()


def test_the_room_is_left_when_a_test_raises(go_in: Callable[..., Visitor]) -> None:
    with pytest.raises(ZeroDivisionError), room(alone=True):
        raise ZeroDivisionError
    visitor = go_in(alone=True)
    assert visitor.inside.wait(SECONDS)
    visitor.leave()
