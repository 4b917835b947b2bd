"""The table of the policy, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom import clock
from postroom.delivery import policy
from postroom.delivery.records import Due
from postroom.delivery.replies import Reply
from postroom.delivery.smtp import Answer, SmtpError, Step
from postroom.settings import DeliverySettings

NOW = 1_000_000_000
SETTINGS = DeliverySettings()


def due(attempts: int = 1, expires_at: int | None = NOW + clock.DAY) -> Due:
    return Due(
        id=1,
        message_id=2,
        email="a@x.example",
        name="",
        role="to",
        lane="single",
        attempts=attempts,
        ambiguous=False,
        expires_at=expires_at,
    )


@pytest.mark.parametrize(
    ("step", "code", "state"),
    [
        ("final dot", 250, "delivered"),
        ("final dot", 451, "deferred"),
        ("final dot", 554, "failed"),
        ("final dot", 552, "failed"),
        ("RCPT", 450, "deferred"),
        ("RCPT", 550, "failed"),
        ("RCPT", 552, "deferred"),
        ("RCPT", 421, "deferred"),
        ("MAIL", 452, "deferred"),
        ("MAIL", 550, "failed"),
        ("DATA", 250, "deferred"),
        ("DATA", 354, "deferred"),
    ],
)
def test_reply_decides(step: Step, code: int, state: str) -> None:
    outcome = policy.judge(due(), Answer(step, Reply(code, "words", None)), SETTINGS, "relay:25", now=NOW, dice=0.5)
    assert (outcome.state, outcome.reply_code, outcome.relay) == (state, code, "relay:25")
    assert "words" in outcome.reply_text
    assert (outcome.due_at is None) == (state != "deferred")


def test_broken_conversation_before_the_final_dot_defers_and_after_it_nobody_knows() -> None:
    """Design 1.2."""
    before = policy.judge(due(), SmtpError("transaction", "reset"), SETTINGS, "r", now=NOW, dice=0.5)
    after = policy.judge(due(), SmtpError("outcome", "reset"), SETTINGS, "r", now=NOW, dice=0.5)
    assert (before.state, before.ambiguous, before.reply_text) == ("deferred", False, "reset (before the final dot)")
    assert (after.state, after.ambiguous, after.due_at) == ("unknown", True, NOW + 900_000)
    held = policy.judge(due(), SmtpError("outcome", "reset"), DeliverySettings(unknown_hold=True), "r", now=NOW, dice=0.5)
    assert (held.state, held.due_at, held.ambiguous) == ("unknown", None, True)
    late = policy.judge(due(expires_at=NOW), SmtpError("outcome", "reset"), SETTINGS, "r", now=NOW, dice=0.5)
    assert (late.state, late.ambiguous) == ("expired", True)


def test_trouble_of_the_relay_is_not_the_recipients() -> None:
    assert policy.relay_trouble(SmtpError("session", "refused"))
    assert policy.relay_trouble(Answer("MAIL", Reply(530, "log in")))
    assert not policy.relay_trouble(Answer("MAIL", Reply(550, "not you")))
    assert not policy.relay_trouble(Answer("RCPT", Reply(530, "odd")))
    assert not policy.relay_trouble(SmtpError("transaction", "reset"))
    assert not policy.relay_trouble(SmtpError("outcome", "reset"))


def test_deferral_ends_at_the_expiry() -> None:
    """The last try falls on the expiry itself."""
    reply = Answer("RCPT", Reply(450, "later"))
    last = policy.judge(due(expires_at=NOW + 5), reply, SETTINGS, "r", now=NOW, dice=0.5)
    assert (last.state, last.due_at) == ("deferred", NOW + 5)
    assert policy.judge(due(expires_at=NOW), reply, SETTINGS, "r", now=NOW, dice=0.5).state == "expired"
    assert policy.judge(due(expires_at=None), reply, SETTINGS, "r", now=NOW, dice=0.5).state == "deferred"


def test_pauses_grow() -> None:
    assert [policy.pause(n, SETTINGS, 0.5) for n in (1, 2, 3, 4, 5, 6, 7, 8)] == [
        60_000,
        120_000,
        240_000,
        480_000,
        960_000,
        1_920_000,
        3_600_000,
        3_600_000,
    ]


@given(attempts=st.integers(1, 10**6), dice=st.floats(0, 1))
def test_pauses_stay_within_bounds_and_vary(attempts: int, dice: float) -> None:
    assert 48_000 <= policy.pause(attempts, SETTINGS, dice) <= 4_320_000
