"""``postroom suppression``: the list in the hands of an operator."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from postroom import clock
from postroom.directory import suppressions
from postroom.storage.store import Store


def entry(place: Store, email: str) -> suppressions.Suppression:
    return place.database.read_now(suppressions.get, email, clock.now())


def test_an_address_is_added_shown_and_removed(run: Any, place: Store) -> None:
    assert run("suppression", "list").out == "Nobody is on the suppression list.\n"
    assert run("suppression", "add", "Jan@X.example", "--detail", "asked by [bold]phone").out == "Added.\n"
    assert (entry(place, "jan@x.example").reason, entry(place, "jan@x.example").expires_at) == ("manual", None)
    assert "asked by [bold]phone" in run("suppression", "list", "JAN").out
    assert "No address" in run("suppression", "list", "ewa").out
    assert "replaced" in run("suppression", "add", "jan@x.example", "--days", "2").out
    assert 0 < (entry(place, "jan@x.example").expires_at or 0) - clock.now() <= 2 * clock.DAY
    assert run("suppression", "remove", "JAN@x.example").out == "Removed.\n"
    gone = run("suppression", "remove", "jan@x.example")
    assert (gone.status, "is not on the list" in gone.err) == (1, True)


@pytest.mark.parametrize("wrong", [["no address"], ["a@x.example", "--detail", "x" * 501], ["a@x.example", "--detail", "a\nb"]])
def test_what_cannot_be_added_is_one_sentence(run: Any, place: Store, wrong: list[str]) -> None:
    assert run("suppression", "add", *wrong).status == 1
    assert place.database.read_now(suppressions.size) == 0


def test_the_list_is_bounded_and_complete_as_json(run: Any, place: Store) -> None:
    for number in range(3):
        run("suppression", "add", f"a{number}@x.example")
    shown = run("suppression", "list", "--limit", "2").out
    assert "a1@x" in shown
    assert "a2@x" not in shown
    assert "There is more" in shown
    lines = [json.loads(line) for line in run("suppression", "list", "--json").out.splitlines()]
    assert [line["email"] for line in lines] == ["a0@x.example", "a1@x.example", "a2@x.example"]


def test_what_is_exported_can_be_imported(run: Any, place: Store, tmp_path: Path) -> None:
    now = clock.now()
    write = place.database.write_now
    write(suppressions.suppress, "a@x.example", "hard_bounce", '550 "no", such', now, expires_at=now // 1000 * 1000 + clock.DAY)
    write(suppressions.put, "b@x.example", "manual", "żółw", now, expires_at=None)
    before = [entry(place, email) for email in ("a@x.example", "b@x.example")]
    (tmp_path / "list.csv").write_text(run("suppression", "export").out, encoding="utf-8")
    for email in ("a@x.example", "b@x.example"):
        run("suppression", "remove", email)
    assert re.search(r"2\W+2\W+0\W+0\b", run("suppression", "import", "list.csv").out)
    after = [entry(place, email) for email in ("a@x.example", "b@x.example")]
    assert [(one.reason, one.detail, one.expires_at) for one in after] == [(one.reason, one.detail, one.expires_at) for one in before]


def test_a_wrong_line_is_named_and_nothing_imported(run: Any, place: Store, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("email,expires\na@x.example,\nb@x.example,soon\n")
    result = run("suppression", "import", "list.csv")
    assert (result.status, "Nothing was imported" in result.err) == (1, True)
    assert re.search(r"list\.csv\W+3\W+expires must be a date", result.err)
    assert place.database.read_now(suppressions.size) == 0
    assert run("suppression", "import", "no-such.csv").status == 2
