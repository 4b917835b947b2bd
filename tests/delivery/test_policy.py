"""The table of the policy, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom import clock
from postroom.delivery import policy
from postroom.delivery.records import Due, Fault
from postroom.delivery.replies import Reply, ReplyReader
from postroom.delivery.smtp import Answer, SmtpError, Step
from postroom.errors import Invalid
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


def said(line: str, step: Step = "RCPT") -> Answer:
    """What the server said, as it came over the wire."""
    ((reply,), _) = ReplyReader().feed(line.encode() + b"\r\n")
    return Answer(step, reply)


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


@pytest.mark.parametrize(
    ("step", "line", "state", "fault", "suppressed"),
    [
        ("MAIL", "530 5.7.0 authentication required", "failed", "relay", False),
        ("MAIL", "421 4.3.2 shutting down", "deferred", "relay", False),
        ("MAIL", "550 5.7.1 you may not send", "failed", "policy", False),
        ("MAIL", "550 no such user", "failed", "other", False),  # whoever is meant there, it is not the recipient
        ("RCPT", "550 5.1.1 no such person", "failed", "address", True),
        ("RCPT", "550 5.1.2 no such domain", "failed", "address", True),
        ("RCPT", "556 5.1.10 null MX", "failed", "address", True),
        ("RCPT", "450 4.1.1 not here just now", "deferred", "other", False),
        ("RCPT", "550 no such user here", "failed", "address", True),
        ("RCPT", "550 5.0.0 user unknown", "failed", "address", True),
        ("RCPT", "550 5.1.1 blocked by our policy: user unknown", "failed", "other", False),
        ("RCPT", "550 blocked, see our blocklist: unknown user", "failed", "policy", False),
        ("RCPT", "550 what", "failed", "other", False),
        ("RCPT", "552 5.2.2 mailbox full", "failed", "mailbox_full", False),
        ("RCPT", "452 4.2.2 mailbox full", "deferred", "mailbox_full", False),
        ("RCPT", "452 4.5.3 too many recipients", "deferred", "other", False),
        ("RCPT", "552 too many recipients", "deferred", "other", False),
        ("RCPT", "451 4.7.1 greylisted, try again later", "deferred", "policy", False),
        ("RCPT", "451 greylisting in effect", "deferred", "policy", False),
        ("RCPT", "451 local error", "deferred", "other", False),
        ("DATA", "554 5.1.1 no valid recipients", "failed", "other", False),
        ("final dot", "554 5.7.1 spam", "failed", "policy", False),
        ("final dot", "554 5.6.0 bad content", "failed", "policy", False),
        ("final dot", "550 5.1.1 user unknown", "failed", "address", True),
        ("final dot", "552 5.3.4 too big", "failed", "other", False),
        ("final dot", "552 5.2.2 over quota", "failed", "mailbox_full", False),
        ("final dot", "421 4.4.2 closing", "deferred", "other", False),
    ],
)
def test_a_refusal_is_somebodys_matter(step: Step, line: str, state: str, fault: Fault, suppressed: bool) -> None:  # noqa: FBT001
    """By its enhanced code, else by its words; only an address that does not exist is suppressed."""
    judged = policy.judge(due(), said(line, step), SETTINGS, "r", now=NOW, dice=0.5)
    assert (judged.state, judged.fault, judged.suppress) == (state, fault, suppressed)


def test_what_is_no_refusal_is_nobodys_matter() -> None:
    for result in (said("250 ok", "final dot"), SmtpError("transaction", "reset"), SmtpError("outcome", "reset"), Invalid("email", "no")):
        judged = policy.judge(due(), result, SETTINGS, "r", now=NOW, dice=0.5)
        assert (judged.fault, judged.suppress) == (None, False)


@pytest.mark.parametrize(
    ("words", "milliseconds"),
    [
        ("greylisted, try again in 5 minutes", 300_000),
        ("Greylisted for 300 seconds", 300_000),
        ("please retry in 90s", 90_000),
        ("come back in 1 hour", 3_600_000),
        ("wait 2 hrs", 7_200_000),
        ("try again after 10 min.", 600_000),
        ("try again later", None),
        ("try again in 0 seconds", None),
        ("try again in 100 hours", None),
        ("you sent 5 messages, try again", None),
        ("try again in 5 lightyears", None),
        ("error 12345, limit of 20 per hour", None),
    ],
)
def test_a_time_that_the_server_names_is_read(words: str, milliseconds: int | None) -> None:
    assert policy.hint(Reply(451, words)) == milliseconds


@given(dice=st.floats(0, 1), attempts=st.integers(1, 50))
def test_a_time_that_the_server_names_is_kept_to(dice: float, attempts: int) -> None:
    """Never sooner than asked, at most a tenth later; the expiry comes first all the same."""
    reply = said("451 4.7.1 try again in 5 minutes")
    judged = policy.judge(due(attempts), reply, SETTINGS, "r", now=NOW, dice=dice)
    assert NOW + 300_000 <= (judged.due_at or 0) <= NOW + 330_000
    last = policy.judge(due(attempts, expires_at=NOW + 1_000), reply, SETTINGS, "r", now=NOW, dice=dice)
    assert last.due_at == NOW + 1_000


@given(dice=st.floats(0, 1), attempts=st.integers(1, 50))
def test_no_server_is_asked_again_every_second(dice: float, attempts: int) -> None:
    """It may ask for less than our own pause, but a minute is the least, if our own pause is not shorter."""
    judged = policy.judge(due(attempts), said("451 4.7.1 try again in 1 second"), SETTINGS, "r", now=NOW, dice=dice)
    assert (judged.due_at or 0) - NOW == min(policy.pause(attempts, SETTINGS, dice), 60_000)


@given(dice=st.floats(0, 1))
def test_a_full_mailbox_is_left_alone_for_long_from_the_first_time(dice: float) -> None:
    """Somebody has to make room first."""
    judged = policy.judge(due(1), said("452 4.2.2 mailbox full"), SETTINGS, "r", now=NOW, dice=dice)
    longest = SETTINGS.retry_longest * 1_000
    assert NOW + 0.8 * longest <= (judged.due_at or 0) <= NOW + 1.2 * longest


@pytest.mark.parametrize(
    ("line", "step", "too_many"),
    [
        ("452 4.5.3 too many recipients", "RCPT", True),
        ("452 too many", "RCPT", True),
        ("552 5.5.3 too many", "RCPT", True),
        ("552 too many", "RCPT", True),
        ("452 4.2.2 mailbox full", "RCPT", False),
        ("452 4.3.1 disk full", "RCPT", False),
        ("450 4.5.3 too many", "RCPT", False),
        ("452 4.5.3 too many", "MAIL", False),
        ("552 too large", "final dot", False),
    ],
)
def test_too_many_recipients_are_told_from_too_little_room(line: str, step: Step, too_many: bool) -> None:  # noqa: FBT001
    """RFC 5321 section 4.5.3.1.10."""
    assert policy.too_many(said(line, step)) == too_many
