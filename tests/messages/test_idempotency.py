"""Idempotency keys: a call is made once, however often it is repeated within a day (docs/rules.md, "Repeated calls")."""

import threading

import pytest
from sqlalchemy import select

from postroom.clock import DAY
from postroom.errors import Invalid, TooLarge, WrongState
from postroom.messages import idempotency
from postroom.messages.idempotency import Once
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import idempotency_keys
from tests.support import counted

NOW = 1_700_000_000_000
REQUEST = Once(owner="usos 1", key="k", digest="d")


class Work:
    """Counts how often it was done."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, _tx: Tx) -> dict[str, object]:
        self.done += 1
        return {"message_id": str(self.done), "list": [None, False, "ż"]}


def test_the_same_request_gets_the_first_answer_and_nothing_more_is_done(store: Store) -> None:
    work = Work()
    first = store.database.write_now(idempotency.once, REQUEST, NOW, work)
    assert (
        store.database.write_now(idempotency.once, REQUEST, NOW + DAY - 1, work) == first == {"message_id": "1", "list": [None, False, "ż"]}
    )
    assert work.done == 1


def test_another_request_under_the_same_key_is_refused(store: Store) -> None:
    work = Work()
    store.database.write_now(idempotency.once, REQUEST, NOW, work)
    other = Once(owner=REQUEST.owner, key=REQUEST.key, digest="other")
    with pytest.raises(Invalid, match="another request"):
        store.database.write_now(idempotency.once, other, NOW, work)
    assert work.done == 1


@pytest.mark.parametrize("other", [Once(owner="usos 2", key="k", digest="d"), Once(owner="usos 1", key="K", digest="d")])
def test_keys_of_others_and_other_keys_are_apart(store: Store, other: Once) -> None:
    work = Work()
    for request in (REQUEST, other):
        store.database.write_now(idempotency.once, request, NOW, work)
    assert work.done == 2


def test_after_a_day_the_key_is_as_good_as_new(store: Store) -> None:
    work = Work()
    store.database.write_now(idempotency.once, REQUEST, NOW, work)
    later = Once(owner=REQUEST.owner, key=REQUEST.key, digest="later")
    assert store.database.write_now(idempotency.once, later, NOW + DAY, work)["message_id"] == "2"
    assert store.database.write_now(idempotency.once, later, NOW + DAY + 1, work)["message_id"] == "2"


def test_work_that_failed_may_be_tried_again(store: Store) -> None:
    """Nothing is kept of it, since its transaction is rolled back."""

    def fail(_tx: Tx) -> None:
        raise WrongState("draft_required")

    with pytest.raises(WrongState):
        store.database.write_now(idempotency.once, REQUEST, NOW, fail)
    assert store.database.write_now(idempotency.once, REQUEST, NOW, Work())["message_id"] == "1"


def test_of_simultaneous_calls_one_works(store: Store) -> None:
    work, answers = Work(), list[object]()

    def call() -> None:
        answers.append(store.database.write_now(idempotency.once, REQUEST, NOW, work))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(answers) == 6
    assert answers == [answers[0]] * 6
    assert work.done == 1


def test_it_costs_two_statements(store: Store) -> None:
    """A repetition too: to see that it is one, and to read the answer."""
    for _ in range(2):
        with counted(store) as statements:
            store.database.write_now(idempotency.once, REQUEST, NOW, Work())
        assert len(statements) == 2


def test_old_answers_are_forgotten(store: Store) -> None:
    for number in range(3):
        store.database.write_now(idempotency.once, Once(owner="o", key=str(number), digest="d"), NOW + number, Work())
    assert store.database.write_now(idempotency.forget, NOW + 1, 1) == 1
    assert store.database.write_now(idempotency.forget, NOW + 1, 10) == 1
    assert store.database.read_now(lambda tx: list(tx.execute(select(idempotency_keys.c.key)).scalars())) == ["2"]


@pytest.mark.parametrize(("key", "error"), [("", Invalid), (" ", Invalid), ("a\nb", Invalid), ("k" * 256, TooLarge)])
def test_keys_that_are_refused(key: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        idempotency.check_key(key)


def test_the_digest_is_of_everything_asked_for_in_whatever_order() -> None:
    parts = [("a", "1"), ("b", "2")]
    digest = idempotency.digest_of("m", parts)
    assert digest == idempotency.digest_of("m", parts[::-1])
    others = [("n", parts), ("m", [("a", "2"), ("b", "1")]), ("m", [("a", "1")]), ("m", [("a1", ""), ("b", "2")])]
    assert digest not in {idempotency.digest_of(method, some) for method, some in others}
