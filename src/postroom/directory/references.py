"""References to groups, people and bare addresses as a client gives them: four lists, checked and turned into numbers.

Custom groups and the recipients groups of messages are made of them (wire/usos.md §4.4, §4.9).
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from postroom.directory import emails, groups, people
from postroom.errors import NotFound, TooLarge
from postroom.storage.database import Tx

MAX_ENTRIES: Final = 10_000
"""Entries in each of the four lists; larger audiences are what groups are for."""

Key = TypeVar("Key", bound=Hashable)


class References(Struct, frozen=True, kw_only=True):
    """What a client names; ``None``: that list was not given."""

    primary_group_codes: Sequence[str] | None = None
    custom_group_ids: Sequence[int] | None = None
    user_ids: Sequence[int] | None = None
    emails: Sequence[str] | None = None


class Resolved(Struct, frozen=True, kw_only=True):
    """The same as numbers of what exists, each once, in the order given."""

    primary_groups: list[int] | None
    custom_groups: list[int] | None
    people: list[int] | None
    emails: list[str] | None


def checked(given: References) -> References:
    """Return ``given`` with its addresses normalised, each once regardless of case.

    Raises ``TooLarge`` for a list that is too long, and ``Invalid`` that names the first bad addresses.
    """
    for name in References.__struct_fields__:
        if len(getattr(given, name) or ()) > MAX_ENTRIES:
            raise TooLarge(name, MAX_ENTRIES)
    if given.emails is None:
        return given
    return msgspec.structs.replace(given, emails=emails.checked("emails", given.emails))


def resolve(tx: Tx, user_id: int, given: References, *, strict: bool) -> Resolved:
    """Look up what ``checked`` references of a person mean.

    A primary group, custom or course group, or person that does not exist raises ``NotFound`` (kind ``primary_group``,
    ``custom_group``, ``user``, in this order) when ``strict``, else is dropped in silence. Other people's custom groups and
    inactive people count as missing. Groups that are found cannot be deleted until this transaction ends.
    """
    return Resolved(
        primary_groups=None if given.primary_group_codes is None else _primary(tx, given.primary_group_codes, strict=strict),
        custom_groups=None if given.custom_group_ids is None else _custom(tx, user_id, given.custom_group_ids, strict=strict),
        people=None if given.user_ids is None else _people(tx, given.user_ids, strict=strict),
        emails=None if given.emails is None else list(given.emails),
    )


def _primary(tx: Tx, codes: Sequence[str], *, strict: bool) -> list[int]:
    found = groups.primary_by_codes(tx, codes)
    return [found[code].id for code in _existing("primary_group", codes, found.__contains__, strict=strict)]


def _custom(tx: Tx, user_id: int, ids: Sequence[int], *, strict: bool) -> list[int]:
    found = groups.by_ids(tx, ids, held=True)
    usable = {number for number, group in found.items() if group.kind != "primary" and groups.usable_by(group, user_id)}
    return _existing("custom_group", ids, usable.__contains__, strict=strict)


def _people(tx: Tx, ids: Sequence[int], *, strict: bool) -> list[int]:
    return _existing("user", ids, people.existing_ids(tx, ids).__contains__, strict=strict)


def _existing(kind: str, keys: Iterable[Key], exists: Callable[[Key], bool], *, strict: bool) -> list[Key]:
    """Return the keys that exist, each once, in the order given. Raises ``NotFound`` for the first missing one when ``strict``."""
    kept: list[Key] = []
    for key in dict.fromkeys(keys):
        if exists(key):
            kept.append(key)
        elif strict:
            raise NotFound(kind, key)
    return kept
