"""How letters end: ONLYOFFICE contract §1a.6 steps 10 and 11, §7.5.7, §7.5.8, §8.19, §8.20; what is a draft again is ours."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select, update

from postroom.clock import HOUR, MINUTE
from postroom.directory import address_books, suppressions
from postroom.directory.records import Mailbox
from postroom.errors import NotFound
from postroom.messages import alerts, drafts, failure_texts, letters, mail_filters, markup, options, reports, submission
from postroom.messages.mail_filters import Action, NewFilter, Rule
from postroom.messages.records import MailOptions
from postroom.storage.tables import due_filters, messages, recipients
from tests.messages.conftest import NOW, Office
from tests.messages.test_letters import ANNA, INVITATION, LATER, a_file, desk, kept, letter, place, roll, row, save, send
from tests.support import counted

END = NOW + HOUR


def settle(office: Office, *message_ids: int, now: int = END) -> list[int]:
    return office.run(reports.settle, office.settings, message_ids, now)


def end(office: Office, message_id: int, state: str = "failed", reply: str | None = "550 5.1.1 no such user", **where: Any) -> None:
    office.outcome(message_id, state, reply=reply, **where)
    settle(office, message_id)


def told(office: Office, message_id: int) -> list[Any]:
    return office.rows(messages, messages.c.kind == "summary", messages.c.in_reply_to == message_id)


def books(office: Office, user_id: int | None = None) -> list[tuple[str, str, str]]:
    found, more = office.run(address_books.page, user_id or office.author, 0, 100)
    assert not more
    return [(contact.name, contact.kind, info.value) for contact in found for info in contact.infos]


def test_a_failure_is_told_in_the_inbox(office: Office) -> None:
    """§7.5.7: unread, important, from the daemon, with what happened; and an alert that names both letters."""
    number = send(office, to=("Bob <bob@x.example>", "carol@x.example"), subject="Plan <b>")
    end(office, number)
    (found,) = told(office, number)
    assert (found.author_id, found.subject, found.content_format, found.status, found.sent_at) == (
        None,
        failure_texts.SUBJECT,
        "html",
        "sent",
        END,
    )
    mail = options.decoded(found.mail)
    assert (mail.sender, mail.importance) == (Mailbox("", "mail-daemon@onlyoffice.com"), "highest")
    (line,) = roll(office, found.id)
    assert (line.user_id, line.email, line.name, line.role, line.state) == (
        office.author,
        "anna@uni.example",
        "Anna Nowak",
        "to",
        "delivered",
    )
    assert (line.received_at, line.read_at, line.superseded_at) == (END, None, None)
    for words in (
        "This message was created automatically by mail delivery software.",
        "Delivery failed for message with subject &quot;Plan &lt;b&gt;&quot; from 2023-11-14 22:13 UTC.",
        "Message could not be delivered to recipient(s)",
        "<li>&quot;Bob&quot; &lt;bob@x.example&gt;: 550 5.1.1 no such user</li>",
        "<li>carol@x.example: 550 5.1.1 no such user</li>",
        "Reason: &quot;550 5.1.1 no such user&quot;",
    ):
        assert words in found.content
    (alert,) = office.run(alerts.of_person, office.author)
    assert (alert.kind, alert.message_id, alert.told_in) == ("delivery_failure", number, found.id)
    assert (alert.sender, alert.subject, alert.created_at) == (ANNA, "Plan <b>", END)


def test_a_letter_that_reached_nobody_is_a_draft_again(office: Office) -> None:
    """§1a.6 step 11c. It can be changed, sent anew with a new roll and the same Message-ID, and fail anew."""
    number = send(office)
    identifier = kept(office, number)[1].message_id
    end(office, number)
    assert (row(office, number).status, row(office, number).sent_at) == ("error", None)
    assert letters.is_editable(row(office, number))
    assert save(office, number, subject="Better") == number
    assert send(office, number, to=("carol@x.example",), subject="Better", now=LATER) == number
    assert [(line.email, line.state, line.attempts) for line in roll(office, number)] == [("carol@x.example", "queued", 0)]
    assert (row(office, number).status, row(office, number).sent_at, row(office, number).settled_at) == ("pending", LATER, None)
    assert kept(office, number)[1].message_id == identifier
    end(office, number)
    assert len(told(office, number)) == len(office.run(alerts.of_person, office.author)) == 2


def test_a_letter_that_reached_somebody_stays_sent(office: Office) -> None:
    """Ours: the original knows but one outcome for all. The failure is told all the same, of those whom it concerns."""
    number = send(office, to=("bob@x.example", "carol@x.example"))
    office.outcome(number, "delivered", email="bob@x.example")
    end(office, number, email="carol@x.example")
    assert (row(office, number).status, row(office, number).sent_at) == ("error", NOW)
    assert not letters.is_editable(row(office, number))
    (found,) = told(office, number)
    assert "carol@x.example" in found.content
    assert "bob@x.example" not in found.content
    assert books(office) == [("", "frequent", "bob@x.example")]


def test_a_letter_that_reached_everybody_is_told_of_by_nobody(office: Office) -> None:
    number = send(office)
    end(office, number, "delivered", reply="250 ok")
    assert (row(office, number).status, told(office, number), office.run(alerts.of_person, office.author)) == ("sent", [], [])


def test_nobody_keeps_a_letter_in_the_inbox_that_is_a_draft_again(office: Office) -> None:
    """Else its author would change under their hands what others have."""
    first = send(office, to=("otto@uni.example",), subject="Plan")
    end(office, first, "delivered")
    answer = send(office, to=("otto@uni.example",), subject="Re: Plan", mime_reply_to=kept(office, first)[1].message_id, now=LATER)
    assert place(office, answer)[0] == first
    standing = select(recipients.c.message_id).where(
        recipients.c.user_id == office.other, recipients.c.received_at.is_not(None), recipients.c.superseded_at.is_(None)
    )
    assert office.run(lambda tx: list(tx.scalars(standing))) == [answer]
    end(office, answer)
    assert office.run(lambda tx: list(tx.scalars(standing))) == [first]
    assert row(office, first).superseded_at is None


@pytest.mark.parametrize(("reader", "sent_at", "received_at"), [("otto@uni.example", NOW, NOW), ("anna@uni.example", None, None)])
def test_who_has_read_it_in_the_inbox_was_reached(office: Office, reader: str, sent_at: int | None, received_at: int | None) -> None:
    """But for the author, who knows it."""
    number = send(office, to=(reader,))
    office.run(lambda tx: tx.execute(update(recipients).values(read_at=LATER)) and None)
    end(office, number)
    assert (row(office, number).sent_at, [line.received_at for line in roll(office, number)]) == (sent_at, [received_at])
    assert len(told(office, number)) == 1


@pytest.mark.parametrize(
    ("calendar", "why"),
    [
        ("nonsense", "no mail could be made: calendar: cannot be read"),
        (INVITATION.format("PUBLISH"), "METHOD is needed, one of CANCEL, REPLY, REQUEST"),
        (INVITATION.format("REQUEST").replace("VERSION:2.0", "VERSION:1.0"), "VERSION:2.0 is needed"),
        (INVITATION.format("REQUEST").replace("UID:1@x.example\n", ""), "an event with a UID is needed"),
        (INVITATION.format("REQUEST").replace("VEVENT", "VTODO"), "exactly one event is needed"),
    ],
)
def test_an_invalid_calendar_is_a_failure_of_delivery(office: Office, calendar: str, why: str) -> None:
    """§1a.6 steps 8 and 11, §8.19: the call succeeds, delivery fails; nobody has it in the inbox."""
    number = send(office, to=("bob@x.example", "otto@uni.example"), calendar=calendar)
    assert letters.is_editable(row(office, number))
    assert {(line.state, line.received_at) for line in roll(office, number)} == {("failed", None)}
    (found,) = told(office, number)
    assert why in found.content
    assert len(office.run(alerts.of_person, office.author)) == 1


def test_a_file_that_is_not_there_is_a_failure_that_names_it(office: Office) -> None:
    """§1a.3, §8.2; one that need not be there is left out."""
    number = send(office, files=(a_file(4711, filename="plan.pdf"), a_file(0)))
    (found,) = told(office, number)
    assert "Reason: &quot;no mail could be made: not there: plan.pdf, file 0&quot;" in found.content
    assert letters.is_editable(row(office, number))
    fine = send(office, files=(a_file(4711, filename="plan.pdf", required=False),))
    assert row(office, fine).status == "pending"


def test_an_address_on_the_suppression_list_is_a_failure(office: Office) -> None:
    office.run(suppressions.suppress, "bob@x.example", "hard_bounce", "550 gone", NOW, expires_at=None)
    number = send(office)
    (found,) = told(office, number)
    assert "550 gone" in found.content
    assert letters.is_editable(row(office, number))


def test_bounces_after_the_end_are_told_too_and_take_nothing_back(office: Office) -> None:
    """Ours: the original's author gets the bounce itself."""
    number = send(office)
    end(office, number, "delivered")
    office.outcome(number, "failed", reply="550 5.1.1 unknown (bounced)")
    office.run(reports.note_bounces, [number], END)
    assert office.run(reports.report_late_bounces, office.settings, END + 20 * MINUTE, 10) == 1
    (found,) = told(office, number)
    assert "unknown (bounced)" in found.content
    assert (row(office, number).status, row(office, number).sent_at) == ("error", NOW)


