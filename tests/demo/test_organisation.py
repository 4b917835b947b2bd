"""The example organisation is what docs/demo.md says, and imports cleanly."""

import csv
import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from postroom.demo import letter
from postroom.demo.installation import ORGANISATION
from postroom.directory.importing import import_folder
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import group_members, groups, institutional_addresses, users

RESERVED = ("example.org", "example.com", "example.net", "example.edu")


def _rows(name: str) -> list[dict[str, str]]:
    with (ORGANISATION / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    generator = Path(__file__).parents[2] / "tools" / "make_organisation.py"
    subprocess.run([sys.executable, generator, tmp_path], check=True, timeout=60)
    for file in sorted(ORGANISATION.glob("*.csv")):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_every_address_is_in_a_domain_reserved_for_examples() -> None:
    people = [row[column] for row in _rows("people.csv") for column in ("email", "alt_email")]
    bare = [row["member"] for row in _rows("memberships.csv") if row["member_kind"] == "email"]
    for address in filter(None, [*people, *bare, *(row["email"] for row in _rows("addresses.csv")), *letter.EMAILS]):
        domain = address.lower().rpartition("@")[2]
        assert any(domain == name or domain.endswith(f".{name}") for name in RESERVED), address


def test_people_without_address_and_with_an_alternative_one_only_are_among_them() -> None:
    people = _rows("people.csv")
    assert len(people) == 2_000
    assert sum(not row["email"] and not row["alt_email"] for row in people) > 20
    assert sum(not row["email"] and bool(row["alt_email"]) for row in people) > 20


def test_custom_groups_hold_one_another_in_a_circle() -> None:
    inside: dict[str, set[str]] = {}
    for row in _rows("memberships.csv"):
        if row["member_kind"] == "group":
            inside.setdefault(f"{row['group_kind']}:{row['group_code']}", set()).add(row["member"])
    reached, waiting = set[str](), {"custom:senat"}
    while waiting:
        waiting = {inner for group in waiting for inner in inside.get(group, ())} - reached
        reached |= waiting
    assert "custom:senat" in reached


def test_imports_cleanly_and_twice(store: Store) -> None:
    for _ in range(2):
        import_folder(store.database, ORGANISATION)
        assert store.database.read_now(_sizes) == (2_000, len(_rows("groups.csv")), len(_rows("memberships.csv")), 8)


def _sizes(tx: Tx) -> tuple[int, ...]:
    tables = (users, groups, group_members, institutional_addresses)
    return tuple(tx.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
