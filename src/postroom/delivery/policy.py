"""What a reply means for a recipient: pure rules, no clock and no dice of their own.

| what happened | the recipient becomes |
|---|---|
| 2xx to the final dot | delivered |
| 4xx, or 552 to RCPT for too many of them (RFC 5321 section 4.5.3.1.10) | deferred; expired when its time is over |
| 5xx | failed |
| the conversation broke before the final dot | deferred |
| it broke after the final dot | unknown: perhaps delivered, tried again after a pause with the same Message-ID, or held |
| no mail can be made for it, or this relay cannot be told of it | failed |
| the relay wants something of us (AUTH, TLS), or there was no session at all | nothing: the relay's trouble, not this recipient's |
"""

import re
from typing import Final

from msgspec import structs

from postroom.clock import HOUR, MINUTE, SECOND
from postroom.delivery.bounces.hard import nobody_there
from postroom.delivery.records import Due, Fault, Outcome
from postroom.delivery.replies import Reply
from postroom.delivery.smtp import Answer, SmtpError
from postroom.errors import Invalid
from postroom.messages.records import State
from postroom.settings import DeliverySettings

JITTER: Final = 0.2
"""Part of a pause by which it varies, so that recipients deferred together do not come back together."""

_RELAY_TROUBLE: Final = frozenset({421, 454, 530, 534, 535, 538})
"""Replies to MAIL about our own login or encryption (RFC 4954 section 6, RFC 3207), or that the relay closes: no fault of a recipient."""

_TOO_MANY: Final = frozenset({452, 552})
"""Replies to RCPT that may mean too many recipients (RFC 5321 section 4.5.3.1.10)."""

_POLICY_WORDS: Final = re.compile(r"spam|block|policy|reputation|denied|blacklist|blocklist|greylist", re.IGNORECASE)

_HINT: Final = re.compile(
    r"(?:again|retry|wait|come back|greylist\w*)\D{0,40}?(\d{1,5})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b", re.IGNORECASE
)
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR}
_SHORTEST_PAUSE: Final = MINUTE
"""A server may ask for less than our own pause, but not for less than this: some say "in 1 second" each time."""
_LONGEST_HINT: Final = 24 * HOUR
"""A server that says more than that is not believed."""


Result = Answer | SmtpError | Invalid
"""What one try came to, for one recipient."""


def relay_trouble(result: Result) -> bool:
    """Tell whether the relay cannot be worked with at all, so that the recipient waits and no attempt of its is burnt."""
    if not isinstance(result, Answer):
        return isinstance(result, SmtpError) and result.phase == "session"
    return result.step == "MAIL" and result.reply.code in _RELAY_TROUBLE


def too_many(answer: Answer) -> bool:
    """Tell whether a recipient was refused because the transaction has enough of them; others were accepted before it."""
    return answer.step == "RCPT" and answer.reply.code in _TOO_MANY and (answer.reply.enhanced or "x.5.3")[2:] == "5.3"


def fault(answer: Answer) -> Fault:
    """Say whose matter a refusal is, by its enhanced status code (RFC 3463), else by its code and words."""
    reply = answer.reply
    if relay_trouble(answer):
        return "relay"
    if answer.step == "RCPT" and reply.enhanced is None and reply.code in _TOO_MANY and "too many" not in reply.text.lower():
        return "policy" if _POLICY_WORDS.search(reply.text) else "mailbox_full"
    told = fault_of(reply.enhanced, reply.text)
    return "other" if told == "address" and answer.step not in {"RCPT", "final dot"} else told


def fault_of(status: str | None, words: str) -> Fault:
    """Say whose matter a refusal is, by its enhanced status code (RFC 3463), else by its words."""
    policy = _POLICY_WORDS.search(words) is not None
    if not policy and nobody_there(status, words):
        return "address"
    if status is None:
        return "policy" if policy else "other"
    if status[2:] == "2.2":
        return "mailbox_full"
    return "policy" if status[2:].startswith(("6.", "7.")) else "other"


