"""The parameters that any list takes (wire/onlyoffice.md §3.6, §3.7)."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.dialects.onlyoffice import lists
from postroom.dialects.onlyoffice.lists import Listing, Shown
from postroom.dialects.onlyoffice.names import Names
from tests.dialects.onlyoffice.probes import ITEMS


def shown(query: str, listing: Listing | None = None) -> Shown:
    names = Names()
    names.add_pairs(parse_qsl(query, keep_blank_values=True))
    return lists.shown(listing or Listing(items=ITEMS), names.root)


def ids(query: str) -> list[int]:
    return [item.id for item in shown(query).items]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 1, 2]),
        ("count=2", [3, 1]),
        ("count=0", [3, 1, 2]),
        ("count=x&startIndex=y", [3, 1, 2]),
        ("count=-1&startIndex=-1", [3, 1, 2]),
        ("startIndex=1", [1, 2]),
        ("STARTINDEX=2", [2]),
        ("startIndex=99999999999999999999999", [3, 1, 2]),
        ("startIndex=9999", []),
        ("sortBy=id", [1, 2, 3]),
        ("sortBy=id&sortOrder=descending", [3, 2, 1]),
        ("sortBy=firstname", [3, 1, 2]),
        ("sortBy=note,id", [2, 3, 1]),
        ("sortBy[]=note&sortBy[]=id", [2, 3, 1]),
        ("sortBy=nothing", [3, 1, 2]),
        ("sortBy=parts", [3, 1, 2]),
        ("filterBy=firstName&filterValue=ADAM", [1]),
        ("filterBy=firstName&filterValue=a&filterOp=contains", [3, 1, 2]),
        ("filterBy=firstName&filterValue=a&filterOp=startsWith", [1]),
        ("filterBy=firstName&filterValue=A&filterOp=endsWith", [3, 2]),
        ("filterBy=firstName&filterValue=A&filterOp=present", []),
        ("filterBy=firstName,note&filterValue=x,ewa", [3, 1]),
        ("filterBy=id&filterValue=2", [2]),
        ("filterBy=id&filterValue=2&filterOp=nonsense", [3, 1, 2]),
        ("filterBy=nothing&filterValue=2", [3, 1, 2]),
        ("filterBy=id", [3, 1, 2]),
        ("fields=id&updatedSince=2026-01-01&type=x", [3, 1, 2]),
    ],
)
def test_what_the_query_wants(query: str, expected: list[int]) -> None:
    assert ids(query) == expected


def test_pages_tell_of_the_next_one_and_of_all() -> None:
    assert shown("count=2") == Shown(items=ITEMS[:2], start=0, next=2, total=3)
    assert shown("count=2&startIndex=1") == Shown(items=ITEMS[1:], start=1)
    assert shown("count=1&startIndex=1") == Shown(items=ITEMS[1:2], start=1, next=2, total=3)


def test_lists_with_pages_of_their_own_are_only_cut() -> None:
    """§3.7."""
    own = Listing(items=ITEMS, total=70, paged=True)
    assert shown("count=2&startIndex=1", own) == Shown(items=ITEMS[:2], next=2, total=70)


def test_no_answer_has_more_than_a_thousand() -> None:
    many = Listing(items=list(range(1_500)))
    for query in ("", "count=5000", "count=0"):
        assert len(shown(query, many).items) == 1_000
    assert shown("sortBy=id&filterBy=id&filterValue=1", many).total == 1_500


NAMES = st.sampled_from(["count", "startIndex", "sortBy", "sortOrder", "filterBy", "filterOp", "filterValue", "sortBy[]", "filterBy[]"])
VALUES = st.one_of(st.sampled_from(["id", "firstName", "note", "parts", "contains", "descending", "-1", "1", ",", ""]), st.text(max_size=5))


@given(st.lists(st.tuples(NAMES, VALUES.filter(lambda text: "\0" not in text)), max_size=8))
def test_whatever_the_query_wants_items_are_shown(pairs: list[tuple[str, str]]) -> None:
    names = Names()
    names.add_pairs(pairs)
    assert set(lists.shown(Listing(items=ITEMS), names.root).items) <= set(ITEMS)
