"""Calls about a CRM, which there is none of: nothing is linked to anything (wire/onlyoffice.md §1b, §8.22).

What is wrong with a call is told all the same, so that programs behave as they do at the original.
"""

from typing import Final

from msgspec import Struct

from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import argument
from postroom.dialects.onlyoffice.operation import Operations, operation


class Entity(Struct, frozen=True, kw_only=True):
    """Something in a CRM."""

    id: int = 0
    type: int = 0
    """1 contact, 2 case, 3 opportunity."""


class Linking(Struct, frozen=True, kw_only=True):
    """Which message, or the conversation of which, and what it is to be linked to."""

    id_message: Long = 0
    crm_contact_ids: list[Entity] = []


class Asking(Struct, frozen=True, kw_only=True):
    """Which message."""

    message_id: Long = 0


class LinkStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether a conversation is linked to something."""

    message_id: int
    is_linked: bool


class LinkedEntity(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that a conversation is linked to."""

    id: int
    type: int
    entity_type_name: str


@operation("PUT", "/mail/messages/crm/export", Linking, result=None)
async def export_message(_call: Call, given: Linking) -> None:
    """Take note of a message in the history of contacts of a CRM: nothing, since there is none."""
    _check(given)


@operation("PUT", "/mail/conversations/crm/link", Linking, result=None)
async def link_conversation(_call: Call, given: Linking) -> None:
    """Link a conversation to contacts of a CRM: nothing, since there is none."""
    _check(given)


@operation("PUT", "/mail/conversations/crm/mark", Linking, result=None)
async def mark_conversation(_call: Call, given: Linking) -> None:
    """Link a conversation to more of a CRM: nothing, since there is none."""
    _check(given)


@operation("PUT", "/mail/conversations/crm/unmark", Linking, result=None)
async def unmark_conversation(_call: Call, given: Linking) -> None:
    """Undo links of a conversation: nothing, since there are none."""
    _check(given)


@operation("GET", "/mail/conversations/link/crm/status", Asking, result=LinkStatus)
async def get_link_status(_call: Call, given: Asking) -> LinkStatus:
    """Tell whether a conversation is linked to something of a CRM: never."""
    if given.message_id <= 0:
        raise argument("Invalid message id", "message_id")
    return LinkStatus(message_id=given.message_id, is_linked=False)


@operation("GET", "/mail/crm/linked/entities", Asking, result=list[LinkedEntity])
async def get_linked_entities(_call: Call, given: Asking) -> list[LinkedEntity]:
    """List what of a CRM a conversation is linked to: nothing."""
    if given.message_id <= 0:
        raise argument("meesage_id must be positive integer", "message_id")  # as the original spells it
    return []


def _check(given: Linking) -> None:
    if given.id_message <= 0:
        raise argument("Invalid message id", "id_message")
    if not given.crm_contact_ids:
        raise argument("Invalid contact ids list", "crm_contact_ids")


OPERATIONS: Final[Operations] = (
    export_message,
    link_conversation,
    mark_conversation,
    unmark_conversation,
    get_link_status,
    get_linked_entities,
)
