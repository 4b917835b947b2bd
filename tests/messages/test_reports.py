"""Settling and summary reports: design section 1.2, contract section 1.3, 1.5 (summary report) and 4.5 (status)."""

import re
import threading
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from postroom.clock import DAY, MINUTE
from postroom.messages import drafts, mailing_templates, queueing, reports, submission
from postroom.messages.records import Language
from postroom.messages.report_texts import TEXTS, Summary, Unreached, render
from postroom.storage.tables import messages, recipients, users
from tests.messages.conftest import NOW, Office
from tests.messages.test_mailing_templates import made, sheet
from tests.messages.test_mailings import mailing, program, send
from tests.support import counted

LATER = NOW + 90 * MINUTE


def settle(office: Office, *message_ids: int, now: int = LATER) -> list[int]:
    return office.run(reports.settle, office.settings, message_ids, now)


def reports_of(office: Office, message_id: int) -> list[Any]:
    return office.rows(messages, messages.c.kind == "summary", messages.c.in_reply_to == message_id)


def failed(office: Office, replies: dict[str, str], **ready: Any) -> int:
    """A message that nobody got, with what the relay said to each address."""
    message_id = office.sent(emails=list(replies), send_summary=True, **ready)
    for email, reply in replies.items():
        office.outcome(message_id, "failed", email=email, reply=reply)
    settle(office, message_id)
    return message_id


@pytest.mark.parametrize("state", ["queued", "sending", "deferred", "unknown"])
def test_a_message_with_an_open_recipient_is_not_settled(office: Office, state: str) -> None:
    message_id = office.sent(emails=["a@x.example", "b@x.example"])
    office.outcome(message_id, "delivered", email="a@x.example")
    office.outcome(message_id, state, email="b@x.example")
    assert settle(office, message_id) == []
    assert office.get(message_id).status == "pending"


@pytest.mark.parametrize(
    ("state", "status"), [("delivered", "sent"), ("failed", "error"), ("expired", "error"), ("cancelled", "error"), ("suppressed", "error")]
)
def test_the_status_tells_whether_somebody_with_an_address_was_missed(office: Office, state: str, status: str) -> None:
    """error: problems for some of the recipients. People without an address are no problem, nor is the copy to oneself (ours)."""
    message_id = office.sent(emails=["a@x.example", "b@x.example"], user_ids=[office.person("None")], send_to_myself=True)
    office.outcome(message_id, "delivered")
    office.outcome(message_id, state, email="b@x.example")
    office.outcome(message_id, "failed", role="self")
    assert settle(office, message_id, message_id) == [message_id]
    message = office.get(message_id)
    assert (message.status, message.settled_at, message.sent_at, message.modified_at) == (status, LATER, NOW, NOW)


def test_only_pending_messages_are_settled_and_each_once(office: Office) -> None:
    draft, done, waiting = office.draft(), office.sent(emails=["a@x.example"], send_summary=True), office.sent(emails=["a@x.example"])
    office.outcome(done, "delivered")
    asked = [draft, done, waiting, 999_999]
    assert settle(office, *asked) == [done]
    assert settle(office, *asked) == []
    assert settle(office) == []
    assert len(reports_of(office, done)) == 1
    assert office.get(draft).status == "draft"


