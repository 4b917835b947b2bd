"""services/csgroups: the groups that a user puts together (wire/usos.md §4.9)."""

from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.endpoint import Access, ErrorCase, endpoint
from postroom.dialects.usos import errors, wire
from postroom.dialects.usos.arguments import boolean, identifier, identifiers, selector, text, texts
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.loading import MOST_IDS, group_nodes, sight_of
from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.objects import CUSTOM_GROUP
from postroom.dialects.usos.selectors import Selection
from postroom.directory import custom_groups as rules
from postroom.directory import groups
from postroom.directory.references import References
from postroom.messages import audience
from postroom.storage.database import Tx

_NAME: Final = "services/csgroups/"
_ACCESS: Final = Access(consumer="required", token="required", scopes=("mailclient",), administrative=None)  # noqa: S106 - a need, no token
_DEFAULT: Final = "id|name"
_NOTHING: Final[dict[str, object]] = {}

_NO_GROUP: Final = ErrorCase(error="object_not_found", param_names=("custom_group_id",), description="the group could not be found")
_NO_MEMBER: Final = ErrorCase(
    error="object_not_found",
    param_names=("custom_group_ids", "primary_group_ids", "user_ids"),
    description="if strict is true: a group or user that is to be in the group could not be found",
)


class Shown(Struct, frozen=True):
    """Arguments of ``custom_group``."""

    custom_group_id: Annotated[int, identifier("Group ID.")]
    fields: Annotated[Selection, selector(CUSTOM_GROUP, default=_DEFAULT)]


class ShownTogether(Struct, frozen=True):
    """Arguments of ``custom_groups``."""

    custom_group_ids: Annotated[dict[str, int], identifiers(f"Group IDs, at most {MOST_IDS}.", required=True, most=MOST_IDS)]
    fields: Annotated[Selection, selector(CUSTOM_GROUP, default=_DEFAULT)]


class Listed(Struct, frozen=True):
    """Arguments of ``user``."""

    fields: Annotated[Selection, selector(CUSTOM_GROUP, default=_DEFAULT, only_primary=True)]


class Created(Struct, frozen=True):
    """Arguments of ``create``."""

    name: Annotated[str, text("Name of the group.", rules.MAX_NAME, required=True)]
    primary_group_ids: Annotated[list[str], texts("IDs of primary groups.", default="")]
    custom_group_ids: Annotated[dict[str, int], identifiers("IDs of custom groups.", default="")]
    user_ids: Annotated[dict[str, int], identifiers("IDs of users.", default="")]
    emails: Annotated[list[str], texts("Single addresses.", default="")]
    strict: Annotated[bool, boolean("Whether a missing group or user is an error; otherwise it is left out in silence.", default="true")]


class Changed(Struct, frozen=True):
    """Arguments of ``update``; what is absent stays as it is, an empty list is cleared."""

    custom_group_id: Annotated[int, identifier("Group ID.")]
    name: Annotated[str | None, text("Name of the group.", rules.MAX_NAME)]
    primary_group_ids: Annotated[list[str] | None, texts("IDs of primary groups.")]
    custom_group_ids: Annotated[dict[str, int] | None, identifiers("IDs of custom groups.")]
    user_ids: Annotated[dict[str, int] | None, identifiers("IDs of users.")]
    emails: Annotated[list[str] | None, texts("Single addresses.")]
    strict: Annotated[bool, boolean("Whether a missing group or user is an error; otherwise it is left out in silence.", default="true")]


class Deleted(Struct, frozen=True):
    """Arguments of ``delete``."""

    custom_group_ids: Annotated[dict[str, int], identifiers("Group IDs.", required=True)]


@endpoint(
    _NAME + "create",
    Created,
    access=_ACCESS,
    returns='A dictionary {"custom_group_id": ID of the new group}.',
    errors=(
        ErrorCase(error="object_invalid", reasons=("custom_group_limit_exceeded",), description="the user has 1,000 groups already"),
        _NO_MEMBER,
    ),
)
async def create(call: Call, given: Created) -> dict[str, object]:
    """Create a custom group."""
    number = await call.write(rules.create, call.user_id, given.name, _references(given), strict=given.strict, now=call.now)
    return {"custom_group_id": str(number)}


