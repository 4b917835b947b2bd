"""Who works, and what each worker tells of its relays."""

import msgspec

from postroom.delivery import presence
from postroom.delivery.records import DomainReport, RelayReport, WorkerLine, WorkerReport
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000
REPORT = WorkerReport(
    relays=[RelayReport(name="default", address="relay:25", up=False, reason="refused", next_try_in=4.0, connections=2, sent=7, rate=1.5)],
    domains=[DomainReport(name="slow.example", relay="default", busy=1, waiting=20, put_off=True)],
)


def test_the_last_report_of_each_worker_is_kept(store: Store) -> None:
    write = store.database.write_now
    write(presence.put_report, "one", WorkerReport(), NOW, NOW)
    with counted(store) as statements:
        write(presence.put_report, "one", REPORT, NOW, NOW + 5_000)
    assert len(statements) == 1
    write(presence.put_report, "two", WorkerReport(), NOW + 1, NOW + 9_000)
    first, second = store.database.read_now(presence.reports)
    assert first == WorkerLine(name="two", started_at=NOW + 1, seen_at=NOW + 9_000, report=WorkerReport())
    assert second == WorkerLine(name="one", started_at=NOW, seen_at=NOW + 5_000, report=REPORT)


def test_a_worker_that_stops_is_forgotten_at_once_and_one_that_died_in_time(store: Store) -> None:
    write = store.database.write_now
    for name in ("stops", "died", "lives"):
        write(presence.put_report, name, REPORT, NOW, NOW)
    write(presence.drop_report, "stops")
    later = NOW + presence.FORGOTTEN_AFTER
    write(presence.put_report, "lives", REPORT, NOW, later - 1)
    assert write(presence.prune, later) == 1
    assert [line.name for line in store.database.read_now(presence.reports)] == ["lives"]


def test_a_report_of_another_version_can_be_read(store: Store) -> None:
    """While an installation is upgraded, workers of two versions may run."""
    assert msgspec.json.decode(b'{"relays": [{"name": "r", "address": "a:25", "up": true, "new": 1}]}', type=WorkerReport).relays[0].up
