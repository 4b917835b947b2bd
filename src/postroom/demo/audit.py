"""Is everybody accounted for? What the store says, what the API says and what the mail catcher saw, held against each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from postroom.demo.catcher import Catcher
from postroom.messages.records import State

OUTCOMES: Final[tuple[State, ...]] = ("delivered", "failed", "suppressed", "expired", "cancelled")
"""The five ways in which a recipient is accounted for."""


class Line(Struct, frozen=True):
    """One line of the roll as the API tells it: see ``mailclient/recipients``."""

    email: str | None
    status: str | None


class Outcome(Struct, frozen=True, kw_only=True):
    """How the mailing ended; printed as the last line of the demonstration. All but ``seconds`` are numbers of recipients."""

    roll: int
    delivered: int
    failed: int
    suppressed: int
    expired: int
    cancelled: int
    unknown: int
    pending: int
    seconds: float
    """From the call that sent the message to its last outcome."""


class Check(Struct, frozen=True):
    """One thing that must be true at the end."""

    sentence: str
    holds: bool


def outcome(roll: int, counts: Mapping[State, int], seconds: float) -> Outcome:
    """Put the counts of the store in the form of the last line; whoever is neither done nor unknown is pending."""
    named = {state: counts.get(state, 0) for state in (*OUTCOMES, "unknown")}
    return Outcome(roll=roll, pending=sum(counts.values()) - sum(named.values()), seconds=round(seconds, 2), **named)


def checks(result: Outcome, lines: Sequence[Line], catcher: Catcher, author: str) -> list[Check]:
    """Compare; the mails for ``author`` (copy, report) are no part of the roll and are left out."""
    author = author.lower()
    told = {status: Counter(line.email.lower() for line in lines if line.email and line.status == status) for status in ("sent", "error")}
    sent = told["sent"] - Counter({author: told["sent"][author]})
    taken = Counter({address: times for address, times in catcher.taken.items() if address != author})
    later = set(catcher.deferred)
    return [
        Check("the counts add up to the roll", sum(getattr(result, state) for state in OUTCOMES) == result.roll == len(lines) > 0),
        Check("nobody is pending, nobody's outcome unknown", result.pending == result.unknown == 0),
        Check("the API tells what the store holds", _as_told(result) == [told["sent"].total(), told["error"].total(), _silent(lines)]),
        Check("each delivered mail was caught, once; no other was", sent == taken),
        Check("each failed recipient was refused, no other was", set(told["error"]) == set(catcher.rejected)),
        Check("each that was put off was delivered later", later <= set(told["sent"]) | {author}),
    ]


def _as_told(result: Outcome) -> list[int]:
    return [result.delivered, result.failed + result.expired + result.cancelled, result.suppressed]


def _silent(lines: Sequence[Line]) -> int:
    """Lines without a status: people without an address."""
    return sum(line.status is None for line in lines)
