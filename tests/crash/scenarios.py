"""What else can happen to mail under way, beside a kill: each scenario is one run, judged as the kills are."""

import contextlib
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import select

from postroom.errors import Unavailable
from postroom.storage.database import Tx
from postroom.storage.tables import IS_SENDING, recipients
from tests.crash.installation import CONNECTIONS, Kind, installation
from tests.crash.running import Progress, Report, Run, outcomes_of_all
from tests.crash.submitting import rolls

AWAY_SECONDS: Final = 60.0
HEALTHY_SECONDS: Final = 60.0
"""How long the healthy part may take beside a domain that never answers."""

_WAIT_SECONDS: Final = 60.0
_RESTARTS: Final = 3
_FULL_SECONDS: Final = 4.0
"""Longer than the leases, so that they run out while nobody can write."""
_MB: Final = 1_048_576

Scenario = Callable[[Kind, int, int, Progress], Report]
"""Runs with a database, a number of recipients and a seed."""


def cut_off(database: Kind, total: int, seed: int, progress: Progress) -> Report:
    """Close the connection after every tenth final dot, without a reply; half of these mails are kept, half are forgotten."""
    report = Report(scenario="closed after final dot", database=database)
    kinds = {0: "drop-kept", 1: "drop-lost"}
    messages = rolls(total, random.Random(seed), lambda number: f"{kinds.get(number % 20, 'person')}{number}@people.example")
    with installation(database) as here, Run(here, report, messages, seed) as run:
        run.start()
        run.drain(progress, total)
        run.finish()
    closed = sum(number % 20 in kinds for number in range(total))
    report.notes.append(f"{closed:,} connections closed")
    if report.verdict.marked != closed:
        report.faults.append(f"{report.verdict.marked} recipients are marked ambiguous, not the {closed} whose outcome was unknown")
    return report


def silent_domain(database: Kind, total: int, seed: int, progress: Progress) -> Report:
    """Send 30 % to a domain that never answers: the others must not wait for it; once it answers, it gets its mail."""
    report = Report(scenario="silent domain", database=database)
    messages = rolls(total, random.Random(seed), lambda number: f"person{number}@{'silent' if number % 10 < 3 else 'people'}.example")
    healthy = sum(number % 10 >= 3 for number in range(total))
    patience: dict[str, object] = {"timeout": 2.0}
    with (
        installation(database, relay=patience, delivery={"retry_first": 5.0, "retry_longest": 10.0}) as here,
        Run(here, report, messages, seed, ahead=total) as run,
    ):
        run.start()
        began = time.monotonic()
        if run.wait(lambda: here.seen.wait(healthy, 0.2), HEALTHY_SECONDS):
            report.notes.append(f"the {healthy:,} others had their mail after {time.monotonic() - began:.1f} s")
        else:
            report.faults.append(f"only {here.seen.count():,} of the {healthy:,} others had their mail after {HEALTHY_SECONDS:.0f} s")
        here.seen.heal()
        run.drain(progress, total)
        return run.finish()


