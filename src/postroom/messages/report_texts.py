"""The text of summary reports, in both languages. Counts follow a colon, so that no word depends on a number.

Everything foreign in a report (subjects, names, replies of mail servers) is put on one line, without control characters, and cut.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from postroom.clock import SECOND
from postroom.directory.values import one_line
from postroom.messages.records import MAX_CONTENT, MAX_SUBJECT, Language, State

MAX_EXCERPT: Final = 1_000
"""Characters of the message that a report quotes at most."""

_MAX_REPLY: Final = 200
_MAX_NAME: Final = 120


class ReportTexts(Struct, frozen=True, kw_only=True):
    """One language; ``{}`` stands for what is filled in."""

    subject: str
    message: str
    sent: str
    finished: str
    recipients: str
    twice: str
    copy: str
    not_reached: str
    continued: str
    left_out: str
    no_address: str
    original: str
    states: dict[State, str]
    """The five final states, in the order in which they are listed."""


_POLISH: Final = ReportTexts(
    subject="Raport z wysyłki: {}",
    message="Wiadomość: {}",
    sent="Wysłano: {}",
    finished="Zakończono: {}",
    recipients="Liczba adresatów: {}",
    twice="w tym być może doręczono dwukrotnie: {}",
    copy="Kopia dla nadawcy: {}",
    not_reached="Nie otrzymali tej wiadomości:",
    continued="Nie otrzymali tej wiadomości (ciąg dalszy):",
    left_out="Liczba dalszych osób i adresów, których ten raport nie wymienia: {}",
    no_address="brak adresu",
    original="Początek wiadomości:",
    states={
        "delivered": "doręczono",
        "failed": "nie doręczono",
        "suppressed": "pominięto",
        "expired": "upłynął czas doręczania",
        "cancelled": "anulowano",
    },
)

_ENGLISH: Final = ReportTexts(
    subject="Delivery report: {}",
    message="Message: {}",
    sent="Sent: {}",
    finished="Finished: {}",
    recipients="Number of recipients: {}",
    twice="of these, perhaps delivered twice: {}",
    copy="Copy to yourself: {}",
    not_reached="These did not get the message:",
    continued="These did not get the message (continued):",
    left_out="Number of further people and addresses that this report does not name: {}",
    no_address="no address",
    original="The message begins:",
    states={
        "delivered": "delivered",
        "failed": "failed",
        "suppressed": "suppressed",
        "expired": "time for delivery ran out",
        "cancelled": "cancelled",
    },
)

TEXTS: Final[dict[Language, ReportTexts]] = {"pl": _POLISH, "en": _ENGLISH}


class Unreached(Struct, frozen=True, kw_only=True):
    """Somebody who did not get the message."""

    name: str
    """Empty for a bare address."""
    email: str | None
    state: State
    reply: str | None


class Summary(Struct, frozen=True, kw_only=True):
    """What a report says."""

    subject: str
    """Of the message reported on."""
    sent_at: int
    finished_at: int
    states: dict[State, int]
    """Recipients in each state, without the copy to oneself."""
    twice: int
    """Of the delivered ones, those whose outcome was once unknown."""
    copy: State | None
    """State of the copy to oneself, if there is one."""
    unreached: list[Unreached]
    """As many as the report names; the rest follows from ``states``."""
    original: str = ""
    """The beginning of the message, if it is to be quoted; cut where it is longer than ``MAX_EXCERPT``."""


class Part(Struct, frozen=True, kw_only=True):
    """One mail of a report."""

    subject: str
    content: str


def render(summary: Summary, language: Language) -> list[Part]:
    """Write the report; in as many parts as the limit of a message's content asks for, numbered when there are several."""
    texts = TEXTS[language]
    bodies = _fill(_head(summary, texts), _lines(summary, texts), texts)
    title = texts.subject.format(one_line(summary.subject, MAX_SUBJECT))
    numbers = [f" ({number}/{len(bodies)})" if len(bodies) > 1 else "" for number in range(1, len(bodies) + 1)]
    return [
        Part(subject=_cut(title, MAX_SUBJECT - len(number)) + number, content=body) for number, body in zip(numbers, bodies, strict=True)
    ]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _head(summary: Summary, texts: ReportTexts) -> list[str]:
    lines = [
        texts.message.format(one_line(summary.subject, MAX_SUBJECT)),
        texts.sent.format(shown_time(summary.sent_at)),
        texts.finished.format(shown_time(summary.finished_at)),
        "",
        texts.recipients.format(sum(summary.states.values())),
    ]
    for state, word in texts.states.items():
        lines.append(f"- {word}: {summary.states.get(state, 0)}")
        if state == "delivered" and summary.twice:
            lines.append(f"  {texts.twice.format(summary.twice)}")
    if summary.copy is not None:
        lines += ["", texts.copy.format(texts.states[summary.copy])]
    if summary.original:
        lines += ["", texts.original, *(f"> {line}" for line in _cut(summary.original, MAX_EXCERPT).splitlines())]
    return lines


def _lines(summary: Summary, texts: ReportTexts) -> list[str]:
    lines = [_line(person, texts) for person in summary.unreached]
    rest = sum(count for state, count in summary.states.items() if state != "delivered") - len(lines)
    return [*lines, texts.left_out.format(rest)] if rest > 0 else lines


def _line(person: Unreached, texts: ReportTexts) -> str:
    name, email = one_line(person.name, _MAX_NAME), one_line(person.email or "", _MAX_REPLY)
    who = f"{name} <{email}>" if name and email else name or email
    why = texts.no_address if person.email is None else one_line(person.reply or "", _MAX_REPLY)
    return f"- {who}: {texts.states[person.state]}" + (f" ({why})" if why else "")


def _fill(head: Sequence[str], lines: Sequence[str], texts: ReportTexts) -> list[str]:
    """Spread the lines over as few bodies as the limit allows."""
    body = [*head, "", texts.not_reached] if lines else list(head)
    length = sum(map(len, body)) + len(body)
    bodies: list[str] = []
    for line in lines:
        if length + len(line) + 1 > MAX_CONTENT:
            bodies.append("\n".join(body))
            body, length = [texts.continued], len(texts.continued) + 1
        body.append(line)
        length += len(line) + 1
    return [*bodies, "\n".join(body)]


def shown_time(at: int) -> str:
    """Return a time in milliseconds as people read it, to the minute."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
