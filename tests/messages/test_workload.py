"""What waits and whether anybody delivers: contract section 1.5, row 6, below the dialect."""

from sqlalchemy import text, update

from postroom.delivery import presence
from postroom.delivery.records import WorkerReport
from postroom.messages import workload
from postroom.storage.tables import recipients
from tests.messages.conftest import NOW, Office
from tests.messages.test_mailings import mailing, program, send
from tests.support import plans


def test_every_recipient_without_an_outcome_counts(office: Office) -> None:
    """Each by itself, of whatever message: deferred, being sent, unknown and held ones too; those on the roll of a draft do not."""
    client, other = program(office), program(office)
    states = ("queued", "deferred", "sending", "unknown", "delivered", "failed", "expired", "cancelled", "suppressed")
    (number,) = send(office, client, mailing(*(f"{state}@x.example" for state in states)))
    for state in states:
        office.outcome(number, state, email=f"{state}@x.example")
    held = recipients.c.email == "queued@x.example"
    office.run(lambda tx: tx.execute(update(recipients).where(held).values(due_at=None)) and None)
    office.ready(emails=["draft@x.example"])
    office.sent(emails=["a@x.example", "b@x.example"])
    send(office, other, mailing("c@x.example"))
    assert office.run(workload.pending) == 4 + 2 + 1
    assert [office.run(workload.pending_of_client, one) for one in (client, other, 999)] == [4, 1, 0]


def test_a_worker_that_has_fallen_silent_delivers_nothing(office: Office) -> None:
    assert not office.run(workload.is_served, NOW)
    office.run(presence.put_report, "host:1", WorkerReport(), NOW, NOW)
    assert office.run(workload.is_served, NOW + workload.SILENT_AFTER - 1)
    assert not office.run(workload.is_served, NOW + workload.SILENT_AFTER)
    office.run(presence.put_report, "host:2", WorkerReport(), NOW, NOW + workload.SILENT_AFTER)
    assert office.run(workload.is_served, NOW + workload.SILENT_AFTER)
    office.run(presence.drop_report, "host:2")
    assert not office.run(workload.is_served, NOW + workload.SILENT_AFTER)


def test_what_is_done_costs_nothing(office: Office) -> None:
    """Both counts come from indexes of what waits, however many messages the program has sent and are done."""
    client = program(office)
    send(office, client, *(mailing(f"p{place}@x.example") for place in range(1_000)))
    for done in ("UPDATE recipients SET state = 'delivered'", "UPDATE messages SET status = 'sent'"):
        office.run(lambda tx, done=done: tx.execute(text(done)) and None)
    send(office, client, *(mailing(f"q{place}@x.example") for place in range(5)))
    office.run(lambda tx: tx.execute(text("ANALYZE")) and None)
    [everything] = office.run(plans, workload.pending)
    [own] = office.run(plans, workload.pending_of_client, client)
    assert "ix_recipients_open" in everything
    assert "ix_messages_client_id" in own
    assert "ix_recipients_open" in own