def test_recipients_become_contacts(office: Office) -> None:
    """§1a.6 step 10: unknown ones, once the letter has reached them; those known, and oneself, do not."""
    first = send(office, to=("Bob B <Bob@x.example>", "anna@uni.example"), bcc=("dan@x.example",))
    assert books(office) == []
    end(office, first, "delivered")
    assert books(office) == [("Bob B", "frequent", "Bob@x.example"), ("", "frequent", "dan@x.example")]
    second = send(office, to=("Robert <bob@x.example>", "Carol <carol@x.example>"))
    end(office, second, "delivered")
    assert [value for _, _, value in books(office)] == ["Bob@x.example", "dan@x.example", "carol@x.example"]
    assert books(office, office.other) == []


def test_letters_without_an_author_any_more_are_told_to_nobody(office: Office) -> None:
    number = send(office)
    office.run(lambda tx: tx.execute(update(messages).values(author_id=None)) and None)
    end(office, number)
    assert told(office, number) == []


def test_messages_that_are_no_letters_end_as_before(office: Office) -> None:
    """The column decides, not the dialect."""
    number = office.sent(emails=["bob@x.example"])
    end(office, number)
    assert (told(office, number), row(office, number).sent_at) == ([], NOW)


def test_another_dialect_may_send_it_again(office: Office) -> None:
    """A message in error that is a draft for one program can be sent again through another one, as it stands."""
    number = send(office)
    end(office, number)
    office.run(submission.retry, office.settings, office.author, number, "en", LATER)
    assert (row(office, number).status, row(office, number).sent_at) == ("pending", LATER)
    assert office.run(drafts.get, office.author, number).status == "pending"


