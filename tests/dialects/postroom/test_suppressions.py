"""The suppression list over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.directory import suppressions
from tests.dialects.postroom.conftest import Api

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)


def test_an_entry_is_put_read_replaced_and_deleted(api: Api) -> None:
    new = api.one("PUT", "Jan@X.example", json={"detail": "asked by phone"})
    assert new.status_code == 201
    entry = new.json()
    created = entry.pop("created_at")
    assert abs(datetime.fromisoformat(created) - datetime.now(UTC)) < timedelta(minutes=1)
    assert entry == {"email": "Jan@x.example", "reason": "manual", "detail": "asked by phone", "message_id": None, "expires_at": None}
    assert api.one("GET", "jan@x.EXAMPLE").json() == {**entry, "created_at": created}
    replaced = api.one("PUT", "jan@x.example", json={"reason": "complaint", "expires_at": SOON.isoformat()})
    assert (replaced.status_code, replaced.json()["reason"]) == (200, "complaint")
    assert datetime.fromisoformat(replaced.json()["expires_at"]) == SOON
    gone = api.one("DELETE", "JAN@x.example")
    assert (gone.status_code, gone.content) == (204, b"")
    api.refused(api.one("DELETE", "jan@x.example"), 404, "not_found")
    api.refused(api.one("GET", "jan@x.example"), 404, "not_found")


def test_addresses_with_strange_characters(api: Api) -> None:
    """RFC 5321 section 4.1.2 lets a local part hold a slash and a percent sign."""
    assert api.one("PUT", "a/b%2f+c@x.example", json={}).json()["email"] == "a/b%2f+c@x.example"
    assert api.one("GET", "a/b%2f+c@x.example").status_code == 200
    assert api.one("PUT", "jan@bücher.example", json={}).json()["email"] == "jan@xn--bcher-kva.example"
    assert api.one("DELETE", "jan@BÜCHER.example").status_code == 204


def test_the_list_comes_in_pages_and_can_be_searched(api: Api) -> None:
    for number in range(5):
        api.one("PUT", f"a{number}@x.example", json={})
    api.one("PUT", "other@y.example", json={})
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = api.call("GET", "/suppressions", params={"search": "X.Example", "limit": "2", "after": str(after)}).json()
        assert len(page["suppressions"]) <= 2
        seen += [entry["email"] for entry in page["suppressions"]]
        after = page["next"]
    assert seen == [f"a{number}@x.example" for number in range(5)]
    assert api.call("GET", "/suppressions", params={"search": "nobody"}).json() == {"suppressions": [], "next": None}
    assert len(api.call("GET", "/suppressions").json()["suppressions"]) == 6


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=-1", "after"),
        ("search=" + "x" * 255, "search"),
        ("search=%ff", "search"),
        ("search=%00", "search"),
        ("nonsense=1", None),
    ],
)
def test_bad_queries_name_the_parameter(sqlite_api: Api, query: str, parameter: str | None) -> None:
    body = sqlite_api.refused(sqlite_api.call("GET", f"/suppressions?{query}"), 400, "invalid")
    assert body.get("parameter") == parameter


@pytest.mark.parametrize(
    ("email", "body", "parameter"),
    [
        ("no address", {}, "email"),
        ("a@x.example", {"detail": "x" * 501}, "detail"),
        ("a@x.example", {"detail": "two\nlines"}, "detail"),
        ("a@x.example", {"detail": 1}, "detail"),
        ("a@x.example", {"reason": "because"}, "reason"),
        ("a@x.example", {"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ("a@x.example", {"expires_at": "2090-01-01T00:00:00"}, "expires_at"),
        ("a@x.example", {"expires_at": "tomorrow"}, "expires_at"),
        ("a@x.example", {"unknown": 1}, None),
        ("a@x.example", [], None),
    ],
)
def test_bad_entries_name_what_is_wrong_and_change_nothing(sqlite_api: Api, email: str, body: Any, parameter: str | None) -> None:
    answer = sqlite_api.refused(sqlite_api.one("PUT", email, json=body), 400, "invalid")
    assert answer.get("parameter") == parameter
    assert sqlite_api.size() == 0


@pytest.mark.parametrize(
    ("data", "content_type", "status", "error"),
    [
        (b"{", "application/json", 400, "invalid"),
        (b"\xff", "application/json; charset=utf-8", 400, "invalid"),
        (b'{"detail": "\xff"}', "application/json", 400, "invalid"),
        (b"[" * 100_000, "application/json", 400, "invalid"),
        (b"", "application/json", 400, "invalid"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "", 415, "unsupported_media_type"),
        (b" " * 1_048_577, "application/json", 413, "too_large"),
    ],
    ids=range(8),
)
def test_bodies_that_cannot_be_read(sqlite_api: Api, data: bytes, content_type: str, status: int, error: str) -> None:
    response = sqlite_api.one("PUT", "a@x.example", data=data, headers={"Content-Type": content_type})
    sqlite_api.refused(response, status, error)
    assert sqlite_api.size() == 0


def imported(api: Api, content: bytes, content_type: str = "text/csv; charset=utf-8") -> Any:
    return api.call("POST", "/suppressions/import", data=content, headers={"Content-Type": content_type})


def test_a_list_is_imported(api: Api) -> None:
    response = imported(api, b"email,expires\na@x.example,\nb@x.example,2090-01-01\nold@x.example,2020-01-01\n")
    assert (response.status_code, response.json()) == (200, {"lines": 3, "added": 2, "changed": 0, "lapsed": 1})
    assert api.one("GET", "b@x.example").json()["expires_at"] == "2090-01-01T00:00:00Z"


def test_one_wrong_line_is_named_and_nothing_imported(api: Api) -> None:
    body = api.refused(imported(api, b"email\na@x.example\nno address\n"), 400, "import_failed")
    assert body["problems"] == [{"line": 3, "reason": "email: 'no address' is not an address"}]
    assert api.size() == 0


def test_of_many_wrong_lines_the_rest_is_counted(sqlite_api: Api) -> None:
    body = sqlite_api.refused(imported(sqlite_api, b"email\n" + b"x\n" * 60), 400, "import_failed")
    assert (len(body["problems"]), body["omitted"]) == (50, 10)


def test_imports_are_csv_of_bounded_length(sqlite_api: Api) -> None:
    sqlite_api.refused(imported(sqlite_api, b"{}", "application/json"), 415, "unsupported_media_type")
    sqlite_api.refused(imported(sqlite_api, b"email\n" + b"\n" * 1_048_576), 413, "too_large")


def test_what_ended_is_not_listed(api: Api) -> None:
    now = 1_700_000_000_000
    api.store.database.write_now(suppressions.suppress, "a@x.example", "hard_bounce", "550", now, expires_at=now + 1)
    assert api.call("GET", "/suppressions").json()["suppressions"] == []
    api.refused(api.one("DELETE", "a@x.example"), 404, "not_found")
