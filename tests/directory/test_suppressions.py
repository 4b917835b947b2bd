"""The suppression list: each address once, what holds longest stays, and nothing that ended counts."""

from typing import Any

import pytest
from sqlalchemy import literal, select

from postroom.clock import DAY
from postroom.directory import suppressions
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000  # 2023-11-14


def suppress(store: Store, email: str, detail: str = "550 no such user", now: int = NOW, **more: Any) -> None:
    store.database.write_now(suppressions.suppress, email, "hard_bounce", detail, now, **{"expires_at": now + 90 * DAY, **more})


def get(store: Store, email: str, now: int = NOW) -> suppressions.Suppression:
    return store.database.read_now(suppressions.get, email, now)


def explained(store: Store, email: str, now: int = NOW) -> tuple[bool, str | None]:
    def unit(tx: Any) -> Any:
        column = literal(email)
        return tuple(
            tx.execute(select(suppressions.is_suppressed(column, now), suppressions.explanation(tx.dialect.name, column, now))).one()
        )

    suppressed, words = store.database.read_now(unit)
    return bool(suppressed), words


def test_an_address_is_on_the_list_once_whatever_its_case(store: Store) -> None:
    suppress(store, "Jan@X.Example")
    suppress(store, "jan@x.example", "551 moved", NOW + DAY)
    (entry,) = store.database.read_now(suppressions.page, "", 0, 10, NOW)
    assert (entry.email, entry.detail, entry.created_at, entry.expires_at) == ("jan@x.example", "551 moved", NOW + DAY, NOW + 91 * DAY)
    assert get(store, "JAN@x.example") == entry


def test_a_bounce_never_shortens_what_holds_longer(store: Store) -> None:
    store.database.write_now(suppressions.put, "a@x.example", "manual", "asked by phone", NOW, expires_at=None)
    suppress(store, "a@x.example")
    assert (get(store, "a@x.example").reason, get(store, "a@x.example").expires_at) == ("manual", None)
    suppress(store, "b@x.example", expires_at=NOW + 90 * DAY)
    suppress(store, "b@x.example", "another", expires_at=NOW + DAY)
    assert (get(store, "b@x.example").detail, get(store, "b@x.example").expires_at) == ("550 no such user", NOW + 90 * DAY)
    suppress(store, "b@x.example", "for good", expires_at=None)
    assert get(store, "b@x.example").expires_at is None


def test_a_person_may_replace_an_entry_by_a_shorter_one(store: Store) -> None:
    suppress(store, "a@x.example", expires_at=None)
    put = suppressions.put
    assert store.database.write_now(put, "A@x.example", "manual", "back soon", NOW, expires_at=NOW + DAY) is False
    assert (get(store, "a@x.example").expires_at, get(store, "a@x.example").reason) == (NOW + DAY, "manual")
    assert store.database.write_now(put, "new@x.example", "manual", "", NOW, expires_at=None) is True


def test_what_ended_is_not_on_the_list(store: Store) -> None:
    suppress(store, "a@x.example", expires_at=NOW + DAY)
    later = NOW + DAY
    assert explained(store, "a@x.example", later - 1)[0]
    assert explained(store, "a@x.example", later) == (False, None)
    assert store.database.read_now(suppressions.page, "", 0, 10, later) == []
    with pytest.raises(NotFound):
        get(store, "a@x.example", later)
    assert store.database.write_now(suppressions.remove, "a@x.example", later) is False
    suppress(store, "a@x.example", "again", later + 1, expires_at=later + 2)
    assert get(store, "a@x.example", later + 1).detail == "again"


def test_the_words_name_reason_day_and_detail(store: Store) -> None:
    suppress(store, "a@x.example", "550 5.1.1 no such user")
    store.database.write_now(suppressions.put, "b@x.example", "manual", "", NOW, expires_at=None)
    assert explained(store, "A@X.example") == (True, "suppression list: hard bounce on 2023-11-14: 550 5.1.1 no such user")
    assert explained(store, "b@x.example") == (True, "suppression list: added by hand on 2023-11-14")
    assert explained(store, "c@x.example") == (False, None)