def test_two_workers_that_end_the_last_two_recipients_settle_the_message(office: Office) -> None:
    """Neither transaction sees what the other one did before its commit; the lock on the message brings them in order."""
    message_id = office.sent(emails=["a@x.example", "b@x.example"], send_summary=True)
    both = threading.Barrier(2 if office.store.database.dialect == "postgresql" else 1)
    settled: list[int] = []

    def worker(email: str) -> None:
        def unit(tx: Any) -> list[int]:
            tx.execute(update(recipients).where(recipients.c.email == email).values(state="delivered"))
            both.wait(20)
            return reports.settle(tx, office.settings, [message_id], LATER)

        settled.extend(office.run(unit))

    threads = [threading.Thread(target=worker, args=(email,)) for email in ("a@x.example", "b@x.example")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert settled == [message_id]
    assert office.get(message_id).status == "sent"
    assert len(reports_of(office, message_id)) == 1


def test_a_report_is_queued_for_the_author_alone(office: Office) -> None:
    message_id = failed(office, {"a@x.example": "550 no such user"})
    (report,) = reports_of(office, message_id)
    assert (report.author_id, report.dialect, report.language, report.status) == (None, "usos", "en", "pending")
    assert (report.content_format, report.send_summary, report.sent_at, report.created_at) == ("plain", False, LATER, LATER)
    (line,) = office.rows(recipients, recipients.c.message_id == report.id)
    assert (line.user_id, line.email, line.role, line.state, line.lane) == (office.author, "anna@uni.example", "to", "queued", "single")
    assert (line.due_at, line.expires_at is not None) == (LATER, True)
    office.run(lambda tx: tx.execute(update(recipients).where(recipients.c.id == line.id).values(state="delivered")) and None)
    assert settle(office, report.id) == [report.id]
    assert len(office.rows(messages, messages.c.kind == "summary")) == 1, "no report of a report"


def test_without_send_summary_there_is_no_report(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"])
    office.outcome(message_id, "failed")
    settle(office, message_id)
    assert reports_of(office, message_id) == []


def test_a_report_to_an_author_without_an_address_is_kept_and_settled(office: Office) -> None:
    office.run(lambda tx: tx.execute(update(users).where(users.c.id == office.author).values(email=None, alt_email=None)) and None)
    message_id = failed(office, {"a@x.example": "550"})
    (report,) = reports_of(office, message_id)
    (line,) = office.rows(recipients, recipients.c.message_id == report.id)
    assert (report.status, line.state, line.email, line.reply_text) == ("sent", "suppressed", None, queueing.NO_ADDRESS)


def test_a_deleted_message_is_still_reported_on(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"], send_summary=True)
    office.run(drafts.delete, office.author, [message_id], NOW)
    office.outcome(message_id, "failed")
    assert settle(office, message_id) == [message_id]
    assert len(reports_of(office, message_id)) == 1


def test_every_retry_ends_in_a_new_report(office: Office) -> None:
    message_id = failed(office, {"a@x.example": "550 no"})
    office.run(submission.retry, office.settings, office.author, message_id, "pl", LATER)
    office.outcome(message_id, "delivered")
    settle(office, message_id)
    first, second = reports_of(office, message_id)
    assert (first.language, second.language) == ("en", "pl")
    assert "Liczba adresatów: 1\n- doręczono: 1\n" in second.content
    assert "550" not in second.content


def test_a_report_says_what_when_how_many_and_who_was_missed(office: Office) -> None:
    emails = [f"{name}@x.example" for name in ("good", "late", "bad", "stopped")]
    nobody, somebody = office.person("Ewa"), office.person("Jan", email="jan@x.example")
    message_id = office.sent(emails=emails, user_ids=[nobody, somebody], send_summary=True, send_to_myself=True, subject="Zażółć")
    office.outcome(message_id, "delivered")
    office.outcome(message_id, "failed", email="jan@x.example", reply="550 5.1.1\r\nno such\tuser")
    office.outcome(message_id, "expired", email="late@x.example", reply="451 later")
    office.outcome(message_id, "suppressed", email="bad@x.example", reply="blocked")
    office.outcome(message_id, "cancelled", email="stopped@x.example")
    office.run(lambda tx: tx.execute(update(recipients).where(recipients.c.email == "good@x.example").values(ambiguous=True)) and None)
    settle(office, message_id)
    (report,) = reports_of(office, message_id)
    assert report.subject == "Delivery report: Zażółć"
    assert report.content == "\n".join(  # noqa: FLY002 - lines are easier to read
        [
            "Message: Zażółć",
            "Sent: 2023-11-14 22:13 UTC",
            "Finished: 2023-11-14 23:43 UTC",
            "",
            "Number of recipients: 6",
            "- delivered: 1",
            "  of these, perhaps delivered twice: 1",
            "- failed: 1",
            "- suppressed: 2",
            "- time for delivery ran out: 1",
            "- cancelled: 1",
            "",
            "Copy to yourself: delivered",
            "",
            "These did not get the message:",
            "- Ewa Nowak: suppressed (no address)",
            "- Jan Nowak <jan@x.example>: failed (550 5.1.1 no such user)",
            "- bad@x.example: suppressed (blocked)",
            "- late@x.example: time for delivery ran out (451 later)",
            "- stopped@x.example: cancelled",
        ]
    )


def test_a_long_report_is_split_and_numbered(office: Office) -> None:
    message_id = failed(office, {f"p{number:03}@x.example": "550 " + "no " * 100 for number in range(150)}, subject="s" * 200)
    parts = reports_of(office, message_id)
    assert len(parts) > 1
    for number, part in enumerate(parts, 1):
        assert part.subject.endswith(f"… ({number}/{len(parts)})")
        assert len(part.subject) == 200
        assert len(part.content) <= 15_000
    named = re.findall(r"^- (p\d{3})@", "\n".join(part.content for part in parts), re.MULTILINE)
    assert named == [f"p{number:03}" for number in range(150)]
    assert len(office.rows(recipients, recipients.c.message_id.in_([part.id for part in parts]))) == len(parts)


def test_a_disaster_makes_a_bounded_report(office: Office) -> None:
    """However many were missed, the report names some and counts the rest; nothing grows with the mailing but the numbers."""
    message_id = office.ready(emails=["a@x.example"], send_summary=True)
    office.submit(message_id)
    row = {"message_id": message_id, "state": "failed", "reply_text": "550 " + "x" * 500}
    rows = [{**row, "email": f"p{number}@x.example"} for number in range(3_000)]
    office.run(lambda tx: tx.execute(insert(recipients), rows) and None)
    office.outcome(message_id, "delivered", email="a@x.example")
    settle(office, message_id)
    parts = reports_of(office, message_id)
    assert len(parts) <= 12
    assert "- failed: 3000" in parts[0].content
    assert parts[-1].content.endswith("Number of further people and addresses that this report does not name: 2500")


def test_settling_takes_the_same_statements_whatever_the_number(office: Office) -> None:
    lengths = []
    for count, people in ((1, 1), (15, 40)):
        numbers = [office.sent(emails=[f"p{number}@x.example" for number in range(people)], send_summary=True) for _ in range(count)]
        for message_id in numbers:
            office.outcome(message_id, "failed", reply="550")
        with counted(office.store) as statements:
            assert settle(office, *numbers) == numbers
        lengths.append(len(statements))
    assert lengths[0] == lengths[1] <= 12
    assert office.run(lambda tx: tx.execute(select(func.count()).where(messages.c.kind == "summary")).scalar_one()) == 16


def test_a_message_that_goes_on_costs_two_statements(office: Office) -> None:
    """What a worker pays for each group of outcomes of a mailing that is not at its end."""
    message_id = office.sent(emails=["a@x.example"])
    with counted(office.store) as statements:
        settle(office, message_id)
    assert len(statements) == 2


def bounced(office: Office, message_id: int, email: str, now: int) -> None:
    """Let a recipient of a settled message fail after all."""
    office.outcome(message_id, "failed", email=email, reply="550 5.1.1 nobody here")
    office.run(reports.note_bounces, [message_id], now)


def late_reports(office: Office, now: int, limit: int = 10) -> int:
    return office.run(reports.report_late_bounces, office.settings, now, limit)


def test_a_late_bounce_turns_sent_into_error_and_is_reported_after_a_quiet_time(office: Office) -> None:
    """One report for the bounces of a mailing, which come in crowds: 15 minutes after the last of them."""
    message_id = office.sent(emails=["a@x.example", "b@x.example", "c@x.example"], send_summary=True)
    office.outcome(message_id, "delivered")
    settle(office, message_id)
    assert office.get(message_id).status == "sent"
    bounced(office, message_id, "a@x.example", LATER + 1)
    assert office.get(message_id).status == "error"
    bounced(office, message_id, "b@x.example", LATER + 5 * MINUTE)
    assert late_reports(office, LATER + 20 * MINUTE - 1) == 0
    assert late_reports(office, LATER + 20 * MINUTE) == 1
    assert late_reports(office, LATER + 90 * MINUTE) == 0
    first, second = reports_of(office, message_id)
    assert "- delivered: 3\n" in first.content
    assert "- delivered: 1\n- failed: 2\n" in second.content
    assert "Finished: 2023-11-14 23:43 UTC" in second.content, "the end is still when the last recipient was done"
    assert "- a@x.example: failed (550 5.1.1 nobody here)\n- b@x.example: failed" in second.content
    (line,) = office.rows(recipients, recipients.c.message_id == second.id)
    assert (line.user_id, line.state, line.due_at) == (office.author, "queued", LATER + 20 * MINUTE)


def test_a_message_with_late_bounces_can_be_sent_again(office: Office) -> None:
    """Contract 1.4 no. 13: error is what retry needs. The report of the new end tells it all, so no other one follows."""
    message_id = office.sent(emails=["a@x.example", "b@x.example"], send_summary=True)
    office.outcome(message_id, "delivered")
    settle(office, message_id)
    bounced(office, message_id, "a@x.example", LATER)
    office.run(submission.retry, office.settings, office.author, message_id, "en", LATER)
    assert late_reports(office, LATER + 60 * MINUTE) == 0, "not while it is pending"
    assert {row.email: row.state for row in office.rows(recipients, recipients.c.message_id == message_id)} == {
        "a@x.example": "queued",
        "b@x.example": "delivered",
    }
    office.outcome(message_id, "delivered")
    settle(office, message_id)
    assert office.get(message_id).status == "sent"
    assert late_reports(office, LATER + 60 * MINUTE) == 0
    assert len(reports_of(office, message_id)) == 2


def test_late_bounces_without_send_summary_make_an_error_and_no_report(office: Office) -> None:
    message_id = office.sent(emails=["a@x.example"])
    office.outcome(message_id, "delivered")
    settle(office, message_id)
    bounced(office, message_id, "a@x.example", LATER)
    assert late_reports(office, LATER + reports.QUIET) == 1
    assert (office.get(message_id).status, reports_of(office, message_id)) == ("error", [])


def test_late_reports_are_written_in_bounded_steps(office: Office) -> None:
    """Oldest first; the number of statements is the same for one and for twenty messages."""
    numbers = [office.sent(emails=["a@x.example"], send_summary=True) for _ in range(21)]
    office.run(lambda tx: tx.execute(update(recipients).values(state="delivered")) and None)
    settle(office, *numbers)
    for place, message_id in enumerate(numbers):
        bounced(office, message_id, "a@x.example", LATER - place)
    lengths = []
    for limit, expected in ((1, 1), (20, 20), (20, 0)):
        with counted(office.store) as statements:
            assert late_reports(office, LATER + reports.QUIET, limit) == expected
        lengths.append(len(statements))
        assert len(reports_of(office, numbers[-1])) == 2, "the one that has waited longest comes first"
    assert lengths[0] == lengths[1]
    assert lengths[2] == 1, "nothing to do costs one look"
    assert {len(reports_of(office, message_id)) for message_id in numbers} == {2}


def test_the_report_of_a_program_goes_to_the_address_that_it_gave(office: Office) -> None:
    """Contract 1.5: send_summary_to, in the language of the message; the original may be included. It is kept as long as the message."""
    lines = ["Hello,", "", "x" * 2_000]
    client = program(office)
    given = mailing("a@x.example", "b@x.example", content="\n".join(lines), summary_email="boss@x.example", language="en")
    (number,) = send(office, client, given)
    office.outcome(number, "delivered")
    office.outcome(number, "failed", email="b@x.example", reply="550 no")
    assert settle(office, number) == [number]
    (report,) = reports_of(office, number)
    assert (report.subject, report.language, report.status, report.client_id) == ("Delivery report: News", "en", "pending", None)
    assert report.retain_until == NOW + 7 * DAY
    (line,) = office.rows(recipients, recipients.c.message_id == report.id)
    assert (line.user_id, line.email, line.state) == (None, "boss@x.example", "queued")
    assert "- delivered: 1\n- failed: 1\n" in report.content
    assert "\nThe message begins:\n> Hello,\n> \n> xxx" in report.content
    assert report.content.count("x" * 990) == 1
    assert report.content.endswith("- b@x.example: failed (550 no)")


def test_late_bounces_of_a_programs_message_are_reported_to_the_same_address(office: Office) -> None:
    (number,) = send(office, program(office), mailing("a@x.example", summary_email="boss@x.example"))
    office.outcome(number, "delivered")
    settle(office, number)
    bounced(office, number, "a@x.example", LATER)
    assert late_reports(office, LATER + reports.QUIET) == 1
    _, late = reports_of(office, number)
    assert "- nie doręczono: 1\n" in late.content
    (line,) = office.rows(recipients, recipients.c.message_id == late.id)
    assert line.email == "boss@x.example"


def test_a_programs_message_without_an_address_for_it_has_no_report(office: Office) -> None:
    (number,) = send(office, program(office), mailing("a@x.example"))
    office.outcome(number, "failed")
    assert settle(office, number) == [number]
    assert reports_of(office, number) == []


def test_html_and_what_people_write_are_not_quoted(office: Office) -> None:
    client = program(office)
    (number,) = send(office, client, mailing("a@x.example", content="<p>secret</p>", content_format="html", summary_email="boss@x.example"))
    written = failed(office, {"a@x.example": "550"}, content="secret")
    office.outcome(number, "failed")
    settle(office, number)
    for message_id in (number, written):
        (report,) = reports_of(office, message_id)
        assert "secret" not in report.content


def test_reports_of_a_template_are_one_for_all(office: Office) -> None:
    people = made(sheet("s", "{n}"), *((f"p{place}@x.example", {"n": "1"}) for place in range(3)))
    letter = msgspec.structs.replace(people.letter, summary_email="boss@x.example")
    whole = msgspec.structs.replace(people, letter=letter)
    ids = office.run(mailing_templates.send, office.settings, program(office), whole, NOW)
    number = int(ids[0].partition("-")[0])
    office.outcome(number, "failed")
    settle(office, number)
    (report,) = reports_of(office, number)
    assert "Liczba adresatów: 3\n" in report.content


@pytest.mark.parametrize("language", ["pl", "en"])
def test_counts_in_a_report_add_up_in_both_languages(language: Language) -> None:
    states: Any = {"delivered": 90, "failed": 5, "suppressed": 3, "expired": 1, "cancelled": 1}
    unreached = [Unreached(name="", email=f"p{number}@x.example", state="failed", reply=None) for number in range(4)]
    summary = Summary(subject="S", sent_at=NOW, finished_at=LATER, states=states, twice=0, copy=None, unreached=unreached)
    (part,) = render(summary, language)
    texts = TEXTS[language]
    assert texts.recipients.format(100) in part.content
    assert [int(count) for count in re.findall(r"^- [^<@\n]+: (\d+)$", part.content, re.MULTILINE)] == [90, 5, 3, 1, 1]
    assert part.content.endswith(texts.left_out.format(6))
