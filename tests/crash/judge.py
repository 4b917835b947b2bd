"""The judge: holds what the store says against what the sink saw. Pure: it knows no store, no sink and no clock.

It counts recipients of messages that were accepted (or turned out to have been sent):

- **lost**: done, or gone from the roll, and the sink never took their mail; or said to be delivered though it never did;
- **duplicated**: the sink took their mail more than once;
- **stuck**: without a final state at the end;
- **mis-reported**: the state contradicts the sink. Delivered without an answered mail; failed or expired though the mail was taken, or
  taken twice, without the mark ``ambiguous``; copies of one mail under different Message-IDs; mail to somebody who stands on no roll.
  Of messages: counts that do not add up to the roll, or a status that does not follow from the states of its recipients.

``findings`` names each wrong in words, by numbers only.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct, field

from postroom.storage.tables import FINAL_STATES
from tests.crash.sink import Mail
from tests.crash.submitting import Letter

SLACK: Final = 0.25
"""Seconds for which the sink may still find mails in its buffers whose sender is dead."""

PARKED_AFTER: Final = 3
"""Crashes after which a recipient waits for a person: it may be what crashes the worker."""

_NAMED: Final = 20
"""Findings of one kind that are kept in words at most."""


class Line(Struct, frozen=True, kw_only=True):
    """One recipient as the store has it at the end."""

    id: int
    email: str
    state: str
    ambiguous: bool = False
    attempts: int = 1
    parked: bool = False
    """Held for a person to decide, after as many crashes as ``PARKED_AFTER``."""


class Outcome(Struct, frozen=True, kw_only=True):
    """One message as the store has it at the end."""

    status: str
    settled: bool
    lines: list[Line]
    counts: Mapping[str, int]
    """What ``roll.state_counts`` says."""


class Blow(Struct, frozen=True):
    """Something that was done to the installation, and how long it had effects (``time.monotonic()``)."""

    what: str
    at: float
    until: float
    killed: bool = True
    """Whether it was a kill -9; else a disk was full, say."""


class Verdict(Struct, kw_only=True):
    """What the judge found."""

    recipients: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    misreported: int = 0
    marked: int = 0
    """Recipients marked as perhaps delivered twice."""
    parked: int = 0
    """Recipients that wait for a person since they were under way in so many crashes; not stuck, but told."""
    duplicates: list[int] = field(default_factory=list)
    """For each blow, in order, the superfluous mails that it caused."""
    unexplained: int = 0
    """Superfluous mails that no blow explains, nor the sink that closed without a reply."""
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nobody was lost, stuck or mis-reported."""
        return not (self.lost or self.stuck or self.misreported)

    def note(self, what: str) -> None:
        """Keep a finding in words."""
        if len(self.findings) < _NAMED:
            self.findings.append(what)


def judge(letters: Sequence[Letter], outcomes: Mapping[int, Outcome], mails: Sequence[Mail], blows: Sequence[Blow] = ()) -> Verdict:
    """Say what went wrong. ``outcomes`` are those of every message in the store, by number; ``blows`` come in order."""
    verdict = Verdict(duplicates=[0] * len(blows))
    taken: dict[str, list[Mail]] = defaultdict(list)
    for mail in mails:
        taken[mail.recipient].append(mail)
    for letter in letters:
        outcome = outcomes.get(letter.message_id)
        if outcome is None or outcome.status == "draft":
            _not_sent(verdict, letter, outcome, taken)
        else:
            _sent(verdict, letter, outcome, taken)
    for copies in taken.values():
        _attribute(verdict, copies, blows)
    for recipient in taken.keys() - {address for letter in letters for address in letter.addresses}:
        verdict.misreported += len(taken[recipient])
        verdict.note("mail to somebody who stands on no roll")
    return verdict


