"""What a reply means for a recipient: pure rules, no clock and no dice of their own.

| what happened | the recipient becomes |
|---|---|
| 2xx to the final dot | delivered |
| 4xx, or 552 to RCPT (RFC 5321 section 4.5.3.1.10) | deferred; expired when its time is over |
| 5xx | failed |
| the conversation broke before the final dot | deferred |
| it broke after the final dot | unknown: perhaps delivered, tried again after a pause with the same Message-ID, or held |
| the relay wants something of us (AUTH, TLS), or there was no session at all | nothing: the relay's trouble, not this recipient's |
"""

from typing import Final

from msgspec import structs

from postroom.delivery.records import Due, Outcome
from postroom.delivery.smtp import Answer, SmtpError
from postroom.messages.records import State
from postroom.settings import DeliverySettings

JITTER: Final = 0.2
"""Part of a pause by which it varies, so that recipients deferred together do not come back together."""

_RELAY_TROUBLE: Final = frozenset({454, 530, 534, 535, 538})
"""Replies about our own login or encryption (RFC 4954 section 6, RFC 3207): no fault of a recipient."""

_TOO_MANY_RECIPIENTS: Final = 552


def relay_trouble(result: Answer | SmtpError) -> bool:
    """Tell whether the relay cannot be worked with at all, so that the recipient waits and no attempt of its is burnt."""
    if isinstance(result, SmtpError):
        return result.phase == "session"
    return result.step == "MAIL" and result.reply.code in _RELAY_TROUBLE


def judge(due: Due, result: Answer | SmtpError, settings: DeliverySettings, relay: str, *, now: int, dice: float) -> Outcome:
    """Say what becomes of a recipient after one try; ``dice`` is a random number from 0 to 1."""
    if isinstance(result, SmtpError):
        text = f"{result.reason} ({'after' if result.phase == 'outcome' else 'before'} the final dot)"
        if result.phase == "outcome":
            return _unknown(due, text, settings, relay, now)
        return _deferred(due, (result.code, text), settings, relay, now, dice)
    code, text = result.reply.code, f"{result.reply} (to {result.step})"
    if result.taken:
        return outcome(due, "delivered", code, str(result.reply), relay)
    if code < 500 or (code == _TOO_MANY_RECIPIENTS and result.step == "RCPT"):  # noqa: PLR2004 - 5xx is the class of permanent failures
        return _deferred(due, (code, text), settings, relay, now, dice)
    return outcome(due, "failed", code, text, relay)


def pause(attempts: int, settings: DeliverySettings, dice: float) -> int:
    """Return the milliseconds before the next try after so many: doubling from the first to the longest, give or take ``JITTER``."""
    seconds = min(settings.retry_first * 2.0 ** min(attempts - 1, 60), settings.retry_longest)
    return max(1, round(seconds * 1000 * (1 + JITTER * (2 * dice - 1))))


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


def _deferred(due: Due, reply: tuple[int | None, str], settings: DeliverySettings, relay: str, now: int, dice: float) -> Outcome:  # noqa: PLR0917
    """Try again later; the last try falls on the expiry, and when that fails too the recipient is given up."""
    if due.expires_at is not None and now >= due.expires_at:
        return outcome(due, "expired", *reply, relay)
    again = now + pause(due.attempts, settings, dice)
    return outcome(due, "deferred", *reply, relay, again if due.expires_at is None else min(again, due.expires_at))


def _unknown(due: Due, text: str, settings: DeliverySettings, relay: str, now: int) -> Outcome:
    """Nobody knows. Beyond the expiry no further try may follow, but it stays marked as perhaps delivered."""
    if settings.unknown_hold:
        return outcome(due, "unknown", None, text, relay)
    if due.expires_at is not None and now >= due.expires_at:
        return structs.replace(outcome(due, "expired", None, text, relay), ambiguous=True)
    return outcome(due, "unknown", None, text, relay, now + round(settings.unknown_pause * 1000))
