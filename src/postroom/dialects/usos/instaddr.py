"""services/instaddr: institutional addresses and who may send from them (wire/usos.md §4.7)."""

from typing import Annotated, Final

from msgspec import Raw, Struct

from postroom.dialects.endpoint import Access, ErrorCase, endpoint
from postroom.dialects.usos import errors, wire
from postroom.dialects.usos.arguments import identifier, identifiers, selector, text
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.formats import ListBuilder
from postroom.dialects.usos.loading import MOST_IDS, address_views, sight_of
from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.objects import INSTITUTIONAL_ADDRESS
from postroom.dialects.usos.selectors import Selection
from postroom.directory import addresses
from postroom.directory.values import MAX_NAME
from postroom.mailbox import MAX_EMAIL
from postroom.storage.database import Tx

_NAME: Final = "services/instaddr/"
_OPEN: Final = Access(consumer="required", token="optional")  # noqa: S106 - a need, no token
_ADMINISTRATIVE: Final = Access(consumer="required", token="optional", administrative=True)  # noqa: S106
_OF_USER: Final = Access(consumer="required", token="required", administrative=True)  # noqa: S106
_DEFAULT: Final = "id|name|email"
_PAGE: Final = 500
_NOTHING: Final[dict[str, object]] = {}

_NO_ADDRESS: Final = ErrorCase(error="object_not_found", param_names=("inst_address_id",), description="the address could not be found")


class Listed(Struct, frozen=True):
    """Arguments of ``all`` and ``user``."""

    fields: Annotated[Selection, selector(INSTITUTIONAL_ADDRESS, default=_DEFAULT, only_primary=True)]


class Shown(Struct, frozen=True):
    """Arguments of ``inst_address``."""

    inst_address_id: Annotated[int, identifier("Address ID.")]
    fields: Annotated[Selection, selector(INSTITUTIONAL_ADDRESS, default=_DEFAULT)]


class ShownTogether(Struct, frozen=True):
    """Arguments of ``inst_addresses``."""

    inst_address_ids: Annotated[dict[str, int], identifiers(f"Address IDs, at most {MOST_IDS}.", required=True, most=MOST_IDS)]
    fields: Annotated[Selection, selector(INSTITUTIONAL_ADDRESS, default=_DEFAULT)]


class Created(Struct, frozen=True):
    """Arguments of ``create``."""

    name: Annotated[str, text("Name of the sender, as recipients see it.", MAX_NAME, required=True)]
    email: Annotated[str, text("The address.", 2 * MAX_EMAIL, required=True)]


class Changed(Struct, frozen=True):
    """Arguments of ``update``; what is absent stays as it is."""

    inst_address_id: Annotated[int, identifier("Address ID.")]
    name: Annotated[str | None, text("Name of the sender, as recipients see it.", MAX_NAME)]
    email: Annotated[str | None, text("The address.", 2 * MAX_EMAIL)]


class Deleted(Struct, frozen=True):
    """Arguments of ``delete``."""

    inst_address_ids: Annotated[dict[str, int], identifiers("Address IDs.", required=True)]


class Assigned(Struct, frozen=True):
    """Arguments of ``update_user``."""

    user_id: Annotated[int, identifier("User ID.")]
    inst_address_ids: Annotated[
        dict[str, int], identifiers(f"IDs of all addresses that the user may send from, at most {MOST_IDS}.", required=True, most=MOST_IDS)
    ]


@endpoint(
    _NAME + "all",
    Listed,
    access=_ADMINISTRATIVE,
    returns="A list of dictionaries of the selected fields, oldest address first.",
    result=INSTITUTIONAL_ADDRESS,
    errors=(ErrorCase(error="method_forbidden", reasons=("token_present",), description="the method was called on behalf of a user"),),
)
async def all_addresses(call: Call, given: Listed) -> Raw:
    """Get all institutional addresses.

    Not on behalf of a user: without an access token and as_user_id.
    """
    if call.caller.user_id is not None:
        raise errors.method_forbidden("token_present")

    def unit(tx: Tx) -> Raw:
        answer = ListBuilder(call.output)
        after = 0
        while page := addresses.page(tx, after, _PAGE):
            answer.extend([given.fields.render(view) for view in address_views(tx, sight_of(call), page, given.fields).values()])
            after = page[-1].id
        return answer.finish()

    return await call.read(unit)


