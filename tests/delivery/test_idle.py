"""A real worker process that has nothing to do costs nothing, and is there at once when there is something."""

import asyncio
import statistics
import time
from pathlib import Path

import psutil
import pytest

from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests import processes
from tests.delivery import sink
from tests.delivery.letters import add_message, until

IDLE_SECONDS = 5


def send(tx: Tx) -> None:
    add_message(tx, ["a@x.example"])
    wakeup.notify(tx)


async def seconds_to_sink(store: Store, relay: sink.Sink) -> float:
    """How long after its commit a single mail is in the sink."""
    before = len(relay.taken)
    await store.database.write(send)
    committed = time.monotonic()
    await until(lambda: len(relay.taken) > before)
    return time.monotonic() - committed


def processor_seconds(process: psutil.Process) -> float:
    """What all threads of a process have used, to the nanosecond: the ticks of ``cpu_times`` are coarser than what is asked here."""
    threads = (Path("/proc") / str(process.pid) / "task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def idle_share(process: psutil.Process) -> float:
    """The share of one core that a process takes while nothing happens: the least of some seconds, since others use this machine too."""
    shares = []
    for _ in range(IDLE_SECONDS):
        before, began = processor_seconds(process), time.monotonic()
        await asyncio.sleep(1)
        shares.append((processor_seconds(process) - before) / (time.monotonic() - began))
    return min(shares)


@pytest.mark.alone
def test_an_idle_worker_sleeps_and_wakes_at_once(store: Store) -> None:
    """Less than half a percent of one core while idle; then a mail is with the relay within 100 ms of its commit (the median)."""
    settings = store.settings
    given = {"SECRET_KEY": settings.secret_key, "DATABASE__URL": settings.database.url, "RELAY__HOST": "127.0.0.1"}

    async def main() -> tuple[float, list[float]]:
        async with sink.running(sink.Sink()) as relay:
            with processes.running("worker", folder=settings.data_dir, RELAY__PORT=str(relay.port), **given) as worker:
                process = psutil.Process(worker.process.pid)
                await seconds_to_sink(store, relay)  # it is up
                await asyncio.sleep(1)
                return await idle_share(process), [await seconds_to_sink(store, relay) for _ in range(5)]

    idle, seconds = asyncio.run(main())
    assert idle < 0.005
    assert statistics.median(seconds) < 0.1
