"""Waiting for what becomes of mails that were just accepted, and what is said when none of them got away (wire/superoffice.md §7.1)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.errors import SuperOfficeError
from postroom.directory.values import one_line
from postroom.messages import letter_outcomes
from postroom.messages.letter_outcomes import Outcome
from postroom.messages.letter_records import SavedLetter

_FIRST: Final = 0.02
_GROWTH: Final = 1.4
_LONGEST: Final = 0.5
"""Pauses between two looks, in seconds: a worker that is near is done in milliseconds, a mail server that ponders is not hurried."""

_TOLD: Final = 10
"""Mails that an error speaks of."""
_WORDS: Final = 300

_BACK: Final = "it reached nobody, and is a draft again"
_KEPT: Final = "it is kept and will be tried again, so do not send it anew; a call with the MessageID {} asks what became of it"


async def awaited(call: Call, message_ids: Sequence[int]) -> dict[int, Outcome]:
    """Return the outcomes of mails once each was tried for everybody, or after ``superoffice.wait`` seconds; one statement a look."""
    clock = asyncio.get_running_loop().time
    end = clock() + call.settings.superoffice.wait
    pause = _FIRST
    found: dict[int, Outcome] = {}
    untried = list(message_ids)
    while True:
        found |= await call.read(letter_outcomes.of, untried)
        untried = [number for number in untried if found[number].untried]
        rest = end - clock()
        if not untried or rest <= 0:
            return found
        await asyncio.sleep(min(pause, rest))
        pause = min(pause * _GROWTH, _LONGEST)


def check(mails: Sequence[SavedLetter], places: Sequence[str], found: Mapping[int, Outcome]) -> None:
    """Check that one mail or more got away; ``places``: what the request calls each.

    Raises ``SuperOfficeError``: 504 while one may still reach somebody, else 502, with what the mail server said of each.
    """
    if any(outcome.delivered for outcome in found.values()):
        return
    told = [f"{place}: {_fate(found[mail.message_id], mail.identifier)}." for place, mail in zip(places, mails, strict=True)]
    more = f" And {len(told) - _TOLD} more." if len(told) > _TOLD else ""
    message = f"No mail was sent. {' '.join(told[:_TOLD])}{more}"
    if any(outcome.waiting for outcome in found.values()):
        raise SuperOfficeError(504, "TimeoutException", message)
    raise SuperOfficeError(502, "SmtpCommandException", message)


def _fate(outcome: Outcome, identifier: str) -> str:
    reply = f"{one_line(outcome.reply, _WORDS)}; " if outcome.reply else ""
    return reply + (_KEPT.format(identifier) if outcome.waiting else _BACK)