def test_the_number_of_statements_grows_with_twenties_of_letters(office: Office) -> None:
    def statements(count: int) -> int:
        numbers = [send(office, to=("a@x.example", "b@x.example")) for _ in range(count)]
        for number in numbers:
            office.outcome(number, "failed", reply="550")
        with counted(office.store) as seen:
            assert len(settle(office, *numbers)) == count
        return len(seen)

    assert statements(20) == statements(1) <= 18


def test_long_and_odd_reasons_are_bounded(office: Office) -> None:
    number = send(office, to=tuple(f"p{number}@x.example" for number in range(150)))
    end(office, number, reply="<script>" + "x" * 2_000)
    (found,) = told(office, number)
    assert "<li>and 50 more</li>" in found.content
    assert "<script>" not in found.content
    assert len(found.content) < 50_000


def test_without_a_reason_there_was_no_response() -> None:
    """§1a.6 step 11a."""
    failure = failure_texts.Failure(subject="", sent_at=NOW, unreached=[])
    assert "Reason: &quot;no response&quot;" in failure_texts.render(failure)


def test_the_number_of_the_letter_is_put_where_programs_look_for_it() -> None:
    """§1a.6 step 11a: each dialect has numbers of its own."""
    content = failure_texts.render(failure_texts.Failure(subject='<a href="#">Change your message</a>', sent_at=NOW, unreached=[]))
    shown = failure_texts.with_number(markup.safe(content, "html"), 42)
    assert '<a id="delivery_failure_button" mailid="42" class="button blue" href="#">Change your message</a>' in shown
    assert shown.count("<a ") == 1


def test_alerts_are_taken_away_by_whose_they_are(office: Office) -> None:
    end(office, send(office))
    (alert,) = office.run(alerts.of_person, office.author)
    for user_id, number in ((office.other, alert.id), (office.author, 999), (office.author, 2**40)):
        with pytest.raises(NotFound):
            office.run(alerts.remove, user_id, number)
    office.run(alerts.remove, office.author, alert.id)
    assert office.run(alerts.of_person, office.author) == []


def test_the_daemon_can_be_another_one(office: Office) -> None:
    """§8.20."""
    own = structs.replace(office.settings, letters=structs.replace(office.settings.letters, daemon="daemon@uni.example"))
    number = office.run(letters.send, structs.replace(desk(office), settings=own), letter(calendar="x")).message_id
    mail: MailOptions = options.decoded(told(office, number)[0].mail)
    assert mail.sender == Mailbox("", "daemon@uni.example")


def test_filters_of_the_author_look_at_letters_that_are_done(office: Office) -> None:
    """§1a.6 step 10: not at what is on its way; whether it is a draft again is seen then."""
    office.run(mail_filters.create, office.author, NewFilter(rule=Rule(actions=(Action(deed="mark_read"),), folders=("sent",))))
    number = send(office, to=("a@x.example",))
    assert office.rows(due_filters) == []
    office.outcome(number, "delivered")
    settle(office, number)
    assert [(row.message_id, row.recipient_id) for row in office.rows(due_filters)] == [(number, None)]
