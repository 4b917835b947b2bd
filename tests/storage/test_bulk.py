"""Many rows at once, on both databases: in their order, with numbers reserved beforehand, all or nothing."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError

from postroom.storage import bulk
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.support import counted

ODD = "Zażółć\t\\N \\. \r\n\U0001f600"


def row(number: int, subject: str = ODD) -> dict[str, Any]:
    values = {"id": number, "subject": subject, "dialect": "usos", "template": number % 2 == 0, "summary_email": None}
    return values | {"created_at": 1, "modified_at": 2**40}


@pytest.mark.parametrize("count", [0, 1, 100, 101, 2_000])
def test_rows_are_kept_as_they_are(store: Store, count: int) -> None:
    """Few go by INSERT and many, on PostgreSQL, by COPY, whose text has escapes of its own."""

    def unit(tx: Tx) -> list[Any]:
        numbers = bulk.reserve_ids(tx, messages, count)
        bulk.insert_rows(tx, messages, [row(number) for number in numbers])
        kept = tx.execute(select(messages).order_by(messages.c.id)).all()
        assert [one.id for one in kept] == numbers
        return list(kept)

    kept = store.database.write_now(unit)
    assert len(kept) == count
    for one in kept:
        assert (one.subject, one.template, one.summary_email, one.modified_at) == (ODD, one.id % 2 == 0, None, 2**40)
        assert (one.status, one.content_format) == ("draft", "plain"), "other columns have their defaults"


def test_reserved_numbers_are_nobody_elses(store: Store) -> None:
    """Growing, and never given out again: not those of rows that are gone, and not to rows that come later."""

    def add(tx: Tx) -> int:
        values = {"dialect": "usos", "created_at": 1, "modified_at": 1}
        return int(tx.execute(insert(messages).values(values).returning(messages.c.id)).scalar_one())

    def unit(tx: Tx) -> list[int]:
        numbers = bulk.reserve_ids(tx, messages, 3)
        bulk.insert_rows(tx, messages, [row(number) for number in numbers])
        tx.execute(messages.delete().where(messages.c.id == numbers[-1]))
        return numbers

    before = store.database.write_now(add)
    reserved = store.database.write_now(unit)
    after = store.database.write_now(add)
    assert before < reserved[0] < reserved[1] < reserved[2] < after


def test_the_order_of_the_rows_is_that_of_their_numbers(store: Store) -> None:
    """Where the database numbers them itself: the roll of a message has its order by that."""
    emails = [f"p{number:04}@x.example" for number in range(500)]

    def unit(tx: Tx) -> list[str | None]:
        (message,) = bulk.reserve_ids(tx, messages, 1)
        bulk.insert_rows(tx, messages, [row(message)])
        bulk.insert_rows(tx, recipients, [{"message_id": message, "email": email} for email in emails])
        return list(tx.execute(select(recipients.c.email).order_by(recipients.c.id)).scalars())

    assert store.database.write_now(unit) == emails


@pytest.mark.parametrize("count", [1, 200])
def test_a_row_that_is_refused_takes_all_with_it(store: Store, count: int) -> None:
    """The error is the one that other statements meet, so whoever runs units knows what to do with it."""

    def unit(tx: Tx) -> None:
        bulk.insert_rows(tx, messages, [{**row(number), "content_format": "rich"} for number in range(1, count + 1)])

    with pytest.raises(DBAPIError):
        store.database.write_now(unit)
    assert store.database.read_now(lambda tx: tx.execute(select(func.count()).select_from(messages)).scalar_one()) == 0


def test_numbers_take_one_statement(store: Store) -> None:
    with counted(store) as statements:
        store.database.write_now(bulk.reserve_ids, messages, 10_000)
    assert len(statements) == 1
