"""One run: a roll is submitted and drained while something is done to it, then everything drains and is judged."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from msgspec import Struct, field
from sqlalchemy import and_, func, null, or_, select

from postroom.errors import Unavailable
from postroom.messages import roll
from postroom.storage.database import Tx
from postroom.storage.tables import IS_OPEN, IS_SENDING, IS_WAITING, messages, recipients
from tests.crash.installation import CONNECTIONS, LEASE, Installation
from tests.crash.judge import PARKED_AFTER, SLACK, Blow, Line, Outcome, Verdict, judge
from tests.crash.sink import Mail
from tests.crash.submitting import AHEAD, Submitter

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

DRAIN_SECONDS: Final = 120.0
"""How long a run may take to deliver everything once nothing is killed any more."""

_STEP: Final = 0.1
_r: Final = recipients.c


class Report(Struct, kw_only=True):
    """One row of the table."""

    scenario: str
    database: str
    seconds: float = 0.0
    blows: list[Blow] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    back: list[float] = field(default_factory=list)
    """For each blow, the seconds until mail (API: an answer) came again."""
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What must not be, beside what the judge counts."""
    skipped: str = ""

    @property
    def kills(self) -> int:
        """How many of the blows were kills."""
        return sum(blow.killed for blow in self.blows)

    @property
    def worst(self) -> int:
        """Superfluous mails of the worst blow."""
        return max(self.verdict.duplicates, default=0)

    @property
    def good(self) -> bool:
        """Whether everything promised was kept."""
        return self.verdict.clean and not self.faults and self.worst <= CONNECTIONS and not self.verdict.unexplained


class Run:
    """A running installation and the client that fills it; what a scenario does with them stands in ``scenarios`` and ``killing``."""

    def __init__(self, here: Installation, report: Report, rolls: Iterable[list[str]], seed: int, ahead: int = AHEAD) -> None:
        """Prepare; ``start`` begins. ``rolls`` are the addresses of each message, ``ahead`` is the ``Submitter``'s."""
        self.here = here
        self.report = report
        self.blows: list[Blow] = []
        self.submitter = Submitter(here.api(), rolls, random.Random(seed), here.seen.another(), ahead)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.submitter.stop()

    def start(self, *workers: str) -> None:
        """Start the API, the worker (or several), and the client."""
        for name in ("api", *(workers or ("worker",))):
            self.here.start(name)
        self.submitter.start()

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, tending the processes meanwhile; tell whether it was so in time."""
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end or self.submitter.failure:
                return False
            self.here.tend()
        return True

    def kill(self, *victims: str) -> None:
        """Kill -9 and start again at once."""
        for victim in victims:
            self.here.kill(victim)
        at = until = time.monotonic()
        for victim in victims:
            self.here.revive(victim)
        if "database" in victims:  # the worker lives on, and its leases run out while they cannot be renewed
            until = time.monotonic() + LEASE
        self.blows.append(Blow(" and ".join(victims), at, until))

    @contextlib.contextmanager
    def blow(self, what: str) -> Iterator[None]:
        """Note what is done meanwhile, which is no kill."""
        at = time.monotonic()
        yield
        self.blows.append(Blow(what, at, time.monotonic() + LEASE, killed=False))

    def drain(self, progress: Progress, total: int, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until everything is submitted and nobody is open any more; it is a fault when that takes too long."""

        def drained() -> bool:
            progress(min(self.here.seen.count(), total), total)
            time.sleep(_STEP)
            return self.submitter.done and self._nobody_open()

        if not self.wait(drained, seconds):
            self.report.faults.append("not everything was drained in time")

    def _nobody_open(self) -> bool:
        try:
            return self.here.store.database.read_now(_open_recipients) == 0
        except Unavailable:  # PostgreSQL was away: our own connections are as stale as those of others
            return False

    def finish(self) -> Report:
        """Stop everything in order, let the judge speak, and return the report."""
        self.submitter.stop()
        self.here.stop()
        if self.submitter.failure is not None:
            self.report.faults.append(f"the client gave up: {self.submitter.failure!r}")
        outcomes = self.here.store.database.read_now(outcomes_of_all)
        mails = self.here.seen.mails()
        self.report.blows = self.blows
        self.report.verdict = judge(self.submitter.letters, outcomes, mails, self.blows)
        self.report.back = [_back(blow, mails, self.submitter.answers) for blow in self.blows]
        self.report.seconds = time.monotonic() - self._began
        self._remark()
        return self.report

    def _remark(self) -> None:
        """Say in words what the figures alone do not."""
        notes = self.report.notes
        unanswered = sum(letter.answer == "unanswered" for letter in self.submitter.letters)
        if unanswered:
            notes.append(f"{unanswered} of {len(self.submitter.letters)} messages sent without an answer")
        if self.submitter.refusals:
            notes.append(f"{self.submitter.refusals} answers 503")
        notes += [f"{ended}, {times} times" for ended, times in Counter(self.here.ended).items()]
        if self.report.verdict.parked:
            notes.append(f"{self.report.verdict.parked} recipients are parked: under way in {PARKED_AFTER} crashes")
        marked = self.report.verdict.marked
        if self.blows and marked > CONNECTIONS * len(self.blows):
            self.report.faults.append(f"{marked} recipients are marked ambiguous, more than {CONNECTIONS} for each kill")


def outcomes_of_all(tx: Tx) -> dict[int, Outcome]:
    """Return every message of an author with its roll and the counts that the store gives of it."""
    lines: dict[int, list[Line]] = {}
    parked = and_(IS_WAITING, _r.due_at == null(), _r.recoveries >= PARKED_AFTER).label("parked")
    columns = (_r.message_id, _r.id, _r.email, _r.state, _r.ambiguous, _r.attempts, parked)
    for row in tx.execute(select(*columns).order_by(_r.id)):
        line = Line(
            id=row.id, email=row.email or "", state=row.state, ambiguous=row.ambiguous, attempts=row.attempts, parked=bool(row.parked)
        )
        lines.setdefault(row.message_id, []).append(line)
    return {
        row.id: Outcome(
            status=row.status, settled=row.settled_at is not None, lines=lines.get(row.id, []), counts=roll.state_counts(tx, row.id)
        )
        for row in tx.execute(select(messages.c.id, messages.c.status, messages.c.settled_at)).all()
    }


def _open_recipients(tx: Tx) -> int:
    """Count those whose outcome is still to come by itself: not those who wait for a person."""
    return tx.execute(select(func.count()).where(IS_OPEN, or_(IS_SENDING, _r.due_at != null()))).scalar_one()


def _back(blow: Blow, mails: Sequence[Mail], answers: Sequence[float]) -> float:
    """Seconds from a kill, or from the end of another blow, to the first sign of life; 0 when there was nothing left to do."""
    signs = answers if blow.what == "api" else [mail.at for mail in mails]
    start = blow.at if blow.killed else blow.until - LEASE
    return min((at - start for at in signs if at > start + SLACK), default=0.0)
