"""The four files: their columns, and what each value must be like (docs/importing.md)."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from msgspec import Struct
from sqlalchemy import Table

from postroom.directory import emails
from postroom.directory.groups import primary_code_problem
from postroom.directory.importing import staging
from postroom.directory.importing.reading import Columns
from postroom.directory.people import LANGUAGES
from postroom.directory.records import GroupKind
from postroom.directory.values import LARGEST_ID, MAX_KEY, MAX_NAME, MAX_ROLE, MAX_URL
from postroom.mailbox import MAX_EMAIL

PEOPLE: Final = "people.csv"
GROUPS: Final = "groups.csv"
MEMBERSHIPS: Final = "memberships.csv"
ADDRESSES: Final = "addresses.csv"

_KINDS: Final[tuple[str, ...]] = get_args(GroupKind)
_BOOLEANS: Final = {"": True, "true": True, "1": True, "false": False, "0": False}
_MEMBER_KINDS: Final = ("user", "group", "email")
_ID: Final = re.compile("[1-9][0-9]{0,9}")

Staged = Iterator[tuple[Table, dict[str, Any]]]
"""Rows for the temporary tables."""


class Line:
    """The values of one line, read column by column; a column that the file has not got is empty."""

    def __init__(self, number: int, values: dict[str, str], reject: Callable[[int, str], None]) -> None:
        self.number = number
        self._values = values
        self._reject = reject

    def reject(self, reason: str) -> None:
        """Note what is wrong with this line."""
        self._reject(self.number, reason)

    def raw(self, column: str) -> str:
        """Return a value as it stands there."""
        return self._values.get(column, "")

    def text(self, column: str, limit: int, *, required: bool = False) -> str:
        """Return a value of at most ``limit`` characters."""
        value = self._values.get(column, "")
        if len(value) > limit:
            self.reject(f"{column} is longer than {limit} characters")
        elif required and not value:
            self.reject(f"{column} is empty")
        return value

    def choice(self, column: str, options: tuple[str, ...], default: str | None = None) -> str:
        """Return one of ``options``; an empty value stands for ``default``."""
        value = self._values.get(column, "") or default
        if value in options:
            return value
        self.reject(f"{column} must be one of {', '.join(options)}")
        return options[0]

    def email(self, column: str) -> str | None:
        """Return an address in its normal form; ``None`` for an empty value."""
        value = self._values.get(column, "")
        if not value:
            return None
        normal = emails.normalise(value)
        if normal is None:
            self.reject(f"{column}: {value[:MAX_EMAIL]!r} is not an address")
        return normal

    def id(self) -> int | None:
        """Return the number that the row is to have in the store; ``None`` for an empty value."""
        value = self._values.get("id", "")
        if not value:
            return None
        if _ID.fullmatch(value) and int(value) <= LARGEST_ID:
            return int(value)
        self.reject(f"id must be a whole number from 1 to {LARGEST_ID}, in digits, without leading zeros")
        return None

    def forbid(self, column: str, reason: str) -> None:
        """Note a value where there must be none."""
        if self._values.get(column):
            self.reject(f"{column} must be empty: {reason}")


class Format(Struct, frozen=True):
    """How one file is read."""

    name: str
    columns: Columns
    stage: Callable[[Line], Staged]


def _person(line: Line) -> Staged:
    uid = line.text("uid", MAX_KEY, required=True)
    if "|" in uid:
        line.reject("uid must not hold '|', which separates uids")
    first_name, last_name = line.text("first_name", MAX_NAME), line.text("last_name", MAX_NAME)
    if not (first_name or last_name):
        line.reject("first_name and last_name are both empty")
    picture = line.text("picture", MAX_URL)
    if picture and not picture.startswith(("http://", "https://")):
        line.reject("picture must begin with http:// or https://")
    active = _BOOLEANS.get(line.raw("active").lower())
    if active is None:
        line.reject("active must be true or false")
    row = {
        "line": line.number,
        "id": line.id(),
        "uid": uid,
        "first_name": first_name,
        "middle_names": line.text("middle_names", MAX_NAME),
        "last_name": last_name,
        "title_before": line.text("title_before", MAX_NAME),
        "title_after": line.text("title_after", MAX_NAME),
        "email": line.email("email"),
        "alt_email": line.email("alt_email"),
        "language": line.choice("language", LANGUAGES, "pl"),
        "picture": picture or None,
        "school": line.text("school", MAX_NAME) or None,
        "role": line.text("role", MAX_ROLE),
        "active": active is not False,
    }
    if uid:
        yield staging.people, row


def _group(line: Line) -> Staged:
    kind = line.raw("kind")
    if kind not in _KINDS:
        line.reject(f"kind must be one of {', '.join(_KINDS)}")
        return
    code = line.text("code", MAX_KEY, required=kind != "primary")
    row = {"line": line.number, "id": line.id(), "kind": kind, "code": code, "name": line.text("name", MAX_NAME, required=True)}
    owner_uid = line.text("owner_uid", MAX_KEY, required=kind == "custom")
    if kind != "custom":
        line.forbid("owner_uid", "only custom groups have an owner")
    yield staging.groups, row | {"owner_uid": owner_uid or None, "parent_code": _parent(line, kind, code)}


def _parent(line: Line, kind: str, code: str) -> str | None:
    """Return the code of the parent; every primary group but the root has one, and that begins the group's own code."""
    if kind != "primary":
        line.forbid("parent_code", "only primary groups stand in the tree")
        return None
    if not code:
        line.forbid("parent_code", "the group with the empty code is the root")
        return None
    parent_code = line.text("parent_code", MAX_KEY)
    if problem := primary_code_problem(code, parent_code):
        line.reject(problem)
    return parent_code