def _not_sent(verdict: Verdict, letter: Letter, outcome: Outcome | None, taken: Mapping[str, list[Mail]]) -> None:
    """A message that was never handed over: nobody may have got it, and nobody may have been promised it."""
    if letter.answer == "accepted":
        verdict.recipients += len(letter.addresses)
        verdict.lost += len(letter.addresses)
        verdict.note(f"message {letter.message_id} was accepted and is {'gone' if outcome is None else 'a draft'}")
    touched = sum(line.state != "listed" for line in outcome.lines) if outcome else 0
    touched += sum(address in taken for address in letter.addresses)
    if touched:
        verdict.misreported += touched
        verdict.note(f"message {letter.message_id} was not sent, or not wholly, and reached some")


def _sent(verdict: Verdict, letter: Letter, outcome: Outcome, taken: Mapping[str, list[Mail]]) -> None:
    lines = {line.email: line for line in outcome.lines}
    verdict.recipients += len(letter.addresses)
    for address in letter.addresses:
        copies = taken.get(address, [])
        if address in lines:
            _recipient(verdict, lines[address], copies)
        else:
            verdict.lost += 1
            verdict.note(f"message {letter.message_id} lacks a line of its roll")
    strangers = len(outcome.lines) - sum(address in lines for address in letter.addresses)
    if strangers:
        verdict.misreported += strangers
        verdict.note(f"message {letter.message_id} has lines that nobody asked for, or the same one twice")
    _message(verdict, letter, outcome)


def _recipient(verdict: Verdict, line: Line, copies: Sequence[Mail]) -> None:
    answered = any(copy.answered for copy in copies)
    delivered, final = line.state == "delivered", line.state in FINAL_STATES
    verdict.delivered += delivered
    verdict.marked += line.ambiguous
    verdict.duplicated += len(copies) > 1
    verdict.parked += line.parked
    if not final and not line.parked:
        verdict.stuck += 1
        verdict.note(f"recipient {line.id} is still {line.state}")
    if final and not copies:
        verdict.lost += 1
        verdict.note(f"recipient {line.id} is {line.state}, and the sink never took the mail")
    wrongs = {
        "is delivered without an answered mail": delivered and not answered,
        f"is {line.state} though the mail was taken, and is not marked": final and not delivered and bool(copies) and not line.ambiguous,
        "got the mail more than once and is not marked": len(copies) > 1 and not line.ambiguous,
        "got copies under different Message-IDs": len({copy.message_id for copy in copies}) > 1,
    }
    for wrong in (sentence for sentence, holds in wrongs.items() if holds):
        verdict.note(f"recipient {line.id} {wrong}")
    verdict.misreported += any(wrongs.values())


def _message(verdict: Verdict, letter: Letter, outcome: Outcome) -> None:
    states = [line.state for line in outcome.lines]
    if any(state not in FINAL_STATES for state in states):
        expected = ("pending", False)
    else:
        expected = ("sent" if all(state in {"delivered", "suppressed"} for state in states) else "error", True)
    if (outcome.status, outcome.settled) != expected:
        verdict.misreported += 1
        verdict.note(f"message {letter.message_id} is {outcome.status}, settled: {outcome.settled}; should be {expected[0]}")
    shown = {state: states.count(state) for state in set(states)}
    if dict(outcome.counts) != shown or sum(outcome.counts.values()) != len(letter.addresses):
        verdict.misreported += 1
        verdict.note(f"message {letter.message_id} has counts that do not add up to its roll")


def _attribute(verdict: Verdict, copies: Sequence[Mail], blows: Sequence[Blow]) -> None:
    """Blame each superfluous mail on the first blow between it and the one before it: that one left an outcome untold."""
    for before, after in pairwise(copies):
        guilty = next((n for n, blow in enumerate(blows) if before.at - SLACK <= blow.until and blow.at <= after.at), None)
        if guilty is not None:
            verdict.duplicates[guilty] += 1
        elif before.answered:
            verdict.unexplained += 1
