"""A method of the agent, declared once: routing, binding, answers, descriptions and the OpenAPI document come from here.

A handler is a function ``async (call, request)``; its docstring says what it does. It returns what ``result`` says, or ``None`` where
nothing was found, which is answered as null (wire/superoffice.md §3.5).
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct

from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.wire_types import fields_of, kind_of

R = TypeVar("R", bound=Struct)

Place = Literal["body", "query"]


class Method(Struct, Generic[R], frozen=True, kw_only=True, eq=False):
    """One method."""

    name: str
    request: type[R]
    """What is read, from where ``place`` says; ``Nothing``: the body is not looked at."""
    result: Any
    """A carrier, a list of some, a text, a number, a truth value, ``bytes`` (base64), a ``Stream``; ``None``: 204."""
    place: Place
    summary: str
    handler: Callable[[Call, R], Awaitable[object]]


Methods = tuple[Method[Any], ...]


def method(
    name: str, request: type[R], result: object, *, place: Place = "body"
) -> Callable[[Callable[[Call, R], Awaitable[object]]], Method[R]]:
    """Turn a handler into a ``Method``. Raises ``TypeError`` for a name that the agent lacks, or a type that no carrier may hold."""
    if name not in NAMES:
        raise TypeError(f"the agent has no method {name}")
    fields_of(request)
    if result is not None:
        kind_of(result)

    def declare(handler: Callable[[Call, R], Awaitable[object]]) -> Method[R]:
        summary = " ".join((inspect.getdoc(handler) or "").split())
        return Method(name=name, request=request, result=result, place=place, summary=summary, handler=handler)

    return declare


NAMES: Final = (
    "GetEMailAsEmlStream",
    "GetEMail",
    "GetUnsanitizedEMail",
    "MarkEmailsAsRead",
    "DeleteEmails",
    "MoveEmailsToTrash",
    "Save",
    "SaveToMailServer",
    "Send",
    "CreateForwardEmail",
    "FindContactOrPersonByEmailName",
    "FindContactOrPersonByEmailNameWithLimit",
    "RefreshFolderForAssociate",
    "GetNewMail",
    "CacheFolderList",
    "MoveEmailsToFolder",
    "GetMailFromMessageId",
    "GetMailFromInReplyTo",
    "SendAndSaveEmailToTmpDocument",
    "SaveEmailToTmpDocument",
    "CreateNewPhysicalDocumentFromEmailAttachment",
    "CreateNewPhysicalDocumentFromEmail",
    "SaveDraft",
    "SetRepliedAt",
    "GetEMailFromDocumentIdWithoutAttachmentStream",
    "GetUnsanitizedEMailFromDocumentIdWithoutAttachmentStream",
    "GetAttachmentFromId",
    "GetPreviewAttachmentFromId",
    "GetUnsanitizedPreviewAttachmentFromId",
    "GetPreviewAttachmentFromDocId",
    "GetUnsanitizedPreviewAttachmentFromDocId",
    "TestAuthenticate",
    "ToggleSubscription",
    "HasNewMail",
    "LatestItemIdByFolder",
    "CreateInlineHtmlHeader",
    "GetEmailAppointment",
    "GetEmailAppointmentRecurrence",
    "GetParticipantInfoFromEmailAddress",
    "GetEmailDocumentAsMimeStream",
    "CreateDefaultEMailEnvelope",
    "CreateDefaultEMailFolder",
    "CreateDefaultEMailSOInfo",
    "GetEMailSOInfo",
    "GetReadySyncEmailAccounts",
    "SyncEmailAccount",
    "SyncEmailAccounts",
    "CreateDefaultEMailAccount",
    "SaveEMailAccount",
    "DeleteEMailAccount",
    "GetEMailAccount",
    "GetEMailAccountFromEMailAddress",
    "GetCurrentAccountId",
    "GetCurrentAccount",
    "CreateDefaultEMailAddress",
    "GetPersonEntitiesFromEmailAddress",
    "GetPersonsFromEmailAddress",
    "HasMXRecord",
    "HasSPFRecord",
    "ResolveEMailRecipients",
    "CreateDefaultEMailAppointment",
    "CreateDefaultEMailAttachment",
    "CreateDefaultEMailConnectionInfo",
    "CreateDefaultEMailConnectionInfoExtended",
    "CreateDefaultEMailCustomHeader",
    "CreateDefaultEMailEntity",
    "GetEMailFromId",
    "GetEMailFromServerIdentifier",
    "SendEMails",
    "SaveEMail",
    "AuthenticateIncoming",
    "AuthenticateOutgoing",
    "GetFolderList",
    "GetAttachment",
    "GetAttachmentFromServerIdentifier",
    "MarkAsRead",
    "MarkAsReadFromServerIdentifiers",
    "GetFolderEMailCount",
    "Delete",
    "DeleteFromServerIdentifier",
    "MoveToFolder",
    "MoveToFolderFromServerIdentifier",
    "EmptyFolder",
    "GetEMailAsStream",
    "GetEMailAsStreamFromServerIdentifier",
    "FindAddress",
    "GetEMailFromDocumentId",
    "GetUnsanitizedEMailFromDocumentId",
    "GetEMailFromAttachmentId",
    "GetUnsanitizedEMailFromAttachmentId",
    "GetEMailFromDocumentAttachmentId",
    "GetUnsanitizedEMailFromDocumentAttachmentId",
    "GetEMailEnvelopes",
    "GetEMailEnvelopesFromServerIds",
    "SetSubscription",
    "CreateFolder",
    "DeleteFolder",
    "CreateEMailFromDocumentEntity",
    "CreateEMailFromMimeMessage",
    "GetFolderInfo",
    "GetFolderHasNewEMail",
    "GetEMailAddresses",
    "RefreshFolder",
    "GetEMailFromTemp",
    "Authenticate",
    "GetEmailMessageIds",
    "GetExtendedEmailMessageIds",
    "GetEmailsAsString",
    "DeleteExtended",
    "RelayMessage",
)
"""Every method of the agent (§1.4), served here or not."""
