"""The recipients group of a message: the groups, people and bare addresses that its author named, before expansion.

Only drafts have one that can change. Each call that names at least one part makes the roll outdated, even when the part is
what it was before: ``roll.refresh`` must follow before sending (contract: USOS ``update_recipients_group``).
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy import update as update_rows

from postroom.directory import emails, groups, people
from postroom.directory.records import Group
from postroom.directory.values import known
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.messages import drafts
from postroom.messages.records import Audience, AudienceChange
from postroom.storage.database import Tx
from postroom.storage.tables import audience, messages
from postroom.storage.tables import groups as group_rows

MAX_ENTRIES: Final = 10_000
"""Entries in each of the four lists; larger audiences are what groups are for."""

_NAMED: Final = 5
"""Bad addresses that an error names at most."""

_SHOWN: Final = 100
"""Characters of each that it shows."""

Key = TypeVar("Key", bound=Hashable)


def get(tx: Tx, message_id: int) -> Audience:
    """Return the recipients group of a message, in one query; each list in the order in which entries were added."""
    columns = (audience.c.user_id, audience.c.email, *(group_rows.c[name].label(f"group_{name}") for name in Group.__struct_fields__))
    source = audience.outerjoin(group_rows, group_rows.c.id == audience.c.group_id)
    found = Audience(primary_groups=[], custom_groups=[], user_ids=[], emails=[])
    for row in tx.execute(select(*columns).select_from(source).where(audience.c.message_id == message_id).order_by(audience.c.id)):
        if row.user_id is not None:
            found.user_ids.append(row.user_id)
        elif row.email is not None:
            found.emails.append(row.email)
        else:
            group = Group(**{name: getattr(row, f"group_{name}") for name in Group.__struct_fields__})
            (found.primary_groups if group.kind == "primary" else found.custom_groups).append(group)
    return found


def update(tx: Tx, author_id: int, message_id: int, change: AudienceChange, *, strict: bool, now: int) -> None:
    """Replace each list that ``change`` gives; repeated entries count once, addresses regardless of case.

    A primary group, custom group or person that does not exist raises ``NotFound`` (kind ``primary_group``,
    ``custom_group``, ``user``) when ``strict``, else is dropped in silence. Other people's custom groups and inactive people
    count as missing. A malformed address raises ``Invalid("emails", …)`` always: ``strict`` speaks of references only. Checked in
    this order: lengths (``TooLarge``), addresses, the message (``NotFound("message", id)``,
    ``WrongState("draft_required")``), primary groups, custom groups, people.
    """
    _check_sizes(change)
    addresses = None if change.emails is None else _checked_emails(change.emails)
    drafts.locked_draft(tx, author_id, message_id)
    if change == AudienceChange():
        return
    if change.primary_group_codes is not None:
        _replace(tx, message_id, _of_kinds("primary"), "group_id", _primary(tx, change.primary_group_codes, strict=strict))
    if change.custom_group_ids is not None:
        _replace(tx, message_id, _of_kinds("custom", "course"), "group_id", _custom(tx, author_id, change.custom_group_ids, strict=strict))
    if change.user_ids is not None:
        _replace(tx, message_id, audience.c.user_id.is_not(None), "user_id", _people(tx, change.user_ids, strict=strict))
    if addresses is not None:
        _replace(tx, message_id, audience.c.email.is_not(None), "email", addresses)
    values = {"audience_version": messages.c.audience_version + 1, "modified_at": now}
    tx.execute(update_rows(messages).where(messages.c.id == message_id).values(values))


def _check_sizes(change: AudienceChange) -> None:
    for name in AudienceChange.__struct_fields__:
        if len(getattr(change, name) or ()) > MAX_ENTRIES:
            raise TooLarge(name, MAX_ENTRIES)


def _checked_emails(given: Iterable[str]) -> list[str]:
    """Normalise addresses and drop repeated ones. Raises ``Invalid`` that names the first bad ones."""
    good, bad = emails.unique(given)
    if bad:
        raise Invalid("emails", "not an address: " + ", ".join(repr(address[:_SHOWN]) for address in bad[:_NAMED]))
    return good


def _primary(tx: Tx, codes: Sequence[str], *, strict: bool) -> list[int]:
    found = groups.primary_by_codes(tx, codes)
    return [found[code].id for code in _existing("primary_group", codes, found.__contains__, strict=strict)]


def _custom(tx: Tx, author_id: int, ids: Sequence[int], *, strict: bool) -> list[int]:
    found = groups.by_ids(tx, known(ids))
    usable = {number for number, group in found.items() if group.kind != "primary" and groups.usable_by(group, author_id)}
    return _existing("custom_group", ids, usable.__contains__, strict=strict)


def _people(tx: Tx, ids: Sequence[int], *, strict: bool) -> list[int]:
    return _existing("user", ids, people.existing_ids(tx, known(ids)).__contains__, strict=strict)


def _existing(kind: str, keys: Iterable[Key], exists: Callable[[Key], bool], *, strict: bool) -> list[Key]:
    """Return the keys that exist, each once, in the order given. Raises ``NotFound`` for the first missing one when ``strict``."""
    kept: list[Key] = []
    for key in dict.fromkeys(keys):
        if exists(key):
            kept.append(key)
        elif strict:
            raise NotFound(kind, key)
    return kept


def _of_kinds(*kinds: str) -> ColumnElement[bool]:
    return audience.c.group_id.in_(select(group_rows.c.id).where(group_rows.c.kind.in_(kinds)))


def _replace(tx: Tx, message_id: int, part: ColumnElement[bool], column: str, values: Iterable[Any]) -> None:
    tx.execute(delete(audience).where(audience.c.message_id == message_id, part))
    rows = [{"message_id": message_id, column: value} for value in values]
    if rows:
        tx.execute(insert(audience), rows)