def relay_away(database: Kind, total: int, seed: int, progress: Progress, seconds: float = AWAY_SECONDS) -> Report:
    """Close the relay's door in the middle of the drain: nobody's attempts are used up meanwhile."""
    report = Report(scenario=f"relay away, {seconds:.0f} s", database=database)
    with installation(database) as here, Run(here, report, rolls(total, random.Random(seed)), seed) as run:
        run.start()
        _reach(run, total // 3)
        with run.blow("relay"):
            here.seen.leave()
            run.wait(_after(seconds), 2 * seconds)
            here.seen.come_back()
        run.drain(progress, total)
        run.finish()
        outcomes = here.store.database.read_now(outcomes_of_all)
    again = sum(line.attempts > 1 for outcome in outcomes.values() for line in outcome.lines)
    report.notes.append(f"{again} recipients were tried more than once")
    if again > CONNECTIONS:
        report.faults.append("more attempts were used up than mails were under way")
    return report


def full_disk(database: Kind, total: int, seed: int, progress: Progress) -> Report:
    """Fill the disk of an embedded store: what is not kept is answered 503, what was acknowledged is delivered once there is space."""
    report = Report(scenario="full disk", database=database)
    if database != "sqlite":
        report.skipped = "the data folder of PostgreSQL lies on the system's disk"
        return report
    with contextlib.ExitStack() as stack:
        try:
            disk = stack.enter_context(_small_disk(16 + total // 200))
        except (OSError, subprocess.SubprocessError) as error:
            report.skipped = f"no small file system can be mounted here: {error}"
            return report
        here = stack.enter_context(installation(database, data_dir=disk / "data"))
        messages = rolls(total, random.Random(seed))
        run = stack.enter_context(Run(here, report, messages, seed, ahead=total))
        run.start()
        run.wait(lambda: _rested() and len(run.submitter.letters) >= len(messages) // 2, _WAIT_SECONDS)
        with run.blow("disk"):
            _fill(disk / "ballast")
            full = _after(_FULL_SECONDS)
            if not run.wait(lambda: full() and run.submitter.refusals > 0, _WAIT_SECONDS):
                report.faults.append("the API never answered 503")
            (disk / "ballast").unlink()
        run.drain(progress, total)
        return run.finish()


def restart(database: Kind, total: int, seed: int, progress: Progress) -> Report:
    """Restart PostgreSQL in order, three times in the middle of the drain."""
    report = Report(scenario="database restart", database=database)
    if database != "postgresql":
        report.skipped = "SQLite has no process of its own"
        return report
    with installation(database) as here, Run(here, report, rolls(total, random.Random(seed)), seed) as run:
        assert here.server is not None
        run.start()
        for number in range(1, _RESTARTS + 1):
            _reach(run, number * total // (_RESTARTS + 1))
            with run.blow("restart"):
                here.server.cut_off()
                here.server.start()
        run.drain(progress, total)
        return run.finish()


def two_workers(database: Kind, total: int, seed: int, progress: Progress) -> Report:
    """Start two workers on one store: they share the work, and nobody gets anything twice."""
    report = Report(scenario="two workers", database=database)
    owners: set[str] = set()
    with installation(database) as here, Run(here, report, rolls(total, random.Random(seed)), seed) as run:
        run.start("worker-1", "worker-2")

        def look(done: int, of: int) -> None:
            with contextlib.suppress(Unavailable):  # a busy moment; there will be another look
                owners.update(here.store.database.read_now(_owners))
            progress(done, of)

        run.drain(look, total)
        run.finish()
    report.notes.append(f"{len(owners)} workers had leases")
    if len(owners) != 2:
        report.faults.append("the work was not shared")
    return report


SCENARIOS: Final[dict[str, Scenario]] = {
    "cut-off": cut_off,
    "silent-domain": silent_domain,
    "relay-away": relay_away,
    "full-disk": full_disk,
    "restart": restart,
    "two-workers": two_workers,
}


def _reach(run: Run, mails: int) -> None:
    if not run.wait(lambda: run.here.seen.wait(mails, 0.2), _WAIT_SECONDS):
        run.report.faults.append(f"the sink never had {mails:,} mails")


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: _rested() and time.monotonic() > end


def _rested() -> bool:
    time.sleep(0.05)
    return True


def _owners(tx: Tx) -> set[str]:
    return set(tx.scalars(select(recipients.c.lease_owner).where(IS_SENDING).distinct()))


@contextlib.contextmanager
def _small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size. Raises ``PermissionError`` without the right to, ``SubprocessError`` when it does not work."""
    if os.geteuid() != 0:
        raise PermissionError("only root may mount one")
    folder = Path(tempfile.mkdtemp(prefix="postroom-disk-"))
    try:
        _system("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", folder)
        try:
            yield folder
        finally:
            _system("umount", "--lazy", folder)
    finally:
        folder.rmdir()


def _system(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def _fill(ballast: Path) -> None:
    """Write until nothing more fits."""
    with ballast.open("wb", buffering=0) as file:
        for block in (bytes(_MB), bytes(4096)):
            with contextlib.suppress(OSError):
                while file.write(block):
                    pass
