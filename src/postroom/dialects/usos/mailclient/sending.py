"""services/mailclient: send a message, send it again, and write and send in one call (wire/usos.md §1.4 rows 13, 14; §7)."""

from typing import Annotated

from msgspec import Struct

from postroom.dialects.endpoint import ErrorCase, endpoint
from postroom.dialects.usos.arguments import identifier, identifiers, language, texts
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.mailclient.common import ACCESS, MODULE, NO_MESSAGE, NOTHING, UNASSIGNED
from postroom.dialects.usos.mailclient.messages import Created, draft_content
from postroom.messages import submission
from postroom.messages.records import AudienceChange, Language
from postroom.storage.database import Tx


class Sent(Struct, frozen=True):
    """Arguments of both methods."""

    message_id: Annotated[int, identifier("Message ID.")]
    lang: Annotated[Language, language("Language of the headers and of the signature that the server adds.")]


class CreatedAndSent(Created, frozen=True):
    """Arguments of ``create_and_send_message``."""

    user_ids: Annotated[dict[str, int] | None, identifiers("IDs of users who get the message, each at the primary address.")]
    emails: Annotated[list[str] | None, texts("Single addresses that get the message.")]
    lang: Annotated[Language, language("Language of the headers and of the signature that the server adds.")]


@endpoint(
    MODULE + "create_and_send_message",
    CreatedAndSent,
    access=ACCESS,
    returns='A dictionary {"message_id": ID of the new message}.',
    errors=(
        UNASSIGNED,
        ErrorCase(
            error="object_invalid",
            reasons=("content_required", "recipients_required", "subject_required"),
            description="the message cannot be sent as it is",
        ),
        ErrorCase(
            error="object_not_found",
            param_names=("from_inst_address_id", "user_ids"),
            description="the institutional address, or a user, could not be found",
        ),
    ),
    sends=True,
)
async def create_and_send_message(call: Call, given: CreatedAndSent) -> dict[str, object]:
    """Create and send a simple message.

    The same as create_message, update_recipients_group, refresh_recipients and send_message one after the other, but all or
    nothing: when the message cannot be sent, none is created. The message and its recipients can be looked at as any other.
    """
    group = AudienceChange(user_ids=None if given.user_ids is None else list(given.user_ids.values()), emails=given.emails)

    def unit(tx: Tx) -> dict[str, object]:
        number = submission.create_and_submit(
            tx, call.store.settings, call.user_id, draft_content(given), group, given.lang, call.now, "usos"
        )
        return {"message_id": str(number)}

    answer: dict[str, object] = await call.send(unit)
    return answer


@endpoint(
    MODULE + "send_message",
    Sent,
    access=ACCESS,
    returns="An empty dictionary.",
    errors=(
        UNASSIGNED,
        ErrorCase(
            error="object_invalid",
            reasons=("content_required", "draft_required", "recipients_outdated", "recipients_required", "subject_required"),
            description="the message cannot be sent as it is",
        ),
        NO_MESSAGE,
    ),
    sends=True,
)
async def send_message(call: Call, given: Sent) -> dict[str, object]:
    """Send a message.

    It must be a draft with a subject, a content, and a recipients list that is up to date and not empty.
    """
    await call.send(submission.submit, call.store.settings, call.user_id, given.message_id, given.lang, call.now)
    return NOTHING


@endpoint(
    MODULE + "retry_send_message",
    Sent,
    access=ACCESS,
    returns="An empty dictionary.",
    errors=(
        UNASSIGNED,
        ErrorCase(error="object_invalid", reasons=("error_required",), description="the status of the message is not error"),
        NO_MESSAGE,
    ),
    sends=True,
)
async def retry_send_message(call: Call, given: Sent) -> dict[str, object]:
    """Send a message with status error again.

    Those recipients whom it did not reach get it.
    """
    await call.send(submission.retry, call.store.settings, call.user_id, given.message_id, given.lang, call.now)
    return NOTHING