def judge(due: Due, result: Result, settings: DeliverySettings, relay: str, *, now: int, dice: float) -> Outcome:
    """Say what becomes of a recipient after one try; ``dice`` is a random number from 0 to 1."""
    if isinstance(result, Invalid):
        return outcome(due, "failed", None, f"no mail could be made: {result.parameter}: {result.reason}", relay)
    if isinstance(result, SmtpError):
        text = f"{result.reason} ({'after' if result.phase == 'outcome' else 'before'} the final dot)"
        if result.phase == "outcome":
            return _unknown(due, text, settings, relay, now)
        if result.phase == "session" and (result.final or (result.code or 0) >= 500):  # noqa: PLR2004 - of a server that its author named
            return outcome(due, "failed", result.code, result.reason, relay)
        return _deferred(due, (result.code, text), relay, now, pause(due.attempts, settings, dice))
    if result.taken:
        return outcome(due, "delivered", result.reply.code, str(result.reply), relay)
    code, text = result.reply.code, f"{result.reply} (to {result.step})"
    if code < 500 or too_many(result):  # noqa: PLR2004 - 5xx is the class of permanent failures
        judged = _deferred(due, (code, text), relay, now, _wait(due, result, settings, dice))
    else:
        judged = outcome(due, "failed", code, text, relay)
    whose = fault(result)
    return structs.replace(judged, fault=whose, suppress=judged.state == "failed" and whose == "address")


def pause(attempts: int, settings: DeliverySettings, dice: float) -> int:
    """Return the milliseconds before the next try after so many: doubling from the first to the longest, give or take ``JITTER``."""
    seconds = min(settings.retry_first * 2.0 ** min(attempts - 1, 60), settings.retry_longest)
    return max(1, round(seconds * 1000 * (1 + JITTER * (2 * dice - 1))))


def hint(reply: Reply) -> int | None:
    """Return the milliseconds after which the server wants us to come back ("try again in 5 minutes"); ``None`` if it does not say."""
    found = _HINT.search(reply.text)
    if found is None:
        return None
    wait = int(found[1]) * _UNITS[found[2][0].lower()]
    return wait if 0 < wait <= _LONGEST_HINT else None


def outcome(due: Due, state: State, code: int | None, text: str, relay: str, due_at: int | None = None) -> Outcome:  # noqa: PLR0917 - the row
    """Make the outcome of one try of ``due``."""
    return Outcome(
        recipient_id=due.id,
        message_id=due.message_id,
        state=state,
        reply_code=code,
        reply_text=text,
        relay=relay,
        due_at=due_at,
        ambiguous=state == "unknown",
    )


def _wait(due: Due, answer: Answer, settings: DeliverySettings, dice: float) -> int:
    """Return the milliseconds before the next try: what the server asks for, long for a full mailbox, else growing."""
    asked = hint(answer.reply)
    if asked is not None:  # never sooner than asked
        return max(round(asked * (1 + JITTER * dice / 2)), min(pause(due.attempts, settings, dice), _SHORTEST_PAUSE))
    if fault(answer) == "mailbox_full":  # somebody has to make room first
        return pause(60, settings, dice)
    return pause(due.attempts, settings, dice)


def _deferred(due: Due, reply: tuple[int | None, str], relay: str, now: int, wait: int) -> Outcome:
    """Try again later; the last try falls on the expiry, and when that fails too the recipient is given up."""
    if due.expires_at is not None and now >= due.expires_at:
        return outcome(due, "expired", *reply, relay)
    return outcome(due, "deferred", *reply, relay, now + wait if due.expires_at is None else min(now + wait, due.expires_at))


def _unknown(due: Due, text: str, settings: DeliverySettings, relay: str, now: int) -> Outcome:
    """Nobody knows. Beyond the expiry no further try may follow, but it stays marked as perhaps delivered."""
    if settings.unknown_hold:
        return outcome(due, "unknown", None, text, relay)
    if due.expires_at is not None and now >= due.expires_at:
        return structs.replace(outcome(due, "expired", None, text, relay), ambiguous=True)
    return outcome(due, "unknown", None, text, relay, now + round(settings.unknown_pause * 1000))
