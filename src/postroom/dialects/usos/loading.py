"""Fetches what selectors choose of users, institutional addresses and groups, and how much of users the caller may see.

Groups refer to groups to any depth that selectors allow. They are fetched level by level, each group of a level once: the number of
statements depends on the selector, not on what is in the groups, and circles end where the selector does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from postroom.dialects.usos.call import Call
from postroom.dialects.usos.objects import AddressView, GroupNode, UserView
from postroom.dialects.usos.selectors import Selection
from postroom.directory import addresses, contents, groups, people
from postroom.directory.records import Group, InstitutionalAddress, Person
from postroom.errors import TooLarge
from postroom.storage.database import Tx

MAX_OBJECTS: Final = 10_000
"""Objects in one answer, each counted as often as it stands there."""

MOST_IDS: Final = 500
"""IDs that one call may ask for."""

_OTHERS: Final = "other_emails"
_OWN: Final = "email"


class Sight(Struct, frozen=True, kw_only=True):
    """How the caller sees people (wire/usos.md §2.5)."""

    user_id: int | None
    own_address: bool
    all_addresses: bool

    def of(self, person: Person) -> UserView:
        """Return a person as the caller may see them."""
        return UserView(person=person, addresses=self.all_addresses or (self.own_address and person.id == self.user_id))


def sight_of(call: Call) -> Sight:
    """Return how a caller sees people.

    Addresses of everybody are for administrative consumers, tokens with the scope ``other_emails``, and for all where the setting
    ``usos.show_emails`` says so; one's own address is for tokens with the scope ``email``.
    """
    scopes = call.caller.scopes
    return Sight(
        user_id=call.caller.user_id,
        own_address=_OWN in scopes,
        all_addresses=call.administrative or _OTHERS in scopes or call.store.settings.usos.show_emails,
    )


def address_views(tx: Tx, sight: Sight, found: Iterable[InstitutionalAddress], chosen: Selection) -> dict[int, AddressView]:
    """Return addresses by number, with their people if those were chosen. Raises ``TooLarge("fields", …)``."""
    kept = {address.id: address for address in found}
    assigned = addresses.people_of(tx, kept, MAX_OBJECTS) if "users" in chosen else {}
    persons = people.active_by_ids(tx, [number for numbers in assigned.values() for number in numbers])
    return {
        number: AddressView(
            address=address, users=[sight.of(persons[user_id]) for user_id in assigned.get(number, ()) if user_id in persons]
        )
        for number, address in kept.items()
    }


def group_nodes(tx: Tx, sight: Sight, found: Iterable[Group], chosen: Selection) -> dict[int, GroupNode]:
    """Return groups by number, with everything that was chosen of them. Raises ``TooLarge("fields", …)`` for too large an answer."""
    kept = {group.id: group for group in found}
    return _Filler(tx, sight).level(kept, dict.fromkeys(kept, 1), chosen)


class _Filler:
    """Fills groups level by level, until there are too many objects."""

    def __init__(self, tx: Tx, sight: Sight) -> None:
        self._tx = tx
        self._sight = sight
        self._left = MAX_OBJECTS

    def level(self, kept: Mapping[int, Group], times: Mapping[int, int], chosen: Selection) -> dict[int, GroupNode]:
        """Fill the groups of one level; ``times``: how often each stands in the answer."""
        self._spend(sum(times.values()))
        nodes = {number: GroupNode(group=group, groups={}, users=[], emails=[]) for number, group in kept.items()}
        parts = [part for part in contents.PARTS if part in chosen]
        if parts:
            self._fill_members(nodes, times, parts, chosen)
        if "subgroups" in chosen:
            self._refer(nodes, times, "subgroups", contents.children(self._tx, kept.keys(), MAX_OBJECTS), chosen)
        if "parent" in chosen:
            above = groups.by_ids(self._tx, [group.parent_id for group in kept.values() if group.parent_id is not None])
            parents = {number: [above[group.parent_id]] if group.parent_id in above else [] for number, group in kept.items()}
            self._refer(nodes, times, "parent", parents, chosen)
        return nodes

    def _fill_members(
        self, nodes: Mapping[int, GroupNode], times: Mapping[int, int], parts: Sequence[contents.Part], chosen: Selection
    ) -> None:
        held = contents.members(self._tx, nodes.keys(), parts, self._sight.user_id, MAX_OBJECTS)
        self._spend(sum(times[number] * (len(one.users) + len(one.emails)) for number, one in held.items()))
        for number, one in held.items():
            nodes[number].users.extend(map(self._sight.of, one.users))
            nodes[number].emails.extend(one.emails)
        if "primary_groups" in chosen:
            self._refer(nodes, times, "primary_groups", {number: one.primary_groups for number, one in held.items()}, chosen)
        if "custom_groups" in chosen:
            self._refer(nodes, times, "custom_groups", {number: one.custom_groups for number, one in held.items()}, chosen)

    def _refer(
        self, nodes: Mapping[int, GroupNode], times: Mapping[int, int], name: str, below: Mapping[int, Sequence[Group]], chosen: Selection
    ) -> None:
        """Fill the groups that a field refers to, one level further down."""
        kept: dict[int, Group] = {}
        occurring: Counter[int] = Counter()
        for number, found in below.items():
            for group in found:
                kept[group.id] = group
                occurring[group.id] += times[number]
        filled = self.level(kept, occurring, chosen.below(name)) if kept else {}
        for number, found in below.items():
            nodes[number].groups[name] = [filled[group.id] for group in found]

    def _spend(self, objects: int) -> None:
        self._left -= objects
        if self._left < 0:
            raise TooLarge("fields", MAX_OBJECTS)
