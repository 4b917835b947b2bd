"""The recipients group of a message: the groups, people and bare addresses that its author named, before expansion.

Only drafts have one that can change. Each call that names at least one part makes the roll outdated, even when the part is
what it was before: ``roll.refresh`` must follow before sending (contract: USOS ``update_recipients_group``).
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy import update as update_rows

from postroom.directory import custom_groups, references
from postroom.directory.records import Group
from postroom.directory.values import chunks
from postroom.messages import drafts
from postroom.messages.records import Audience, AudienceChange
from postroom.storage.database import Tx
from postroom.storage.tables import audience, messages
from postroom.storage.tables import groups as group_rows


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

    What does not exist is an error when ``strict``, else dropped in silence; a malformed address raises ``Invalid("emails", …)``
    always: ``strict`` speaks of references only. Checked in this order: lengths (``TooLarge``), addresses, the message
    (``NotFound("message", id)``, ``WrongState("draft_required")``), references as ``references.resolve`` has it.
    """
    given = references.checked(change)
    drafts.locked_draft(tx, author_id, message_id)
    if change == AudienceChange():
        return
    found = references.resolve(tx, author_id, given, strict=strict)
    if found.primary_groups is not None:
        _replace(tx, message_id, _of_kinds("primary"), "group_id", found.primary_groups)
    if found.custom_groups is not None:
        _replace(tx, message_id, _of_kinds("custom", "course"), "group_id", found.custom_groups)
    if found.people is not None:
        _replace(tx, message_id, audience.c.user_id.is_not(None), "user_id", found.people)
    if found.emails is not None:
        _replace(tx, message_id, audience.c.email.is_not(None), "email", found.emails)
    _note_change(tx, messages.c.id == message_id, now)


def delete_groups(tx: Tx, owner_id: int, ids: Iterable[int], now: int) -> list[int]:
    """Delete custom groups of a person; return those that were, in the order given. All others are passed over.

    Drafts that named one of them name it no more: their recipients group has changed, so their rolls are outdated.
    """
    own = custom_groups.owned(tx, owner_id, ids)
    for chunk in chunks(own):
        naming = select(audience.c.message_id).where(audience.c.group_id.in_(chunk))
        _note_change(tx, and_(messages.c.status == "draft", messages.c.id.in_(naming)), now)
    custom_groups.delete_owned(tx, own)
    return own


def _of_kinds(*kinds: str) -> ColumnElement[bool]:
    return audience.c.group_id.in_(select(group_rows.c.id).where(group_rows.c.kind.in_(kinds)))


def _replace(tx: Tx, message_id: int, part: ColumnElement[bool], column: str, values: Iterable[Any]) -> None:
    tx.execute(delete(audience).where(audience.c.message_id == message_id, part))
    rows = [{"message_id": message_id, column: value} for value in values]
    if rows:
        tx.execute(insert(audience), rows)


def _note_change(tx: Tx, changed: ColumnElement[bool], now: int) -> None:
    """Make the rolls of messages outdated."""
    tx.execute(update_rows(messages).where(changed).values(audience_version=messages.c.audience_version + 1, modified_at=now))