def test_foreign_words_become_one_line_of_bounded_length(store: Store) -> None:
    """Design 1.5."""
    suppress(store, "a@x.example", "550 no\r\nBcc: x@y.example\0 \ud800 " + "x" * 1_000)
    detail = get(store, "a@x.example").detail
    assert detail.startswith("550 no Bcc: x@y.example x")
    assert len(detail) == suppressions.MAX_DETAIL


def test_removal_by_any_spelling(store: Store) -> None:
    suppress(store, "jan@xn--bcher-kva.example")
    assert store.database.write_now(suppressions.remove, "Jan@BÜCHER.example", NOW) is True
    assert store.database.write_now(suppressions.remove, "jan@bücher.example", NOW) is False
    assert store.database.write_now(suppressions.remove, "no\0thing", NOW) is False


@pytest.mark.parametrize(
    ("email", "detail", "expires_at", "parameter"),
    [
        ("no address", "", None, "email"),
        ("a@x.example", "two\nlines", None, "detail"),
        ("a@x.example", "", NOW, "expires_at"),
        ("a@x.example", "", suppressions.LATEST + 1, "expires_at"),
    ],
)
def test_bad_entries_are_refused(store: Store, email: str, detail: str, expires_at: int | None, parameter: str) -> None:
    with pytest.raises(Invalid) as refused:
        store.database.write_now(suppressions.put, email, "manual", detail, NOW, expires_at=expires_at)
    assert refused.value.parameter == parameter
    assert store.database.read_now(suppressions.size) == 0


def test_details_of_people_are_not_cut_but_refused(store: Store) -> None:
    with pytest.raises(TooLarge):
        store.database.write_now(suppressions.put, "a@x.example", "manual", "x" * 501, NOW, expires_at=None)


def test_pages_and_search(store: Store) -> None:
    for name in ("anna", "jan", "j_n", "ewa"):
        suppress(store, f"{name}@x.example")
    found = store.database.read_now(suppressions.page, "", 0, 3, NOW)
    assert [entry.email for entry in found] == ["anna@x.example", "jan@x.example", "j_n@x.example"]
    assert [entry.email for entry in store.database.read_now(suppressions.page, "", found[-1].id, 3, NOW)] == ["ewa@x.example"]
    assert [entry.email for entry in store.database.read_now(suppressions.page, "X.example J_N", 0, 9, NOW)] == ["j_n@x.example"]
    assert store.database.read_now(suppressions.page, "\0", 0, 9, NOW) == []
    assert store.database.read_now(suppressions.page, "", 2**40, 9, NOW) == []


def test_entries_that_ended_are_forgotten_some_at_a_time(store: Store) -> None:
    for number in range(5):
        suppress(store, f"a{number}@x.example", expires_at=NOW + number)
    suppress(store, "stays@x.example", expires_at=None)
    assert store.database.write_now(suppressions.prune_expired, NOW + 3, 3) == 3
    assert store.database.write_now(suppressions.prune_expired, NOW + 3, 3) == 1
    assert store.database.write_now(suppressions.prune_expired, NOW + 3, 3) == 0
    assert store.database.read_now(suppressions.size) == 2


def test_a_bounce_costs_one_statement(store: Store) -> None:
    with counted(store) as statements:
        suppress(store, "a@x.example")
    assert len(statements) == 1


def test_many_addresses_are_explained_at_once(store: Store) -> None:
    """Those on the list only, by their lower-case form; the words are those that SQL gives for one."""
    suppress(store, "Jan@x.example")
    suppress(store, "over@x.example", expires_at=NOW)
    asked = ["JAN@X.example", "over@x.example", *(f"p{number}@x.example" for number in range(600))]
    with counted(store) as statements:
        found = store.database.read_now(suppressions.explanations, asked, NOW)
    assert found == {"jan@x.example": explained(store, "jan@x.example")[1]}
    assert len(statements) == 2, "one for 500"
