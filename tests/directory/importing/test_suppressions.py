"""Importing the suppression list: all of it, or line numbers of what is wrong and nothing."""

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.clock import DAY
from postroom.directory import suppressions
from postroom.directory.importing import ImportFailed
from postroom.directory.importing.suppressions import SuppressionCounts, import_suppressions, milliseconds, written
from postroom.errors import TooLarge
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000  # 2023-11-14


def read(store: Store, content: str | bytes) -> SuppressionCounts:
    data = content.encode() if isinstance(content, str) else content
    return store.database.write_now(import_suppressions, "list.csv", lambda: io.BytesIO(data), NOW)


def listed(store: Store) -> dict[str, tuple[Any, ...]]:
    entries = store.database.read_now(suppressions.page, "", 0, 1_000, NOW)
    return {entry.email: (entry.reason, entry.detail, entry.expires_at) for entry in entries}


def test_a_list_of_addresses_alone(store: Store) -> None:
    assert read(store, "email\na@x.example\nb@X.example\n") == SuppressionCounts(lines=2, added=2, changed=0, lapsed=0)
    assert listed(store) == {"a@x.example": ("import", "", None), "b@x.example": ("import", "", None)}


def test_all_columns_in_any_order(store: Store) -> None:
    read(store, "expires,reason,detail,email\n2024-01-01,complaint,wrote to us,a@x.example\n2024-01-01T01:00:00+01:00,,,b@x.example\n")
    end = 1_704_067_200_000
    assert listed(store) == {"a@x.example": ("complaint", "wrote to us", end), "b@x.example": ("import", "", end)}


def test_lines_merge_as_bounces_do(store: Store) -> None:
    store.database.write_now(suppressions.put, "keep@x.example", "manual", "for good", NOW, expires_at=None)
    counts = read(
        store,
        "email,expires\nkeep@x.example,2024-01-01\nnew@x.example,2025-01-01\nNEW@x.example,2024-01-01\nold@x.example,2020-01-01\n",
    )
    assert counts == SuppressionCounts(lines=4, added=1, changed=0, lapsed=1)
    assert listed(store) == {
        "keep@x.example": ("manual", "for good", None),
        "new@x.example": ("import", "", milliseconds("2025-01-01")),
    }
    assert read(store, "email,expires\nnew@x.example,\n") == SuppressionCounts(lines=1, added=0, changed=1, lapsed=0)


def test_one_bad_line_and_nothing_is_imported(store: Store) -> None:
    with pytest.raises(ImportFailed) as failed:
        read(
            store,
            "email,reason,detail,expires\ngood@x.example,,,\nno address,,,\n,,,\nc@x.example,because,,\n"
            f"d@x.example,,{'x' * 501},\ne@x.example,,,tomorrow\nf@x.example,,,2023-01-01T00:00:00\ng@x.example,,,9999999-01-01\n",
        )
    assert [problem.line for problem in failed.value.problems] == [3, 4, 5, 6, 7, 8, 9]
    assert str(failed.value.problems[0]) == "list.csv:3: email: 'no address' is not an address"
    assert listed(store) == {}


def test_a_file_that_cannot_be_read_is_a_problem(store: Store) -> None:
    def away() -> Any:
        raise FileNotFoundError(2, "No such file")

    with pytest.raises(ImportFailed, match=r"list\.csv: No such file"):
        store.database.write_now(import_suppressions, "list.csv", away, NOW)


def test_a_long_list_takes_a_statement_for_each_500_lines(store: Store) -> None:
    with counted(store) as statements:
        read(store, "email\n" + "\n".join(f"a{number}@x.example" for number in range(2_000)))
    assert len(statements) == 4 + 2


def test_a_list_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.directory.importing.suppressions.MAX_LINES", 2)
    with pytest.raises(TooLarge):
        read(store, "email\na@x.example\nb@x.example\nc@x.example\n")
    assert listed(store) == {}


@pytest.mark.parametrize("at", [None, NOW, NOW + DAY, suppressions.LATEST])
def test_what_is_written_is_read(at: int | None) -> None:
    assert (milliseconds(written(at)) if at is not None else written(at)) == (at if at is not None else "")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda *cells: ("email,expires,reason\n" + ",".join(cells)).encode("utf-8", "surrogatepass"), *[st.text(max_size=20)] * 3
        ),
        st.builds(
            lambda expires: f"email,expires\na@x.example,{expires}".encode(), st.from_regex(r"[0-9]{4,5}-[0-9]{2}-[0-9]{2}(T[0-9:Z+.-]+)?")
        ),
    )
)
def test_any_bytes_are_read_or_refused(sqlite_store: Store, content: bytes) -> None:
    try:
        read(sqlite_store, content)
    except ImportFailed as failed:
        assert failed.problems  # noqa: PT017 - either way is right
