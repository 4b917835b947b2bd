"""Retention: a message goes for good when its time is over and it is settled, in pieces, with all that belonged to it."""

from typing import Any

from sqlalchemy import insert, update

from postroom.messages import reports, retention
from postroom.storage.database import Tx
from postroom.storage.tables import attachments, attempts, audience, messages, recipients, suppressions
from tests.messages.conftest import NOW, Office
from tests.support import counted


def over(office: Office, message_id: int, retain_until: int = NOW) -> None:
    office.run(lambda tx: tx.execute(update(messages).where(messages.c.id == message_id).values(retain_until=retain_until)) and None)


def ended(office: Office, state: str = "delivered", **ready: Any) -> int:
    """A message that is settled, and whose time is over."""
    message = office.sent(**ready)
    office.outcome(message, state)
    office.run(reports.settle, office.settings, [message], NOW)
    over(office, message)
    return message


def test_what_is_not_over_stays(office: Office) -> None:
    """One without an end, one whose end is to come, a draft, and one that still has somebody to deliver to."""
    kept, later, pending = (office.sent(emails=["a@x.example"]) for _ in range(3))
    for message in (kept, later):
        office.outcome(message, "delivered")
        office.run(reports.settle, office.settings, [message], NOW)
    over(office, later, NOW + 1)
    over(office, pending)
    draft = office.ready(emails=["a@x.example"])
    over(office, draft)
    rows = [office.rows(table) for table in (messages, recipients, audience)]
    assert office.run(retention.remove_due, NOW, 100) == retention.Removed()
    assert [office.rows(table) for table in (messages, recipients, audience)] == rows


def test_a_message_goes_with_all_that_belonged_to_it(office: Office) -> None:
    """What only spoke of it stays: the report to its author, a suppression that its mail led to."""
    message = ended(office, "failed", emails=["a@x.example", "b@x.example"], send_summary=True)
    first = office.rows(recipients, recipients.c.message_id == message)[0]

    def prepare(tx: Tx) -> None:
        tx.execute(insert(attempts).values(recipient_id=first.id, at=NOW, relay="r", outcome="failed", reply_text="no"))
        tx.execute(insert(suppressions).values(email="a@x.example", reason="hard_bounce", message_id=message, created_at=NOW))
        row = {"message_id": message, "blob_key": "ab" * 16, "filename": "x", "content_type": "text/plain", "size": 1, "created_at": 1}
        tx.execute(insert(attachments).values(row))

    office.run(prepare)
    assert office.run(retention.remove_due, NOW, 100) == retention.Removed(rows=5, blob_keys=["ab" * 16])
    assert office.run(retention.remove_due, NOW, 100) == retention.Removed()
    assert [(row.kind, row.in_reply_to) for row in office.rows(messages)] == [("summary", None)]
    assert [row.email for row in office.rows(recipients)] == ["anna@uni.example"]
    assert [row.message_id for row in office.rows(suppressions)] == [None]
    assert [office.rows(table) for table in (attempts, attachments, audience)] == [[], [], []]


def test_a_long_roll_goes_in_pieces_and_is_seen_by_nobody_meanwhile(office: Office) -> None:
    message = ended(office, emails=[f"a{number}@x.example" for number in range(10)])
    done = [office.run(retention.remove_due, NOW, 4)]
    assert len(office.rows(recipients)) == 6
    assert office.rows(messages)[0].deleted_at == NOW
    while done[-1].rows:
        done.append(office.run(retention.remove_due, NOW, 4))
    assert max(step.rows for step in done) <= 5
    assert sum(step.rows for step in done) == 21  # ten lines of the roll, ten of the audience, and the message
    assert message not in [row.id for row in office.rows(messages)]


def test_a_message_that_is_sent_again_meanwhile_waits(office: Office) -> None:
    """Whoever steps in between two pieces gets his way: nobody on the rest of the roll is lost."""
    message = ended(office, "failed", emails=[f"a{number}@x.example" for number in range(5)])
    office.run(retention.remove_due, NOW, 2)
    office.run(lambda tx: tx.execute(update(messages).values(status="pending")) and None)
    assert office.run(retention.remove_due, NOW, 2) == retention.Removed()
    assert len(office.rows(recipients, recipients.c.message_id == message)) == 3


def test_the_number_of_statements_does_not_depend_on_the_number_of_messages(office: Office) -> None:
    for number in (1, 5):
        for _ in range(number):
            ended(office, emails=["a@x.example"])
        with counted(office.store) as statements:
            office.run(retention.remove_due, NOW, 100)
        assert len(statements) == 5
