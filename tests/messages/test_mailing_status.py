"""What became of a program's messages: contract section 1.5, rows 1 and 2, below the dialect."""

from sqlalchemy import select

from postroom.clock import DAY
from postroom.messages import mailing_status, mailing_templates, reports
from postroom.messages.mailing_status import MAX_SHOWN, Outcome, Progress, Reference
from postroom.storage.tables import messages
from tests.messages.conftest import NOW, Office
from tests.messages.test_mailing_templates import made, sheet
from tests.messages.test_mailings import mailing, program, send
from tests.support import counted


def progress(office: Office, client: int, *references: Reference, now: int = NOW) -> dict[Reference, Progress]:
    return office.run(mailing_status.progress, client, references, now)


def test_a_message_is_finished_when_the_last_recipient_is_done(office: Office) -> None:
    client = program(office)
    (number,) = send(office, client, mailing("a@x.example", "b@x.example"))
    one = Reference(number)
    assert progress(office, client, one) == {
        one: Progress(
            finished=False, states={"queued": 2}, outcomes=[Outcome("a@x.example", "queued", None), Outcome("b@x.example", "queued", None)]
        )
    }
    office.outcome(number, "delivered", email="a@x.example")
    assert not progress(office, client, one)[one].finished
    office.outcome(number, "failed", email="b@x.example", reply="550 no")
    office.run(reports.settle, office.settings, [number], NOW)
    found = progress(office, client, one)[one]
    assert (found.finished, found.states) == (True, {"delivered": 1, "failed": 1})
    assert found.outcomes == [Outcome("a@x.example", "delivered", None), Outcome("b@x.example", "failed", "550 no")]


def test_one_mail_of_a_template_has_a_progress_of_its_own(office: Office) -> None:
    client = program(office)
    people = made(sheet("s", "{n}"), ("a@x.example", {"n": "1"}), ("b@x.example", {"n": "2"}))
    ids = office.run(mailing_templates.send, office.settings, client, people, NOW)
    first, second = (Reference(*map(int, one.split("-"))) for one in ids)
    office.outcome(first.message_id, "delivered", email="a@x.example")
    found = progress(office, client, first, second, Reference(first.message_id))
    assert (found[first].finished, found[first].outcomes) == (True, [Outcome("a@x.example", "delivered", None)])
    assert (found[second].finished, found[second].states) == (False, {"queued": 1})
    assert found[Reference(first.message_id)].states == {"delivered": 1, "queued": 1}
    mixed = Reference(first.message_id + 1, first.recipient_id)
    assert progress(office, client, mixed) == {}, "a mail of another message"


def test_only_the_program_that_sent_it_finds_a_message_and_for_7_days(office: Office) -> None:
    client, other = program(office), program(office)
    (number,) = send(office, client, mailing("a@x.example", summary_email="boss@x.example"))
    one = Reference(number)
    assert one in progress(office, client, one, now=NOW + 7 * DAY - 1)
    assert progress(office, client, one, now=NOW + 7 * DAY) == {}
    assert progress(office, other, one) == {}
    written, report = office.sent(emails=["c@x.example"]), 0
    office.outcome(number, "failed")
    office.run(reports.settle, office.settings, [number], NOW)
    report = office.run(lambda tx: tx.execute(select(messages.c.id).where(messages.c.kind == "summary")).scalar_one())
    odd = [Reference(written), Reference(report), Reference(-1), Reference(2**40), Reference(number, 2**70), Reference(number, -1)]
    assert progress(office, client, *odd) == {}


def test_many_recipients_are_counted_and_not_shown(office: Office) -> None:
    client = program(office)
    few, many = (mailing(*(f"p{place}@x.example" for place in range(count))) for count in (MAX_SHOWN, MAX_SHOWN + 1))
    first, second = (Reference(number) for number in send(office, client, few, many))
    found = progress(office, client, first, second)
    assert [one.email for one in found[first].outcomes or []] == few.emails
    assert (found[second].outcomes, found[second].states) == (None, {"queued": MAX_SHOWN + 1})


def test_statements_do_not_depend_on_the_number(office: Office) -> None:
    client = program(office)
    numbers = [Reference(number) for number in send(office, client, *(mailing(f"p{place}@x.example") for place in range(500)))]
    for asked in (numbers[:1], numbers):
        with counted(office.store) as statements:
            assert len(progress(office, client, *asked)) == len(asked)
        assert len(statements) == 3
