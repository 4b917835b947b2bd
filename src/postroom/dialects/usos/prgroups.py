"""services/prgroups: the tree of primary groups (wire/usos.md §4.8)."""

from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.endpoint import Access, ErrorCase, endpoint
from postroom.dialects.usos import errors
from postroom.dialects.usos.arguments import selector, text, texts
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.loading import MOST_IDS, group_nodes, sight_of
from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.objects import PRIMARY_GROUP
from postroom.dialects.usos.selectors import Selection
from postroom.directory import groups
from postroom.directory.values import MAX_KEY
from postroom.storage.database import Tx

_NAME: Final = "services/prgroups/"
_OPEN: Final = Access(consumer="required", token="optional")  # noqa: S106 - a need, no token
_OF_USER: Final = Access(consumer="required", token="required")  # noqa: S106
_DEFAULT: Final = "id|name"


class Shown(Struct, frozen=True):
    """Arguments of ``primary_group``."""

    primary_group_id: Annotated[str, text("Group ID; the empty string is the root.", MAX_KEY, required=True)]
    fields: Annotated[Selection, selector(PRIMARY_GROUP, default=_DEFAULT)]


class ShownTogether(Struct, frozen=True):
    """Arguments of ``primary_groups``."""

    primary_group_ids: Annotated[list[str], texts(f"Group IDs, at most {MOST_IDS}.", required=True, most=MOST_IDS)]
    fields: Annotated[Selection, selector(PRIMARY_GROUP, default=_DEFAULT)]


class Listed(Struct, frozen=True):
    """Arguments of ``user``."""

    fields: Annotated[Selection, selector(PRIMARY_GROUP, default=_DEFAULT, only_primary=True)]


async def _rendered(call: Call, codes: list[str], fields: Selection) -> dict[str, dict[str, object]]:
    def unit(tx: Tx) -> dict[str, dict[str, object]]:
        found = groups.primary_by_codes(tx, codes)
        nodes = group_nodes(tx, sight_of(call), found.values(), fields)
        return {code: fields.render(nodes[group.id]) for code, group in found.items()}

    return await call.read(unit)


@endpoint(
    _NAME + "primary_group",
    Shown,
    access=_OPEN,
    returns="A dictionary of the selected fields and their values.",
    result=PRIMARY_GROUP,
    errors=(ErrorCase(error="object_not_found", param_names=("primary_group_id",), description="the group could not be found"),),
)
async def primary_group(call: Call, given: Shown) -> dict[str, object]:
    """Get information on one primary group.

    The users of groups are for administrative consumers only.
    """
    found = await _rendered(call, [given.primary_group_id], given.fields)
    if given.primary_group_id not in found:
        raise errors.object_not_found("primary_group_id", _NAME + "primary_group")
    return found[given.primary_group_id]


@endpoint(
    _NAME + "primary_groups",
    ShownTogether,
    access=_OPEN,
    returns="A dictionary: group ID → dictionary of the selected fields, or null for a group that could not be found.",
    result=PRIMARY_GROUP,
)
async def primary_groups(call: Call, given: ShownTogether) -> dict[str, object]:
    """Get information on several primary groups.

    The root, whose ID is empty, cannot stand in a list: ask primary_group for it.
    """
    found = await _rendered(call, given.primary_group_ids, given.fields)
    return {code: found.get(code) for code in given.primary_group_ids}


@endpoint(
    _NAME + "user",
    Listed,
    access=_OF_USER,
    returns="A list of dictionaries of the selected fields, by ID.",
    result=PRIMARY_GROUP,
)
async def user(call: Call, given: Listed) -> list[dict[str, object]]:
    """Get the primary groups that the user is in.

    Those that the user is in by name, not the groups above them.
    """

    def unit(tx: Tx) -> list[dict[str, object]]:
        found = groups.primary_of_user(tx, call.user_id)
        nodes = group_nodes(tx, sight_of(call), found, given.fields)
        return [given.fields.render(nodes[group.id]) for group in found]

    return await call.read(unit)


MODULE: Final = Module(
    name="services/prgroups",
    title="Primary groups",
    summary="Walk the tree of primary groups.",
    description="""\
Primary groups are the units of the organisation. They form one tree: whoever is in a group is in all groups above it. The ID of a group
is printable ASCII and extends the ID of the group above it; that of the root is the empty string.""",
    endpoints=(primary_group, primary_groups, user),
)
"""The module; its methods in the order of its page."""
