"""Shared messages, and the copy that the author keeps: who is named, who is not, and which Message-ID it has."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from postroom.delivery import composer
from postroom.delivery.contexts import MAX_NAMED, Context
from postroom.errors import Invalid
from postroom.messages import message_ids
from postroom.messages.records import MailOptions
from tests.delivery.mails import CONTEXT, SETTINGS, VAULT, a_file, in_lines, mail, read, recipient, skeleton, text_of, wire

TO = (("Ola Łoś", "ola@x.example"), ("", "jan@x.example"), ('Kot, "Ala"', "ala@x.example"))
CC = (("Rektor", "rektor@uni.example"),)
SHARED: dict[str, Any] = {"shared": True, "to": TO, "cc": CC}


def copy_of(contents: dict[int, bytes] | None = None, **changes: Any) -> EmailMessage:
    data = composer.copy(Context(**{**CONTEXT, **changes}), SETTINGS, VAULT, in_lines(contents))
    return read(data)


def people(field: Any) -> list[tuple[str, str]]:
    return [(address.display_name, address.addr_spec) for address in field.addresses]


def test_everybody_gets_the_same_mail_which_names_to_and_cc() -> None:
    rendered = skeleton(**SHARED)
    assert rendered.fill(recipient("ola@x.example")) is rendered.fill(recipient("hidden@x.example"))
    parsed = read(wire(rendered.fill(recipient())))
    assert people(parsed["To"]) == list(TO)
    assert people(parsed["Cc"]) == list(CC)
    assert parsed["Bcc"] is None
    assert rendered.size == rendered.fill(recipient()).size


def test_the_message_id_is_of_the_message() -> None:
    parsed = read(wire(skeleton(**SHARED).fill(recipient())))
    assert re.fullmatch(r"<7\.[A-Za-z0-9_-]{16}@mail\.uni\.example>", parsed["Message-ID"])
    assert parsed["Message-ID"] == message_ids.made(VAULT, "mail.uni.example", 7) == copy_of()["Message-ID"]
    given = {**SHARED, "mail": MailOptions(message_id="own@client.example")}
    assert read(wire(skeleton(**given).fill(recipient())))["Message-ID"] == "<own@client.example>"


def test_a_message_to_hidden_recipients_only_names_nobody() -> None:
    """RFC 5322 section 3.4: an empty group."""
    parsed = read(wire(skeleton(shared=True).fill(recipient())))
    assert str(parsed["To"]) == "undisclosed-recipients:;"
    assert parsed["Cc"] is None


def test_thousands_can_be_named_and_more_are_refused() -> None:
    many = tuple((f"Osoba Ł{number}", f"person{number}@students.uni.example") for number in range(MAX_NAMED))
    data = wire(skeleton(shared=True, to=many).fill(recipient()))
    field = data[data.index(b"\r\nTo:") + 2 : data.index(b"\r\nMessage-ID:")]
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert field.count(b"@students.uni.example>,") == MAX_NAMED - 1
    with pytest.raises(Invalid, match="10000 cannot be named"):
        skeleton(shared=True, to=many, cc=CC)


@pytest.mark.parametrize("person", [("a\r\nBcc: x@y", "a@x.example"), ("a", "a@x.example>\r\nBcc: <x@y"), ("a\0", "a@x.example")])
def test_injection_through_one_of_the_named_is_refused(person: tuple[str, str]) -> None:
    with pytest.raises(Invalid):
        skeleton(shared=True, to=(*TO, person))


def test_a_shared_message_is_no_template() -> None:
    with pytest.raises(Invalid, match="template"):
        skeleton(**SHARED, template=True)


def test_the_authors_copy_names_everybody() -> None:
    """The hidden recipients too, which stand in no other mail; with all parts, as a mail program keeps it."""
    parsed = copy_of(to=TO, cc=CC, bcc=(("", "hidden@x.example"),), files=(a_file(1, b"x"),), contents={1: b"x"}, content="..\n.\nend")
    assert (people(parsed["To"]), people(parsed["Cc"]), people(parsed["Bcc"])) == (list(TO), list(CC), [("", "hidden@x.example")])
    assert text_of(parsed).startswith("..\n.\nend\n")
    assert [part.get_filename() for part in parsed.iter_attachments()] == ["plan.pdf"]


def test_hidden_recipients_stand_in_no_mail() -> None:
    hidden = {"bcc": (("", "hidden@x.example"),)}
    assert b"hidden" not in wire(skeleton(**SHARED, **hidden).fill(recipient()))
    assert mail(**hidden)["Bcc"] is None


def test_a_copy_to_more_than_can_be_shown_names_nobody() -> None:
    """Each mail of a shared message names them all, so its copy does too."""
    many = TO * (composer.MAX_SHOWN // 3)
    assert len(copy_of(to=many)["To"].addresses) == composer.MAX_SHOWN - 1
    parsed = copy_of(to=many, bcc=TO)
    assert str(parsed["To"]) == "undisclosed-recipients:;"
    assert parsed["Bcc"] is None
    assert len(copy_of(to=many, bcc=TO, shared=True)["Bcc"].addresses) == len(TO)


def test_the_copy_of_a_mail_to_one_has_its_message_id() -> None:
    """So that an answer to it finds the copy."""
    assert copy_of(to=TO[:1], only_recipient=9)["Message-ID"] == mail()["Message-ID"]


def test_the_copy_of_a_template_shows_its_placeholders() -> None:
    parsed = copy_of(template=True, subject="Result {grade}", content="Dear {name} {{x}}", author_id=None)
    assert parsed["Subject"] == "Result {grade}"
    assert text_of(parsed) == "Dear {name} {x}\n"


def test_the_copy_is_a_mail_that_the_parser_reads_whole() -> None:
    data = composer.copy(Context(**CONTEXT), SETTINGS, VAULT)
    assert message_from_bytes(data, policy=policy.default)["Subject"] == CONTEXT["subject"]