def _membership(line: Line) -> Staged:
    group_kind, member_kind, member = line.raw("group_kind"), line.raw("member_kind"), line.raw("member")
    if group_kind not in _KINDS:
        line.reject(f"group_kind must be one of {', '.join(_KINDS)}")
        return
    row = dict.fromkeys(("uid", "subgroup_kind", "subgroup_code", "email"))
    if member_kind == "user":
        row["uid"] = line.text("member", MAX_KEY, required=True) or None
    elif member_kind == "email":
        row["email"] = line.email("member")
        line.text("member", 2 * MAX_EMAIL, required=True)
    elif member_kind == "group":
        row["subgroup_kind"], colon, row["subgroup_code"] = member.partition(":")
        if not colon or row["subgroup_kind"] not in _KINDS:
            line.reject(f"member must be a kind ({', '.join(_KINDS)}), a colon and the code of a group")
            return
    elif member_kind or member:
        line.reject(f"member_kind must be one of {', '.join(_MEMBER_KINDS)}; or empty, like member, for a group without members")
        return
    yield staging.memberships, {"line": line.number, "group_kind": group_kind, "group_code": line.text("group_code", MAX_KEY)} | row


def _address(line: Line) -> Staged:
    line.text("email", 2 * MAX_EMAIL, required=True)
    email, name = line.email("email"), line.text("name", MAX_NAME, required=True)
    if email is None:
        return
    yield staging.addresses, {"line": line.number, "id": line.id(), "email": email, "name": name}
    for uid in dict.fromkeys(part.strip() for part in line.raw("assigned_uids").split("|")):
        if uid:
            yield staging.assignments, {"line": line.number, "email": email, "uid": uid}


FORMATS: Final = (
    Format(
        PEOPLE,
        Columns(
            ("uid", "first_name", "last_name"),
            ("middle_names", "title_before", "title_after", "email", "alt_email", "language", "picture", "school", "role", "active", "id"),
        ),
        _person,
    ),
    Format(GROUPS, Columns(("kind", "code", "name", "parent_code", "owner_uid"), ("id",)), _group),
    Format(MEMBERSHIPS, Columns(("group_kind", "group_code", "member_kind", "member")), _membership),
    Format(ADDRESSES, Columns(("email", "name", "assigned_uids"), ("id",)), _address),
)
