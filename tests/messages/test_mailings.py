"""Messages of programs: contract section 1.5, rows 4 and 5, below the dialect."""

from typing import Any

import pytest
from msgspec import structs

from postroom.clock import DAY
from postroom.directory import clients, suppressions
from postroom.directory.records import Mailbox
from postroom.errors import Invalid, TooLarge
from postroom.messages import mailings, options
from postroom.messages.mailings import Letter, Mailing
from postroom.storage.tables import messages, recipients
from tests.messages.conftest import NOW, Office
from tests.support import counted

LETTER = Letter(subject="News", content="Hello.", sender=Mailbox("USOS", ""))


def program(office: Office) -> int:
    return office.run(clients.add_client, office.store.vault, "program", administrative=True, now=NOW).id


def mailing(*emails: str, **letter: Any) -> Mailing:
    return mailings.checked(structs.replace(LETTER, **letter), emails)


def send(office: Office, client: int, *made: Mailing) -> list[int]:
    return office.run(mailings.send_all, office.settings, client, made, NOW)


def test_a_message_is_pending_and_its_recipients_are_queued(office: Office) -> None:
    client = program(office)
    given = mailing("a@x.example", "b@x.example", language="en", content_format="html", summary_email="boss@x.example")
    number = office.run(mailings.send, office.settings, client, given, NOW)
    (row,) = office.rows(messages)
    assert (row.id, row.kind, row.author_id, row.client_id, row.dialect, row.status) == (number, "message", None, client, "usos", "pending")
    assert (row.subject, row.content, row.content_format, row.language) == ("News", "Hello.", "html", "en")
    assert (row.summary_email, row.template, row.sent_at, row.retain_until) == ("boss@x.example", False, NOW, NOW + 7 * DAY)
    assert options.decoded(row.mail).sender == Mailbox("USOS", "")
    lines = office.rows(recipients)
    assert [(line.email, line.state, line.lane, line.user_id, line.role) for line in lines] == [
        ("a@x.example", "queued", "single", None, "to"),
        ("b@x.example", "queued", "single", None, "to"),
    ]


def test_each_distinct_address_is_written_to_once(office: Office) -> None:
    given = mailing("a@x.example", "A@X.EXAMPLE", " b@Łódź.example ", "a@x.example")
    assert given.emails == ["a@x.example", "b@xn--d-uga0v4h.example"]
    send(office, program(office), given)
    assert len(office.rows(recipients)) == 2


def test_several_messages_keep_their_order(office: Office) -> None:
    """More than go into one step of writing."""
    numbers = send(office, program(office), *(mailing(f"p{place}@x.example", subject=f"No. {place}") for place in range(1_203)))
    assert numbers == sorted(numbers)
    subjects = {row.id: row.subject for row in office.rows(messages)}
    assert [subjects[number] for number in numbers] == [f"No. {place}" for place in range(1_203)]
    addresses = {row.message_id: row.email for row in office.rows(recipients)}
    assert [addresses[number] for number in numbers] == [f"p{place}@x.example" for place in range(1_203)]
    assert send(office, program(office)) == []


def test_the_recipients_of_a_call_decide_on_the_lane_together(office: Office) -> None:
    """Design 1.4: fifty mails are a mailing, though each is a message of its own."""
    client, many = program(office), office.settings.delivery.bulk_from
    send(office, client, *(mailing(f"p{place}@x.example") for place in range(many - 1)))
    assert {line.lane for line in office.rows(recipients)} == {"single"}
    send(office, client, *(mailing(f"p{place}@y.example") for place in range(many)))
    assert {line.lane for line in office.rows(recipients, recipients.c.email.like("%y.example"))} == {"bulk"}


def test_a_message_to_suppressed_addresses_only_is_done_at_once(office: Office) -> None:
    office.run(suppressions.suppress, "a@x.example", "manual", "", NOW, expires_at=None)
    done, waiting = send(office, program(office), mailing("a@x.example"), mailing("a@x.example", "b@x.example"))
    statuses = {row.id: row.status for row in office.rows(messages)}
    assert (statuses[done], statuses[waiting]) == ("error", "pending")


@pytest.mark.parametrize(
    ("parameter", "letter"),
    [
        ("subject", {"subject": "x\r\nBcc: a@x.example"}),
        ("subject", {"subject": " "}),
        ("subject", {"subject": "x" * 201}),
        ("content", {"content": "\n"}),
        ("content", {"content": "\0"}),
        ("content", {"content": "x" * 15_001}),
        ("sender_name", {"sender": Mailbox("x" * 101, "")}),
        ("sender_name", {"sender": Mailbox(" ", "")}),
        ("sender_name", {"sender": Mailbox("a\nb", "")}),
        ("sender_email", {"sender": Mailbox("USOS", "nobody")}),
        ("sender_email", {"sender": Mailbox("USOS", f"{'x' * 60}@{'y' * 40}.example")}),
        ("summary_email", {"summary_email": "a@b@c"}),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_written(parameter: str, letter: dict[str, Any]) -> None:
    with pytest.raises((Invalid, TooLarge)) as caught:
        mailing("a@x.example", **letter)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(("given", "words"), [([], "it is empty"), (["", "a b@x"], "'a b@x'"), (["x" * 500], "'" + "x" * 100 + "'")])
def test_recipients_that_cannot_be_are_named(given: list[str], words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        mailing(*given)
    assert caught.value.parameter == "recipients"


def test_a_message_has_10000_recipients_at_most() -> None:
    assert len(mailing(*(f"p{place}@x.example" for place in range(10_000))).emails) == 10_000
    with pytest.raises(TooLarge, match="10000"):
        mailing(*["a@x.example"] * 10_001)


def test_a_thousand_messages_take_as_many_statements_as_one_a_500(office: Office) -> None:
    """Messages 1,000 at a time, suppressions 500 at a time; no statement for a single one. On PostgreSQL NOTIFY is one more."""
    client = program(office)
    wake = office.store.database.dialect == "postgresql"
    with counted(office.store) as statements:
        office.run(mailings.send, office.settings, client, mailing("a@x.example"), NOW)
    assert len(statements) == 3 + wake
    with counted(office.store) as statements:
        send(office, client, *(mailing(f"p{place}@x.example") for place in range(1_000)))
    assert len(statements) <= 5 + wake
