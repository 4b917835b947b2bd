"""Methods that show what the frame makes of a request, each under the name of one that the agent has."""

from msgspec import Struct, field

from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailConnectionInfo, EMailEntity
from postroom.dialects.superoffice.operation import method
from postroom.dialects.superoffice.wire_types import Nothing, Stream


class SendEMailsRequest(Struct, rename="pascal", kw_only=True):
    """Of the first method of the contract."""

    outgoing_connection_info: EMailConnectionInfo | None = None
    emails: list[EMailEntity] = []
    sent_items_connection_info: EMailConnectionInfo | None = None


class Numbers(Struct, rename="pascal", kw_only=True):
    """Numbers and a truth value."""

    ids: list[int] = []
    read: bool = False


class Which(Struct, kw_only=True):
    """An argument in the query."""

    number: int = field(default=0, name="eMailAccountId")


@method("SendEMails", SendEMailsRequest, list[EMailEntity])
async def echo(call: Call, request: SendEMailsRequest) -> list[EMailEntity]:
    """Return the mails."""
    return request.emails


@method("SaveEMail", EMailEntity, EMailEntity)
async def first(call: Call, request: EMailEntity) -> EMailEntity | None:
    """Return the mail, or nothing for one without a subject."""
    return request if request.subject else None


@method("MarkEmailsAsRead", Numbers, None)
async def nothing(call: Call, request: Numbers) -> None:
    """Answer nothing."""


@method("RefreshFolder", Numbers, int)
async def count(call: Call, request: Numbers) -> int:
    """Add the numbers."""
    return sum(request.ids)


@method("GetEMailAccount", Which, str, place="query")
async def which(call: Call, request: Which) -> str:
    """Return the number as a text."""
    return f"{request.number} {call.language}"


@method("GetEMailAsStream", Nothing, Stream)
async def stream(call: Call, request: Nothing) -> Stream:
    """Return bytes."""
    return Stream(b"\x00\xffeml")


@method("GetCurrentAccountId", Nothing, int)
async def who(call: Call, request: Nothing) -> int:
    """Return who is calling."""
    return call.user_id


PROBES = (echo, first, nothing, count, which, stream, who)
