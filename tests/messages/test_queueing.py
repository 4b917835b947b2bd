"""The suppression list in the way of a message: at sending, at sending again, and for what the server itself writes."""

import time
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from postroom.clock import DAY, HOUR
from postroom.directory import suppressions
from postroom.messages import queueing, reports, roll, submission
from postroom.messages.queueing import Line
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients
from postroom.storage.tables import suppressions as listed
from tests.messages.conftest import NOW, Office
from tests.support import counted

MANY = 20_000
SECONDS = 6.0
"""100,000 rows, half of them on the list, take 0.6 s on SQLite and 1.0 s on PostgreSQL; this is a fifth of them."""


def suppress(office: Office, email: str, *, expires_at: int | None = NOW + 90 * DAY) -> None:
    office.run(suppressions.suppress, email, "hard_bounce", "550 5.1.1 no such user", NOW, expires_at=expires_at)


def lines(office: Office, message_id: int) -> dict[str | None, tuple[str, str | None]]:
    return {line.email: (line.state, line.reply_text) for line in office.roll(message_id, include_self=True)}


WORDS = "suppression list: hard bounce on 2023-11-14: 550 5.1.1 no such user"


def test_whoever_is_on_the_list_gets_nothing_and_the_roll_says_why(office: Office) -> None:
    suppress(office, "JAN@x.example")
    suppress(office, "over@x.example", expires_at=NOW)
    message_id = office.sent(emails=["Jan@X.example", "over@x.example"], user_ids=[office.person("None")])
    assert lines(office, message_id) == {
        "Jan@x.example": ("suppressed", WORDS),
        "over@x.example": ("queued", None),
        None: ("suppressed", queueing.NO_ADDRESS),
    }
    (row,) = office.rows(recipients, recipients.c.email == "Jan@x.example")
    assert (row.due_at, row.expires_at, row.settled_at, row.attempts) == (None, None, NOW, 0)
    assert office.run(roll.state_counts, message_id) == {"queued": 1, "suppressed": 2}


def test_a_message_to_nobody_but_the_list_is_settled_at_once(office: Office) -> None:
    suppress(office, "jan@x.example")
    message_id = office.sent(emails=["jan@x.example"])
    assert (office.get(message_id).status, office.get(message_id).settled_at) == ("error", NOW)


def test_a_copy_to_oneself_and_a_report_obey_the_list(office: Office) -> None:
    """System mail is mail: to an address that bounced it would bounce again."""
    suppress(office, "anna@uni.example")
    message_id = office.sent(emails=["a@x.example"], send_to_myself=True, send_summary=True)
    assert lines(office, message_id)["anna@uni.example"] == ("suppressed", WORDS)
    office.outcome(message_id, "delivered", email="a@x.example")
    office.run(reports.settle, office.settings, [message_id], NOW)
    assert office.get(message_id).status == "sent"
    (report,) = office.rows(messages, messages.c.kind == "summary")
    assert report.settled_at == NOW
    assert [(row.state, row.reply_text) for row in office.rows(recipients, recipients.c.message_id == report.id)] == [("suppressed", WORDS)]


def test_who_is_suppressed_while_waiting_is_still_written_to(office: Office) -> None:
    message_id = office.sent(emails=["jan@x.example"])
    suppress(office, "jan@x.example")
    assert lines(office, message_id) == {"jan@x.example": ("queued", None)}


def failed(office: Office, *emails: str) -> int:
    message_id = office.sent(emails=list(emails))
    office.outcome(message_id, "failed", reply="550 no")
    office.run(reports.settle, office.settings, [message_id], NOW)
    return message_id


def retry(office: Office, message_id: int, now: int = NOW) -> None:
    office.run(submission.retry, office.settings, office.author, message_id, "en", now)


def test_sending_again_passes_over_who_is_on_the_list_by_now(office: Office) -> None:
    message_id = failed(office, "jan@x.example", "ewa@x.example")
    suppress(office, "Jan@x.example")
    retry(office, message_id)
    assert lines(office, message_id) == {"jan@x.example": ("suppressed", WORDS), "ewa@x.example": ("queued", None)}
    assert office.get(message_id).status == "pending"


