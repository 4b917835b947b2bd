"""Turns of the processes that write into one SQLite file (storage/turn.py): nobody waits behind one who never pauses."""

import fcntl
import multiprocessing
import time
from pathlib import Path
from threading import Thread

import pytest

from postroom.clock import now
from postroom.errors import Unavailable
from postroom.storage import sqlite
from postroom.storage.database import ping
from postroom.storage.sqlite import SqliteDatabase
from postroom.storage.turn import Turn


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    first, second = Turn(tmp_path / "d"), Turn(tmp_path / "d")
    assert first.take(0)
    assert not second.take(0)
    assert not second.take(0.02)
    first.give_back()
    assert second.take(0)
    assert not first.take(0)
    for turn in (first, second):
        turn.close()


def test_whoever_waits_comes_before_whoever_had_it(tmp_path: Path) -> None:
    """One that gives it back and wants it again at once stands behind the other."""
    greedy, patient = Turn(tmp_path / "d"), Turn(tmp_path / "d")
    order: list[str] = []
    assert greedy.take(0)

    def wait() -> None:
        assert patient.take(5)
        order.append("patient")
        patient.give_back()

    waiter = Thread(target=wait)
    waiter.start()
    while not somebody_queues(tmp_path / "d"):
        time.sleep(0.001)
    greedy.give_back()
    assert greedy.take(5)
    order.append("greedy")
    waiter.join(5)
    assert order == ["patient", "greedy"]


def somebody_queues(database: Path) -> bool:
    with database.with_name(f"{database.name}-next").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_it_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    """A crash leaves no lock behind."""
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path / "d",))
    process.start()
    turn = Turn(tmp_path / "d")
    end = time.monotonic() + 10
    while turn.take(0) and time.monotonic() < end:
        turn.give_back()
        time.sleep(0.01)
    assert not turn.take(0)
    process.kill()
    process.join(10)
    assert turn.take(5)


def _hold(path: Path) -> None:
    Turn(path).take(5)
    time.sleep(60)


def test_a_process_that_does_not_let_go_makes_the_store_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait has a time-out; units that come afterwards work."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.1)
    database = SqliteDatabase(tmp_path / "d")
    other = Turn(tmp_path / "d")
    assert other.take(0)
    with pytest.raises(Unavailable):
        database.write_now(ping)
    other.give_back()
    database.write_now(ping)
    database.close()


@pytest.mark.alone
def test_a_writer_without_pause_leaves_room_for_others(tmp_path: Path) -> None:
    """Two stores on one file, as API and worker are: one writes as fast as it can, the other gets each commit within moments."""
    busy, other = SqliteDatabase(tmp_path / "d"), SqliteDatabase(tmp_path / "d")
    busy.write_now(lambda tx: tx.exec_driver_sql("CREATE TABLE t (n INTEGER)") and None)
    stop = now() + 2_000

    def write() -> None:
        while now() < stop:
            busy.write_now(lambda tx: tx.exec_driver_sql("INSERT INTO t VALUES (1)") and None)

    writers = [Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    waits: list[float] = []
    while now() < stop - 100:
        began = time.monotonic()
        other.write_now(lambda tx: tx.exec_driver_sql("INSERT INTO t VALUES (2)") and None)
        waits.append(time.monotonic() - began)
        time.sleep(0.02)
    for writer in writers:
        writer.join(10)
    assert len(waits) > 10
    assert sorted(waits)[len(waits) * 9 // 10] < 0.25
    for database in (busy, other):
        database.close()