async def _rendered(call: Call, numbers: list[int], fields: Selection) -> dict[int, dict[str, object]]:
    """Render those of the groups that the user may write to."""

    def unit(tx: Tx) -> dict[int, dict[str, object]]:
        found = groups.by_ids(tx, numbers)
        usable = [group for group in found.values() if group.kind != "primary" and groups.usable_by(group, call.user_id)]
        nodes = group_nodes(tx, sight_of(call), usable, fields)
        return {number: fields.render(node) for number, node in nodes.items()}

    return await call.read(unit)


@endpoint(
    _NAME + "custom_group",
    Shown,
    access=_ACCESS,
    returns="A dictionary of the selected fields and their values.",
    result=CUSTOM_GROUP,
    errors=(_NO_GROUP,),
)
async def custom_group(call: Call, given: Shown) -> dict[str, object]:
    """Get information on one custom group.

    One of the user's own, or a course group; other people's cannot be found, nor seen in groups that hold them.
    """
    found = await _rendered(call, [given.custom_group_id], given.fields)
    if given.custom_group_id not in found:
        raise errors.object_not_found("custom_group_id", _NAME + "custom_group")
    return found[given.custom_group_id]


@endpoint(
    _NAME + "custom_groups",
    ShownTogether,
    access=_ACCESS,
    returns="A dictionary: group ID → dictionary of the selected fields, or null for a group that could not be found.",
    result=CUSTOM_GROUP,
)
async def custom_groups(call: Call, given: ShownTogether) -> dict[str, object]:
    """Get information on several custom groups."""
    found = await _rendered(call, list(given.custom_group_ids.values()), given.fields)
    return {key: found.get(number) for key, number in given.custom_group_ids.items()}


@endpoint(
    _NAME + "delete",
    Deleted,
    access=_ACCESS,
    returns='A dictionary {"matched": list of IDs of the groups that were deleted}.',
)
async def delete(call: Call, given: Deleted) -> dict[str, object]:
    """Delete custom groups.

    Other groups hold them no more. Drafts that named one name it no more; their recipients lists are outdated.
    """
    return {"matched": wire.ids(await call.write(audience.delete_groups, call.user_id, given.custom_group_ids.values(), call.now))}


@endpoint(
    _NAME + "update",
    Changed,
    access=_ACCESS,
    returns="An empty dictionary.",
    errors=(_NO_GROUP, _NO_MEMBER),
)
async def update(call: Call, given: Changed) -> dict[str, object]:
    """Change a custom group.

    A group cannot hold itself, directly or through others. Recipients lists do not follow: refresh them.
    """
    members = _references(given)
    await call.write(rules.change, call.user_id, given.custom_group_id, given.name, members, strict=given.strict, now=call.now)
    return _NOTHING


@endpoint(
    _NAME + "user",
    Listed,
    access=_ACCESS,
    returns="A list of dictionaries of the selected fields, oldest group first.",
    result=CUSTOM_GROUP,
)
async def user(call: Call, given: Listed) -> list[dict[str, object]]:
    """Get the user's custom groups."""

    def unit(tx: Tx) -> list[dict[str, object]]:
        found = rules.of_owner(tx, call.user_id)
        nodes = group_nodes(tx, sight_of(call), found, given.fields)
        return [given.fields.render(nodes[group.id]) for group in found]

    return await call.read(unit)


def _references(given: Created | Changed) -> References:
    return References(
        primary_group_codes=given.primary_group_ids,
        custom_group_ids=None if given.custom_group_ids is None else list(given.custom_group_ids.values()),
        user_ids=None if given.user_ids is None else list(given.user_ids.values()),
        emails=given.emails,
    )


MODULE: Final = Module(
    name="services/csgroups",
    title="Custom groups",
    summary="Put groups of recipients together.",
    description="""\
A custom group belongs to one user, who alone sees, changes and deletes it, and may write to it. It may hold primary groups, other
custom groups, course groups, users and single addresses.""",
    endpoints=(create, custom_group, custom_groups, delete, update, user),
)
"""The module; its methods in the order of its page."""
