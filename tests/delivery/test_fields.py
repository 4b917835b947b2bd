"""Header fields that options ask for, read back with the standard library."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import headers
from postroom.directory.records import Mailbox
from postroom.errors import Invalid
from postroom.messages.records import CustomHeader, MailOptions
from postroom.settings import MailSettings, Settings
from tests.delivery.mails import SETTINGS, mail, read, recipient, skeleton, text_of, wire


def mail_with(custom: tuple[CustomHeader, ...]) -> Any:
    """Long words make long lines, so ``mail`` does not fit."""
    return read(wire(skeleton(mail=MailOptions(headers=custom)).fill(recipient())))


OWN = Settings(mail=MailSettings(domain="mail.uni.example", organisation="Uni", own_domains=["uni.example"]))


def with_options(settings: Settings = SETTINGS, **values: Any) -> Any:
    return mail(settings, mail=MailOptions(**values))


@pytest.mark.parametrize(
    ("importance", "fields"),
    [
        ("highest", ("1", "high", "urgent")),
        ("high", ("2", "high", "urgent")),
        ("normal", ("3", "normal", "normal")),
        ("low", ("4", "low", "non-urgent")),
        ("lowest", ("5", "low", "non-urgent")),
        (None, (None, None, None)),
    ],
)
def test_importance_is_said_in_the_three_ways_that_programs_read(importance: Any, fields: tuple[str | None, ...]) -> None:
    parsed = with_options(importance=importance)
    assert (parsed["X-Priority"], parsed["Importance"], parsed["Priority"]) == fields


@pytest.mark.parametrize(
    ("sender", "shown", "reply_to"),
    [
        (Mailbox("Biuro", "biuro@uni.example"), "Biuro <biuro@uni.example>", None),
        (Mailbox("Biuro", "biuro@UNI.example"), None, None),
        (Mailbox("Biuro", "biuro@gmail.example"), "Biuro <no-reply@mail.uni.example>", "Biuro <biuro@gmail.example>"),
        (Mailbox("USOS", ""), "USOS <no-reply@mail.uni.example>", None),
        (Mailbox("", "biuro@uni.example"), "biuro@uni.example", None),
    ],
)
def test_the_named_sender_keeps_to_the_own_domains(sender: Mailbox, shown: str | None, reply_to: str | None) -> None:
    """A name without an address goes with no-reply; a foreign address never stands in From."""
    if shown is None:
        with pytest.raises(Invalid, match="sender"):
            with_options(OWN, sender=sender)
        return
    parsed = with_options(OWN, sender=sender)
    assert str(parsed["From"]) == shown
    assert (None if parsed["Reply-To"] is None else str(parsed["Reply-To"])) == reply_to


def test_the_named_sender_goes_before_the_institutional_address() -> None:
    office = {"address_id": 4, "address_name": "Dean", "address_email": "dean@uni.example"}
    parsed = mail(mail=MailOptions(sender=Mailbox("Biuro", "biuro@uni.example")), language="en", **office)
    assert str(parsed["From"]) == "Biuro <biuro@uni.example>"
    assert "Message sent by: Biuro" in text_of(parsed)


def test_a_given_reply_to_goes_before_ours() -> None:
    parsed = with_options(OWN, sender=Mailbox("B", "b@gmail.example"), reply_to=(Mailbox("A", "a@x.example"), Mailbox("", "b@x.example")))
    assert str(parsed["Reply-To"]) == "A <a@x.example>, b@x.example"


def test_the_answered_mail_is_named() -> None:
    parsed = with_options(in_reply_to="a@b", references=("<1@x>", "2@x"))
    assert (parsed["In-Reply-To"], parsed["References"]) == ("<a@b>", "<1@x> <2@x>")
    assert with_options(in_reply_to="a@b")["References"] is None


def test_long_references_are_folded() -> None:
    many = tuple(f"{'x' * 250}{number}@x" for number in range(100))
    assert with_options(references=many)["References"].split() == [f"<{one}>" for one in many]


def test_receipts_go_to_the_true_sender() -> None:
    rendered = skeleton(OWN, mail=MailOptions(read_receipt=True, delivery_receipt=True), author_email="a@gmail.example")
    assert (rendered.delivery_receipt, rendered.null_sender) == (True, False)
    parsed = mail(OWN, mail=MailOptions(read_receipt=True, delivery_receipt=True), author_email="a@gmail.example")
    assert str(parsed["Disposition-Notification-To"]) == str(parsed["Return-Receipt-To"]) == str(parsed["Reply-To"])
    assert parsed["Disposition-Notification-To"].endswith("<a@gmail.example>")
    assert mail()["Disposition-Notification-To"] is None


@pytest.mark.parametrize("automatic", ["replied", "generated"])
def test_automatic_mail_asks_for_nothing_back(automatic: Any) -> None:
    """RFC 3834: Auto-Submitted, the null return path, no receipts."""
    values = MailOptions(automatic=automatic, read_receipt=True, delivery_receipt=True)
    rendered = skeleton(mail=values)
    assert (rendered.delivery_receipt, rendered.null_sender) == (False, True)
    parsed = mail(mail=values)
    assert parsed["Auto-Submitted"] == f"auto-{automatic}"
    assert (parsed["Precedence"], parsed["X-Auto-Response-Suppress"]) == ("bulk", "All")
    assert (parsed["Disposition-Notification-To"], parsed["Return-Receipt-To"]) == (None, None)


def test_a_mail_without_options_is_an_ordinary_one() -> None:
    rendered = skeleton()
    assert (rendered.delivery_receipt, rendered.null_sender) == (False, False)


def test_the_signature_can_be_left_out() -> None:
    assert text_of(with_options(signature=False)) == "Dzień dobry.\n"
    html = text_of(mail(content="<p>x</p>", content_format="html", mail=MailOptions(signature=False)), "html")
    assert "<hr>" not in html


def test_a_given_text_part_stands_for_the_html() -> None:
    parsed = mail(content="<p>x</p>", content_format="html", author_id=None, mail=MailOptions(text="Own words\n"))
    assert text_of(parsed) == "Own words\n"
    with pytest.raises(Invalid, match="only HTML"):
        with_options(text="x")


def test_custom_headers_may_repeat_and_long_words_stay_whole() -> None:
    url = "<https://uni.example/" + "u" * 300 + ">"
    given_headers = (CustomHeader("X-Case", "17"), CustomHeader("X-Case", "żółw  x"), CustomHeader("List-Unsubscribe", url))
    parsed = mail_with(given_headers)
    assert parsed.get_all("X-Case") == ["17", "żółw  x"]
    assert parsed["List-Unsubscribe"] == url


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=300))
def test_any_custom_value_comes_back(value: str) -> None:
    parsed = mail_with((CustomHeader("X-Case", value),))
    assert parsed["X-Case"].strip() == value.strip()


@pytest.mark.parametrize(
    ("custom", "parameter"), [(CustomHeader("Bcc", "all@x.example"), "headers"), (CustomHeader("X-A", "x\r\nBcc: y"), "headers")]
)
def test_options_are_checked_once_more_when_the_mail_is_made(custom: CustomHeader, parameter: str) -> None:
    with pytest.raises(Invalid) as caught:
        skeleton(mail=MailOptions(headers=(custom,)))
    assert caught.value.parameter == parameter


def test_options_that_cannot_be_read_make_no_mail() -> None:
    with pytest.raises(Invalid, match=r"^mail: "):
        skeleton(mail='{"from": "x"}')


def test_lists_of_people_are_folded_between_them() -> None:
    field = headers.mailboxes("To", [("Ola Łoś", "ola@x.example"), ("", "b@x.example"), ("Kot, Ala", "ala@x.example")] * 5)
    assert max(len(line) for line in field.split(b"\r\n")) <= 76
    assert headers.mailboxes("To", []) == b"To: undisclosed-recipients:;\r\n"


@pytest.mark.parametrize("display", ["Ola", "Łoś", "", "=?x?=", "a\u0301" * 9, "O'Neil, X", "  Ola  Ł ", "ż" * 60, "x" * 80, "\U0001f600"])
def test_short_ways_to_write_a_name_are_the_long_way(display: str) -> None:
    """The fast paths of ``mailbox`` give what a list of one gives."""
    assert headers.mailbox("To", display, "ola@x.example") == headers.mailboxes("To", [(display, "ola@x.example")])


def test_an_address_longer_than_any_can_be_is_refused() -> None:
    with pytest.raises(Invalid, match="longer than 254"):
        headers.mailbox("To", "", "x" * 250 + "@x.example")