@endpoint(
    _NAME + "create",
    Created,
    access=_ADMINISTRATIVE,
    returns='A dictionary {"inst_address_id": ID of the new address}.',
)
async def create(call: Call, given: Created) -> dict[str, object]:
    """Create an institutional address.

    Nobody may send from it until update_user says so.
    """
    return {"inst_address_id": str(await call.write(addresses.add, given.email, given.name, call.now))}


@endpoint(
    _NAME + "delete",
    Deleted,
    access=_ADMINISTRATIVE,
    returns='A dictionary {"matched": list of IDs of the addresses that were deleted}.',
)
async def delete(call: Call, given: Deleted) -> dict[str, object]:
    """Delete institutional addresses.

    Messages from one of them are kept, and become messages from their authors' own addresses.
    """
    return {"matched": wire.ids(await call.write(addresses.remove, given.inst_address_ids.values()))}


async def _rendered(call: Call, numbers: list[int], fields: Selection) -> dict[int, dict[str, object]]:
    def unit(tx: Tx) -> dict[int, dict[str, object]]:
        views = address_views(tx, sight_of(call), addresses.by_ids(tx, numbers).values(), fields)
        return {number: fields.render(view) for number, view in views.items()}

    return await call.read(unit)


@endpoint(
    _NAME + "inst_address",
    Shown,
    access=_OPEN,
    returns="A dictionary of the selected fields and their values.",
    result=INSTITUTIONAL_ADDRESS,
    errors=(_NO_ADDRESS,),
)
async def inst_address(call: Call, given: Shown) -> dict[str, object]:
    """Get information on one institutional address."""
    found = await _rendered(call, [given.inst_address_id], given.fields)
    if given.inst_address_id not in found:
        raise errors.object_not_found("inst_address_id", _NAME + "inst_address")
    return found[given.inst_address_id]


@endpoint(
    _NAME + "inst_addresses",
    ShownTogether,
    access=_ADMINISTRATIVE,
    returns="A dictionary: address ID → dictionary of the selected fields, or null for an address that could not be found.",
    result=INSTITUTIONAL_ADDRESS,
)
async def inst_addresses(call: Call, given: ShownTogether) -> dict[str, object]:
    """Get information on several institutional addresses."""
    found = await _rendered(call, list(given.inst_address_ids.values()), given.fields)
    return {key: found.get(number) for key, number in given.inst_address_ids.items()}


@endpoint(
    _NAME + "update",
    Changed,
    access=_ADMINISTRATIVE,
    returns="An empty dictionary.",
    errors=(_NO_ADDRESS,),
)
async def update(call: Call, given: Changed) -> dict[str, object]:
    """Change an institutional address."""
    await call.write(addresses.change, given.inst_address_id, given.email, given.name)
    return _NOTHING


@endpoint(
    _NAME + "update_user",
    Assigned,
    access=_ADMINISTRATIVE,
    returns="An empty dictionary.",
    errors=(
        ErrorCase(
            error="object_not_found",
            param_names=("inst_address_ids", "user_id"),
            description="the user or one of the addresses could not be found",
        ),
    ),
)
async def update_user(call: Call, given: Assigned) -> dict[str, object]:
    """Say which institutional addresses a user may send from.

    Exactly those that are listed; the right to all others is revoked at once, for drafts too.
    """
    await call.write(addresses.assign_exactly, given.user_id, given.inst_address_ids.values(), call.now)
    return _NOTHING


@endpoint(
    _NAME + "user",
    Listed,
    access=_OF_USER,
    returns="A list of dictionaries of the selected fields, oldest address first.",
    result=INSTITUTIONAL_ADDRESS,
)
async def user(call: Call, given: Listed) -> list[dict[str, object]]:
    """Get the institutional addresses that the user may send from."""

    def unit(tx: Tx) -> list[dict[str, object]]:
        views = address_views(tx, sight_of(call), addresses.of_user(tx, call.user_id), given.fields)
        return [given.fields.render(view) for view in views.values()]

    return await call.read(unit)


MODULE: Final = Module(
    name="services/instaddr",
    title="Institutional addresses",
    summary="Look institutional addresses up, and say who may send from them.",
    description="""\
An institutional address, such as that of a dean's office, is one that several users may send from. Their right to it can be revoked at
any time; then drafts from it cannot be sent.""",
    endpoints=(all_addresses, create, delete, inst_address, inst_addresses, update, update_user, user),
)
"""The module; its methods in the order of its page."""
