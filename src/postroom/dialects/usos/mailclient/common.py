"""What the methods of services/mailclient share: who may call them, the error cases of their pages, and the shape of small answers."""

from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.endpoint import Access, ErrorCase
from postroom.dialects.usos.arguments import identifier

MODULE: Final = "services/mailclient/"
ACCESS: Final = Access(consumer="required", token="required", scopes=("mailclient",), administrative=None)  # noqa: S106 - a need, no token

NO_MESSAGE: Final = ErrorCase(error="object_not_found", param_names=("message_id",), description="the message could not be found")
NO_ATTACHMENT: Final = ErrorCase(error="object_not_found", param_names=("attachment_id",), description="the attachment could not be found")
NO_ADDRESS: Final = ErrorCase(
    error="object_not_found", param_names=("from_inst_address_id",), description="the institutional address could not be found"
)
UNASSIGNED: Final = ErrorCase(
    error="object_forbidden",
    reasons=("inst_address_unassigned",),
    description="the institutional address is not, or no more, assigned to the user",
)
DRAFT_REQUIRED: Final = ErrorCase(error="object_invalid", reasons=("draft_required",), description="the message is not a draft any more")

NOTHING: Final[dict[str, object]] = {}
"""The answer of methods that have nothing to say. Clients compare it with ``{}``, so no key is ever added (§5.2)."""


class OneMessage(Struct, frozen=True):
    """The argument of methods about one message."""

    message_id: Annotated[int, identifier("Message ID.")]
