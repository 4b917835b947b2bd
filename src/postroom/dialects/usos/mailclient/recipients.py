"""services/mailclient: the recipients group and the frozen recipients list (wire/usos.md §1.4 rows 10, 11, 12, 17)."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Raw, Struct

from postroom.dialects.endpoint import ErrorCase, endpoint
from postroom.dialects.usos.arguments import boolean, choice, identifier, identifiers, selector, texts
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.formats import ListBuilder
from postroom.dialects.usos.mailclient.common import ACCESS, DRAFT_REQUIRED, MODULE, NO_MESSAGE, NOTHING
from postroom.dialects.usos.objects import GroupNode, UserView
from postroom.dialects.usos.selectors import Selection
from postroom.dialects.usos.wire import RECIPIENT, RECIPIENTS_GROUP, GroupView, RecipientView
from postroom.directory import people
from postroom.messages import audience, drafts, roll
from postroom.messages.records import AudienceChange, EmailSource, Recipient
from postroom.storage.database import Tx

_PAGE: Final = 500
"""Lines of a roll that are read, joined with their people and encoded at a time."""

_SOURCES: Final = ("primary_only", "alt_only", "primary_preferred", "alt_preferred")


class Listed(Struct, frozen=True):
    """Arguments of ``recipients``."""

    message_id: Annotated[int, identifier("Message ID.")]
    fields: Annotated[Selection, selector(RECIPIENT)]


class Grouped(Struct, frozen=True):
    """Arguments of ``recipients_group``."""

    message_id: Annotated[int, identifier("Message ID.")]
    fields: Annotated[Selection, selector(RECIPIENTS_GROUP)]


class Refreshed(Struct, frozen=True):
    """Arguments of ``refresh_recipients``."""

    message_id: Annotated[int, identifier("Message ID.")]
    email_source: Annotated[EmailSource, choice("Which address of each user to send to.", _SOURCES, default="primary_only")]


class Regrouped(Struct, frozen=True):
    """Arguments of ``update_recipients_group``; a list that is absent stays as it is, an empty one is cleared."""

    message_id: Annotated[int, identifier("Message ID.")]
    primary_group_ids: Annotated[list[str] | None, texts("IDs of primary groups.")]
    custom_group_ids: Annotated[dict[str, int] | None, identifiers("IDs of custom groups.")]
    user_ids: Annotated[dict[str, int] | None, identifiers("IDs of users.")]
    emails: Annotated[list[str] | None, texts("Single addresses.")]
    strict: Annotated[bool, boolean("Whether a missing group or user is an error; otherwise it is left out in silence.", default="true")]


@endpoint(
    MODULE + "recipients",
    Listed,
    access=ACCESS,
    returns="A list of dictionaries of the selected fields: the frozen recipients list.",
    result=RECIPIENT,
    errors=(NO_MESSAGE,),
)
async def recipients(call: Call, given: Listed) -> Raw:
    """Get the frozen list of recipients.

    It does not change with the recipients group; see refresh_recipients. The copy that send_to_myself asks for is not listed.
    """

    def unit(tx: Tx) -> Raw:
        drafts.get(tx, call.user_id, given.message_id)
        answer = ListBuilder(call.output)
        after: int | None = None
        while page := roll.page(tx, given.message_id, after, _PAGE):
            answer.extend(_rendered(tx, page, given.fields))
            after = page[-1].id
            if len(page) < _PAGE:
                break
        return answer.finish()

    return await call.read(unit)


@endpoint(
    MODULE + "recipients_group",
    Grouped,
    access=ACCESS,
    returns="A dictionary of the selected fields and their values.",
    result=RECIPIENTS_GROUP,
    errors=(NO_MESSAGE,),
)
async def recipients_group(call: Call, given: Grouped) -> dict[str, object]:
    """Get the content of the recipients group."""

    def unit(tx: Tx) -> GroupView:
        drafts.get(tx, call.user_id, given.message_id)
        group = audience.get(tx, given.message_id)
        persons = people.by_ids(tx, group.user_ids) if "users" in given.fields else {}
        return GroupView(
            primary_groups=[GroupNode(group=one) for one in group.primary_groups],
            custom_groups=[GroupNode(group=one) for one in group.custom_groups],
            users=[UserView(person=persons[number]) for number in group.user_ids if number in persons],
            emails=group.emails,
        )

    return given.fields.render(await call.read(unit))


@endpoint(
    MODULE + "update_recipients_group",
    Regrouped,
    access=ACCESS,
    returns="An empty dictionary.",
    errors=(
        DRAFT_REQUIRED,
        ErrorCase(
            error="object_not_found",
            param_names=("custom_group_ids", "message_id", "primary_group_ids", "user_ids"),
            description="the message could not be found; or, if strict is true, a group or user",
        ),
    ),
)
async def update_recipients_group(call: Call, given: Regrouped) -> dict[str, object]:
    """Change the recipients group of a draft.

    The frozen list does not follow: call refresh_recipients before sending.
    """
    change = AudienceChange(
        primary_group_codes=given.primary_group_ids,
        custom_group_ids=_numbers(given.custom_group_ids),
        user_ids=_numbers(given.user_ids),
        emails=given.emails,
    )
    await call.write(audience.update, call.user_id, given.message_id, change, strict=given.strict, now=call.now)
    return NOTHING


@endpoint(
    MODULE + "refresh_recipients",
    Refreshed,
    access=ACCESS,
    returns="An empty dictionary.",
    errors=(
        ErrorCase(
            error="object_invalid",
            reasons=("draft_required", "recipients_group_modified"),
            description="the message is not a draft any more, or its group was changed at the same time",
        ),
        NO_MESSAGE,
    ),
)
async def refresh_recipients(call: Call, given: Refreshed) -> dict[str, object]:
    """Regenerate the frozen list of recipients of a draft out of its recipients group.

    This may take some time for large groups. The list is valid for 24 hours, or until the group is changed.
    """
    before = await call.read(drafts.get, call.user_id, given.message_id)
    await call.write(roll.refresh, call.user_id, given.message_id, given.email_source, call.now, expected_version=before.audience_version)
    return NOTHING


def _rendered(tx: Tx, page: Sequence[Recipient], fields: Selection) -> list[dict[str, object]]:
    numbers = [line.user_id for line in page if line.user_id is not None] if "user" in fields else []
    persons = {number: UserView(person=person) for number, person in people.by_ids(tx, numbers).items()} if numbers else {}
    return [fields.render(RecipientView(recipient=line, user=None if line.user_id is None else persons.get(line.user_id))) for line in page]


def _numbers(given: dict[str, int] | None) -> list[int] | None:
    return None if given is None else list(given.values())