def test_sending_again_takes_who_left_the_list(office: Office) -> None:
    suppress(office, "jan@x.example")
    suppress(office, "ewa@x.example", expires_at=NOW + DAY)
    message_id = office.sent(emails=["jan@x.example", "ewa@x.example"], user_ids=[office.person("None")])
    retry(office, message_id, NOW + DAY)
    assert lines(office, message_id) == {
        "jan@x.example": ("suppressed", WORDS),
        "ewa@x.example": ("queued", None),
        None: ("suppressed", queueing.NO_ADDRESS),
    }
    (row,) = office.rows(recipients, recipients.c.email == "ewa@x.example")
    assert (row.due_at, row.settled_at, row.lane) == (NOW + DAY, None, "single")


def test_sending_again_to_nobody_but_the_list_changes_nothing(office: Office) -> None:
    message_id = failed(office, "jan@x.example")
    suppress(office, "jan@x.example")
    before = office.rows(messages), office.rows(recipients)
    retry(office, message_id)
    assert (office.rows(messages), office.rows(recipients)) == before


def _mailing(tx: Tx, author: int) -> int:
    row = {"author_id": author, "dialect": "usos", "created_at": NOW, "modified_at": NOW}
    message_id = tx.execute(insert(messages).values(row).returning(messages.c.id)).scalar_one()
    tx.execute(insert(recipients), [{"message_id": message_id, "email": f"p{number}@x.example"} for number in range(MANY)])
    common = {"reason": "import", "created_at": NOW}
    tx.execute(insert(listed), [{"email": f"P{number * 2}@x.example", **common} for number in range(MANY)])
    return int(message_id)


@pytest.mark.alone
def test_a_long_list_and_a_long_roll_take_two_statements_and_little_time(office: Office) -> None:
    message_id = office.run(_mailing, office.author)
    began = time.monotonic()
    with counted(office.store) as statements:
        assert office.run(queueing.queue_listed, office.settings.delivery, [message_id], "bulk", NOW) == MANY // 2
    assert time.monotonic() - began < SECONDS
    assert len(statements) == 2
    states = select(recipients.c.state, func.count()).group_by(recipients.c.state)
    assert office.run(lambda tx: dict(tx.execute(states).all())) == {"queued": MANY // 2, "suppressed": MANY // 2}


def test_the_list_is_looked_up_by_its_index(office: Office) -> None:
    """On SQLite; PostgreSQL's planner goes by sizes, so there the time above speaks."""

    def plan(tx: Tx) -> list[Any]:
        statement = select(recipients.c.id).where(suppressions.is_suppressed(recipients.c.email, NOW))
        words = str(statement.compile(tx.engine, compile_kwargs={"literal_binds": True}))
        explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
        return list(tx.execute(text(explain + words)))

    steps = str(office.run(plan))
    assert office.store.database.dialect == "postgresql" or "uq_suppressions_lower_email" in steps


def test_new_addresses_enter_the_queue_of_their_messages_in_order(office: Office) -> None:
    """Whoever is on the list is on the roll all the same; messages that wait for nobody are named."""
    suppress(office, "jan@x.example")
    first, second, third = office.draft(), office.draft(), office.draft()
    new = [Line(first, "b@x.example"), Line(first, "JAN@x.example"), Line(second, "Jan@x.example"), Line(third, "a@x.example", '{"n":"1"}')]
    assert office.run(queueing.queue_new, office.settings.delivery, new, "bulk", NOW) == {second}
    rows = office.rows(recipients)
    assert [(row.message_id, row.email, row.state, row.reply_text) for row in rows] == [
        (first, "b@x.example", "queued", None),
        (first, "JAN@x.example", "suppressed", WORDS),
        (second, "Jan@x.example", "suppressed", WORDS),
        (third, "a@x.example", "queued", None),
    ]
    hours = office.settings.delivery.expire_bulk
    assert [(row.due_at, row.expires_at, row.settled_at) for row in rows[:2]] == [(NOW, NOW + hours * HOUR, None), (None, None, NOW)]
    assert {row.lane for row in rows} == {"bulk"}
    assert [row.variables for row in rows] == [None, None, None, '{"n":"1"}']


def test_new_lines_take_two_statements_up_to_500(office: Office) -> None:
    message_id = office.draft()
    for count in (1, 100):
        new = [Line(message_id, f"p{number}@x.example") for number in range(count)]
        with counted(office.store) as statements:
            office.run(queueing.queue_new, office.settings.delivery, new, "single", NOW)
        assert len(statements) == 2
