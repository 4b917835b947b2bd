"""Partial indexes serve the queries that they were made for: design section 3."""

from typing import Any

import pytest
from sqlalchemy import Select, event, literal_column, select, text, update

from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import IS_OPEN, IS_SENDING, IS_WAITING, messages, recipients
from tests.delivery.letters import add_message

_r = recipients.c

QUERIES: dict[str, Select[Any]] = {
    "ix_recipients_due": select(_r.id).where(_r.lane == "bulk", IS_WAITING, _r.due_at <= 5).order_by(_r.due_at).limit(10),
    "ix_recipients_open": select(_r.id).where(_r.message_id == 5, IS_OPEN),
    "ix_messages_client_id": select(messages.c.id).where(messages.c.client_id == 5, messages.c.status == literal_column("'pending'")),
    "ix_recipients_lease": select(_r.id).where(IS_SENDING, _r.lease_until <= 5),
}


@pytest.mark.parametrize("index", QUERIES)
def test_each_state_condition_finds_its_partial_index(store: Store, index: str) -> None:
    """With bound values instead of words in the condition SQLite reads the whole table, sorted anew for each claim."""
    store.database.write_now(filled)
    plan = store.database.read_now(explained, QUERIES[index])
    assert index in plan
    assert "TEMP B-TREE" not in plan


def filled(tx: Tx) -> None:
    """Many who are done and a few of each open state: between the indexes of an empty table PostgreSQL tosses a coin."""
    message = add_message(tx, [f"{n}@x.example" for n in range(900)], lane="bulk")
    tx.execute(update(recipients).where(_r.message_id == message).values(state="delivered", due_at=None))
    waiting = add_message(tx, [f"w{n}@x.example" for n in range(60)], lane="bulk")
    tx.execute(update(recipients).where(_r.message_id == waiting, _r.id % 3 == 0).values(state="sending", lease_until=1))
    tx.execute(text("ANALYZE"))


def explained(tx: Tx, query: Select[Any]) -> str:
    """Return the plan of ``query`` as it is sent; PostgreSQL is kept from reading an empty table whole."""
    if tx.dialect.name == "postgresql":
        for way in ("seqscan", "bitmapscan"):
            tx.execute(text(f"SET LOCAL enable_{way} = off"))
    sent: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", remember)
    tx.execute(query)
    event.remove(tx, "before_cursor_execute", remember)
    statement, parameters = sent[0]
    words = "EXPLAIN " if tx.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    return "\n".join(str(row) for row in tx.exec_driver_sql(words + statement, parameters))
