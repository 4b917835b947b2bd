"""Mail options: what is kept comes back, and what cannot stand in a mail is refused, never repaired."""

from typing import Any

import pytest

from postroom.directory.records import Mailbox
from postroom.errors import Invalid, TooLarge
from postroom.messages import options
from postroom.messages.records import Calendar, CustomHeader, MailOptions
from tests.messages.test_calendars import EVENT

FULL = MailOptions(
    sender=Mailbox("Dziekanat", "dean@uni.example"),
    reply_to=(Mailbox("", "office@uni.example"),),
    importance="high",
    read_receipt=True,
    delivery_receipt=True,
    in_reply_to="abc@x.example",
    references=("<one@x>", "two"),
    message_id="<own@uni.example>",
    text="Hello",
    signature=False,
    headers=(CustomHeader("X-Case", "17"), CustomHeader("List-Unsubscribe", "<https://x.example/?" + "u" * 200 + ">")),
    calendar=Calendar(EVENT, "invite.ics"),
)


def test_options_are_kept_as_json_and_defaults_take_no_room() -> None:
    options.check(FULL, shared=True)
    assert options.decoded(options.encoded(FULL)) == FULL
    assert options.encoded(MailOptions()) == "{}"
    assert options.decoded("{}") == MailOptions()


@pytest.mark.parametrize("kept", ["", "[]", '{"unknown": 1}', '{"importance": "urgent"}', '{"sender": {"name": "x"}}'])
def test_what_is_no_options_is_refused(kept: str) -> None:
    with pytest.raises(Invalid, match=r"^mail: "):
        options.decoded(kept)


@pytest.mark.parametrize(
    "name",
    [
        *("From", "to", "CC", "Bcc", "Subject", "Date", "Message-ID", "Sender", "Reply-To", "MIME-Version", "Content-Type"),
        *("content-anything", "Received", "Return-Path", "DKIM-Signature", "ARC-Seal", "Resent-To", "Auto-Submitted", "List-Id"),
        *("X-Priority", "Disposition-Notification-To", "Return-Receipt-To", "In-Reply-To", "References", "Organization", "Errors-To"),
    ],
)
def test_fields_of_ours_cannot_be_given(name: str) -> None:
    with pytest.raises(Invalid, match=f"^headers: {name} cannot be given"):
        options.check_header(CustomHeader(name, "x"))


@pytest.mark.parametrize("name", ["", "X:", "X Y", "X\r\nBcc", "Ż", "-X", "X-", "1X", "X" * 77])
def test_a_field_name_is_letters_digits_and_hyphens(name: str) -> None:
    with pytest.raises(Invalid, match="a field name"):
        options.check_header(CustomHeader(name, "x"))


@pytest.mark.parametrize("attack", ["x\r\nBcc: all@x.example", "x\ny", "x\ry", "x\0y", "x\u2028y", "x\x85y"])
@pytest.mark.parametrize("field", ["headers", "sender", "reply_to", "in_reply_to", "references", "message_id"])
def test_line_breaks_are_refused_wherever_they_stand(field: str, attack: str) -> None:
    """Design 1.5, header injection."""
    values: dict[str, Any] = {
        "headers": (CustomHeader("X-Case", attack),),
        "sender": Mailbox(attack, "a@x.example"),
        "reply_to": (Mailbox("x", f"{attack}@x.example"),),
        "in_reply_to": attack,
        "references": (attack,),
        "message_id": f"<{attack}@x>",
    }
    with pytest.raises(Invalid) as caught:
        options.check(MailOptions(**{field: values[field]}), shared=True)
    assert caught.value.parameter == field


@pytest.mark.parametrize(
    ("wrong", "parameter"),
    [
        (MailOptions(sender=Mailbox("", "")), "sender"),
        (MailOptions(sender=Mailbox("x", "no address")), "sender"),
        (MailOptions(sender=Mailbox("x", "A@X.EXAMPLE")), "sender"),
        (MailOptions(reply_to=(Mailbox("x", ""),)), "reply_to"),
        (MailOptions(reply_to=(Mailbox("x", "a@x.example"),) * 21), "reply_to"),
        (MailOptions(in_reply_to="<a@b"), "in_reply_to"),
        (MailOptions(in_reply_to="a b@c"), "in_reply_to"),
        (MailOptions(in_reply_to="x" * 501), "in_reply_to"),
        (MailOptions(references=("a@b",) * 101), "references"),
        (MailOptions(message_id="nothing"), "message_id"),
        (MailOptions(headers=(CustomHeader("X-A", "x"),) * 51), "headers"),
        (MailOptions(calendar=Calendar("BEGIN:VCALENDAR")), "calendar"),
        (MailOptions(text="a\0b"), "text"),
    ],
)
def test_bounds_of_options(wrong: MailOptions, parameter: str) -> None:
    with pytest.raises(Invalid) as caught:
        options.check(wrong, shared=True)
    assert caught.value.parameter == parameter


def test_long_values_are_too_large() -> None:
    with pytest.raises(TooLarge):
        options.check_header(CustomHeader("X-A", "x" * 4_001))
    with pytest.raises(TooLarge):
        options.check(MailOptions(text="x" * 15_001), shared=False)


def test_only_a_shared_message_brings_its_message_id() -> None:
    with pytest.raises(Invalid, match="message_id: only a shared message"):
        options.check(MailOptions(message_id="a@b"), shared=False)


@pytest.mark.parametrize(("given", "kept"), [("a@b", "<a@b>"), ("<a@b>", "<a@b>"), ("no-at-sign", "<no-at-sign>")])
def test_message_ids_come_with_or_without_brackets(given: str, kept: str) -> None:
    assert options.identifier("in_reply_to", given) == kept
