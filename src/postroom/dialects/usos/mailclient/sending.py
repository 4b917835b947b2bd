"""services/mailclient: send a message, and send it again (wire/usos.md §1.4 rows 13, 14)."""

from typing import Annotated

from msgspec import Struct

from postroom.dialects.endpoint import ErrorCase, endpoint
from postroom.dialects.usos.arguments import identifier, language
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.mailclient.common import ACCESS, MODULE, NO_MESSAGE, NOTHING, UNASSIGNED
from postroom.messages import submission
from postroom.messages.records import Language


class Sent(Struct, frozen=True):
    """Arguments of both methods."""

    message_id: Annotated[int, identifier("Message ID.")]
    lang: Annotated[Language, language("Language of the headers and of the signature that the server adds.")]


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
    """Send a message with status error again, to those recipients whom it did not reach."""
    await call.send(submission.retry, call.store.settings, call.user_id, given.message_id, given.lang, call.now)
    return NOTHING
