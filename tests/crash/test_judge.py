"""The judge can fail: each kind of wrongness, invented, is found and counted as what it is; and an innocent run is not accused."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.crash.judge import Blow, Line, Outcome, Verdict, judge
from tests.crash.sink import Mail
from tests.crash.submitting import Letter

NAMES = ["a@x.example", "b@x.example", "c@x.example"]


class Case:
    """One message to three people, delivered without a fault; a test spoils it."""

    def __init__(self) -> None:
        self.letter = Letter(7, NAMES, "accepted")
        self.lines = [Line(id=number, email=name, state="delivered") for number, name in enumerate(NAMES, 1)]
        self.status, self.settled = "sent", True
        self.counts: dict[str, int] | None = None
        self.mails = [mail(name, 10.0 + number) for number, name in enumerate(NAMES)]
        self.blows: list[Blow] = []
        self.gone = False

    def change(self, line: int, **values: Any) -> None:
        self.lines[line] = replace(self.lines[line], **values)

    def judged(self) -> Verdict:
        counts = dict(Counter(line.state for line in self.lines)) if self.counts is None else self.counts
        outcome = Outcome(status=self.status, settled=self.settled, lines=self.lines, counts=counts)
        return judge([self.letter], {} if self.gone else {7: outcome}, self.mails, self.blows)


def mail(recipient: str, at: float, name: str = "", *, answered: bool = True) -> Mail:
    return Mail(recipient, name or f"<{recipient}>", at, answered)


def killed(*times: float) -> list[Blow]:
    return [Blow("worker", at, at) for at in times]


def counted(verdict: Verdict) -> tuple[int, int, int, int]:
    return verdict.lost, verdict.duplicated, verdict.stuck, verdict.misreported


def test_a_run_without_a_fault_is_clean() -> None:
    verdict = Case().judged()
    assert counted(verdict) == (0, 0, 0, 0)
    assert (verdict.recipients, verdict.delivered, verdict.findings) == (3, 3, [])
    assert verdict.clean


def delivered_to_nobody(case: Case) -> None:
    del case.mails[1]


def delivered_but_never_answered(case: Case) -> None:
    case.mails[1] = mail(NAMES[1], 11.0, answered=False)


def failed_and_never_taken(case: Case) -> None:
    del case.mails[1]
    case.change(1, state="failed")
    case.status = "error"


def failed_though_taken(case: Case) -> None:
    case.change(1, state="failed")
    case.status = "error"


def twice_without_a_mark(case: Case) -> None:
    case.mails.append(mail(NAMES[1], 20.0))


def twice_under_two_names(case: Case) -> None:
    case.mails.append(mail(NAMES[1], 20.0, "<another>"))
    case.change(1, ambiguous=True)


def still_sending(case: Case) -> None:
    case.change(1, state="sending")
    case.status, case.settled = "pending", False


def waiting_for_ever(case: Case) -> None:
    del case.mails[1]
    case.change(1, state="unknown")
    case.status, case.settled = "pending", False


def settled_too_early(case: Case) -> None:
    case.change(1, state="deferred")


def never_settled(case: Case) -> None:
    case.status, case.settled = "pending", False


def error_without_a_reason(case: Case) -> None:
    case.status = "error"


def counts_that_do_not_add_up(case: Case) -> None:
    case.counts = {"delivered": 2}


def a_line_is_missing(case: Case) -> None:
    del case.lines[1]


def a_line_too_many(case: Case) -> None:
    case.lines.append(Line(id=9, email="stranger@x.example", state="delivered"))


def mail_to_a_stranger(case: Case) -> None:
    case.mails.append(mail("stranger@x.example", 20.0))


def accepted_and_gone(case: Case) -> None:
    case.gone, case.mails = True, []


def accepted_and_still_a_draft(case: Case) -> None:
    case.status, case.settled, case.mails = "draft", False, []
    case.lines = [replace(line, state="listed") for line in case.lines]


def sent_by_halves(case: Case) -> None:
    case.letter = replace(case.letter, answer="unanswered")
    case.status, case.settled = "draft", False
    case.lines[1:] = [replace(line, state="listed") for line in case.lines[1:]]
    case.mails = []


def mail_of_a_draft(case: Case) -> None:
    case.letter = replace(case.letter, answer="unanswered")
    case.status, case.settled = "draft", False
    case.lines = [replace(line, state="listed") for line in case.lines]
    del case.mails[1:]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (delivered_to_nobody, (1, 0, 0, 1)),
        (delivered_but_never_answered, (0, 0, 0, 1)),
        (failed_and_never_taken, (1, 0, 0, 0)),
        (failed_though_taken, (0, 0, 0, 1)),
        (twice_without_a_mark, (0, 1, 0, 1)),
        (twice_under_two_names, (0, 1, 0, 1)),
        (still_sending, (0, 0, 1, 0)),
        (waiting_for_ever, (0, 0, 1, 0)),
        (settled_too_early, (0, 0, 1, 1)),
        (never_settled, (0, 0, 0, 1)),
        (error_without_a_reason, (0, 0, 0, 1)),
        (counts_that_do_not_add_up, (0, 0, 0, 1)),
        (a_line_is_missing, (1, 0, 0, 1)),
        (a_line_too_many, (0, 0, 0, 2)),
        (mail_to_a_stranger, (0, 0, 0, 1)),
        (accepted_and_gone, (3, 0, 0, 0)),
        (accepted_and_still_a_draft, (3, 0, 0, 0)),
        (sent_by_halves, (0, 0, 0, 1)),
        (mail_of_a_draft, (0, 0, 0, 1)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_of_wrong_is_found(spoil: Callable[[Case], None], expected: tuple[int, int, int, int]) -> None:
    """Lost, duplicated, stuck, mis-reported; and never without a word about it."""
    case = Case()
    spoil(case)
    verdict = case.judged()
    assert counted(verdict) == expected
    assert not verdict.clean
    assert verdict.findings


def test_a_marked_duplicate_is_counted_and_is_no_lie() -> None:
    case = Case()
    case.mails.append(mail(NAMES[1], 20.0))
    case.change(1, ambiguous=True)
    verdict = case.judged()
    assert counted(verdict) == (0, 1, 0, 0)
    assert (verdict.clean, verdict.marked, verdict.unexplained) == (True, 1, 1)


def test_whoever_waits_for_a_person_is_told_and_is_not_stuck() -> None:
    case = Case()
    case.change(1, state="unknown", ambiguous=True, parked=True)
    case.status, case.settled = "pending", False
    verdict = case.judged()
    assert (counted(verdict), verdict.parked) == ((0, 0, 0, 0), 1)


def test_an_unanswered_message_may_have_been_sent_or_not() -> None:
    case = Case()
    case.letter = replace(case.letter, answer="unanswered")
    assert case.judged().clean
    case.status, case.settled, case.mails = "draft", False, []
    case.lines = [replace(line, state="listed") for line in case.lines]
    assert case.judged().clean
    case.gone = True
    assert case.judged().clean


def test_a_duplicate_is_blamed_on_the_first_kill_after_the_mail() -> None:
    """The kill that left the outcome untold, not the one before the second mail; whatever arrived in the sink's buffer counts as before."""
    case = Case()
    case.blows = killed(5.0, 9.9, 15.0, 18.0)
    case.mails += [mail(NAMES[0], 20.0), mail(NAMES[1], 20.0)]
    assert case.judged().duplicates == [0, 1, 1, 0]
    assert case.judged().unexplained == 0


def test_a_duplicate_without_a_kill_is_unexplained() -> None:
    case = Case()
    case.blows = killed(5.0, 25.0)
    case.mails += [mail(NAMES[1], 20.0)]
    verdict = case.judged()
    assert (verdict.duplicates, verdict.unexplained) == ([0, 0], 1)


def test_what_lasted_a_while_explains_copies_of_mails_within_it() -> None:
    case = Case()
    case.blows = [Blow("disk", 5.0, 15.0, killed=False)]
    case.mails += [mail(NAMES[1], 16.0)]
    assert (case.judged().duplicates, case.judged().unexplained) == ([1], 0)


def test_a_mail_that_the_relay_never_answered_explains_its_copy() -> None:
    """The relay took it and closed: sending it again is right, and it is marked."""
    case = Case()
    case.mails[1:2] = [mail(NAMES[1], 11.0, answered=False), mail(NAMES[1], 12.0)]
    case.change(1, ambiguous=True)
    verdict = case.judged()
    assert (counted(verdict), verdict.unexplained) == ((0, 1, 0, 0), 0)
