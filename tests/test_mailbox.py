"""What is no address gets in nowhere: it is refused before anything is queued for it, never at the relay."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from postroom.clock import DAY
from postroom.configuration import SettingsError, load
from postroom.directory import addresses, groups, importing, people, suppressions
from postroom.errors import PostroomError
from postroom.mailbox import MAX_EMAIL, is_domain, is_mailbox
from postroom.messages import audience, drafts
from postroom.messages.records import AudienceChange, DraftContent
from postroom.storage.store import Store
from postroom.storage.tables import audience as audience_rows
from postroom.storage.tables import group_members, institutional_addresses, users
from postroom.storage.tables import suppressions as suppression_rows

NOW = 1_700_000_000_000

NO_ADDRESSES = [
    "no address",
    "a@",
    "@x.example",
    "a@b@x.example",
    "a..b@x.example",
    ".a@x.example",
    "a@x..example",
    "a@-x.example",
    "a@x_y.example",
    "a@192.0.2.1",
    "a@[192.0.2.1]",
    '"a b"@x.example',
    "<a@x.example>",
    "Anna <a@x.example>",
    "a@x.example, b@x.example",
    "a@x.example\r\nBcc: b@x.example",
    "a@x.example\0",
    "a\u2028b@x.example",
    "żółw@x.example",
    "a(comment)@x.example",
    "a" * 65 + "@x.example",
    "a@" + "x" * 64 + ".example",
    "a@" + "x." * 124 + "example",
]

Way = Callable[[Store, Path, str], object]


def _write(store: Store, unit: Callable[..., object], *arguments: object) -> object:
    return store.database.write_now(unit, *arguments)


def _author(store: Store) -> int:
    return store.database.write_now(people.add, people.NewPerson(first_name="A", last_name="B", email="author@x.example"), NOW)


def _audience(store: Store, _: Path, address: str) -> object:
    author = _author(store)
    draft = store.database.write_now(drafts.create, author, DraftContent(), NOW, "usos")
    change = AudienceChange(emails=["good@x.example", address])
    return store.database.write_now(audience.update, author, draft, change, strict=False, now=NOW)


def _group(store: Store, _: Path, address: str) -> object:
    author = _author(store)
    group = store.database.write_now(groups.create_custom, author, "Group", NOW)
    return store.database.write_now(groups.add_members, group, emails=["good@x.example", address])


def _imported(store: Store, folder: Path, address: str, **files: str) -> object:
    quoted = '"' + address.replace('"', '""') + '"'
    for name, content in files.items():
        (folder / f"{name}.csv").write_bytes(content.replace("ADDRESS", quoted).encode())
    return importing.import_folder(store.database, folder)


WAYS: dict[str, Way] = {
    "audience": _audience,
    "group": _group,
    "person": lambda store, _, address: _write(store, people.add, people.NewPerson(first_name="A", last_name="B", email=address), NOW),
    "person, alternative": lambda store, _, address: _write(
        store, people.add, people.NewPerson(first_name="A", last_name="B", alt_email=address), NOW
    ),
    "institutional address": lambda store, _, address: _write(store, addresses.add, address, "Office", NOW),
    "imported person": lambda store, folder, address: _imported(
        store, folder, address, people="uid,first_name,last_name,email\n1,A,B,ADDRESS\n"
    ),
    "imported member": lambda store, folder, address: _imported(
        store,
        folder,
        address,
        groups="kind,code,name,parent_code,owner_uid\ncourse,c,C,,\n",
        memberships="group_kind,group_code,member_kind,member\ncourse,c,email,ADDRESS\n",
    ),
    "imported institutional address": lambda store, folder, address: _imported(
        store, folder, address, addresses="email,name,assigned_uids\nADDRESS,Office,\n"
    ),
    "suppression": lambda store, _, address: store.database.write_now(
        suppressions.suppress, address, "hard_bounce", "", NOW, expires_at=NOW + DAY
    ),
    "no-reply address": lambda _store, _folder, address: load({"POSTROOM_MAIL__NO_REPLY": address}),
    "return path": lambda _store, _folder, address: load({"POSTROOM_MAIL__RETURN_PATH": address}),
}


def kept(store: Store) -> set[str]:
    """Every address in the store."""
    columns = [table.c.email for table in (users, group_members, institutional_addresses, audience_rows, suppression_rows)]
    return {
        email
        for column in [*columns, users.c.alt_email]
        for email in store.database.read_now(lambda tx, column=column: list(tx.scalars(select(column).where(column.is_not(None)))))
    }


@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_address_gets_in_by_no_way(sqlite_store: Store, tmp_path: Path, way: str) -> None:
    for address in NO_ADDRESSES:
        with pytest.raises((PostroomError, SettingsError)):
            WAYS[way](sqlite_store, tmp_path, address)
    assert kept(sqlite_store) <= {"author@x.example"}


@pytest.mark.parametrize("way", WAYS)
def test_an_address_gets_in_by_every_way(sqlite_store: Store, tmp_path: Path, way: str) -> None:
    """So the test above refuses for the right reason."""
    WAYS[way](sqlite_store, tmp_path, "o'neil+tag@sub.x.example")


def test_lengths_are_counted_to_the_last_character() -> None:
    """RFC 5321 section 4.5.3.1."""
    labels = f"{'a' * 63}.{'b' * 63}.{'c' * 63}"  # 191
    assert is_mailbox(f"{'l' * (MAX_EMAIL - 192)}@{labels}")
    assert not is_mailbox(f"{'l' * (MAX_EMAIL - 191)}@{labels}")
    assert [is_domain(name) for name in ("localhost", "X.Example", "1.example", "example.1", "", ".", "a.", f"{'a' * 64}")] == [
        *[True] * 3,
        *[False] * 5,
    ]
