"""Private messages: recipients, folders, threads, sending, marking and deleting (wire/schoology.md §1.2 to §1.4, §7.1).

Numbers of messages are numbers of threads, the same in both folders. What the setting ``schoology.strict`` refuses, the service
refuses too, though its documentation has it.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from postroom.clock import SECOND
from postroom.dialects.operation import Answer, Operations, operation
from postroom.dialects.schoology import errors
from postroom.dialects.schoology.attachments import attached, attachments_of
from postroom.dialects.schoology.call import Call
from postroom.dialects.schoology.paging import MAX_LIMIT, Page, flag, links, page_of
from postroom.dialects.schoology.records import (
    Links,
    MessageItem,
    MessageList,
    MessageStatus,
    NewMessage,
    RecipientItem,
    RecipientList,
    StatusChange,
    Thread,
)
from postroom.dialects.schoology.sending import as_sent, number_of, private_message
from postroom.directory import contact_rules
from postroom.directory.records import Person
from postroom.messages import mailboxes, private, threads
from postroom.messages.mailboxes import Folder, ThreadLine
from postroom.storage.database import Tx

DIALECT: Final = "schoology"

_Start = Annotated[str, Meta(description="How many items to leave out; 0 for what is no number.")]
_StartId = Annotated[str, Meta(description="The same as start, which has precedence.")]
_Limit = Annotated[str, Meta(description="How many items to return: 20 unless given, at most 200.")]
_WithAttachments = Annotated[str, Meta(description="TRUE: with files, links and embedded pages.")]
_KeepUnread = Annotated[str, Meta(description="TRUE: the thread is not marked read.")]
_Id = Annotated[int, Meta(description="Number of the thread.")]
_Folder = Annotated[Folder, Meta(description="A folder: the same thread is in both.")]


class RecipientParameters(Struct, frozen=True, kw_only=True):
    """Parameters of the list of recipients."""

    start: _Start = ""
    start_id: _StartId = ""
    limit: Annotated[str, Meta(description="How many people to return: 200 unless given, and at most.")] = ""
    picture_size: Annotated[str, Meta(description="big, reg, sm or tiny; there is one size here.")] = ""
    search: Annotated[str, Meta(description="Only people of whose names each of these words begins one.")] = ""


class ListParameters(Struct, frozen=True, kw_only=True):
    """Parameters of a folder."""

    start: _Start = ""
    start_id: _StartId = ""
    limit: _Limit = ""
    with_attachments: _WithAttachments = ""


class ThreadParameters(Struct, frozen=True, kw_only=True):
    """A thread."""

    id: _Id


class ReplyParameters(ThreadParameters, frozen=True, kw_only=True):
    """A thread to answer in."""

    keep_unread: _KeepUnread = ""


class ViewParameters(ReplyParameters, frozen=True, kw_only=True):
    """A thread to look at."""

    with_attachments: _WithAttachments = ""


class FolderThreadParameters(ThreadParameters, frozen=True, kw_only=True):
    """A thread in a folder; the same thread is in both."""

    folder: _Folder


class FolderReplyParameters(ReplyParameters, frozen=True, kw_only=True):
    """A thread in a folder, to answer in."""

    folder: _Folder


class FolderViewParameters(ViewParameters, frozen=True, kw_only=True):
    """A thread in a folder, to look at."""

    folder: _Folder


class SendParameters(Struct, frozen=True, kw_only=True):
    """Parameters of sending."""

    keep_unread: _KeepUnread = ""


_NO_SUCH_THREAD: Final = "There is no such thread, or none that the caller sees; the body is empty."
_REFUSED: Final = "The message cannot be sent so; the body says why."
_STRICT: Final = "A folder is required, unless schoology.strict is off."


@operation("GET", "/messages/recipients", parameters=RecipientParameters, answers={200: RecipientList})
async def list_recipients(call: Call, parameters: RecipientParameters, _body: None) -> Answer:
    """List the people whom the caller may write to.

    By last name, first name and number.
    """
    page = page_of(parameters.start or parameters.start_id, parameters.limit, MAX_LIMIT)
    people, more = await call.read(contact_rules.page, call.settings, call.user_id, page.start, page.limit, parameters.search)
    own = links(call.url("/messages/recipients"), page, {"search": parameters.search}, more=more)
    return Answer(200, RecipientList(recipient=[_recipient(person) for person in people], links=own))


@operation("GET", "/messages/inbox", parameters=ListParameters, answers={200: MessageList})
async def list_inbox(call: Call, parameters: ListParameters, _body: None) -> Answer:
    """List the threads of the inbox, each by its newest message."""
    return await _folder(call, "inbox", parameters)


@operation("GET", "/messages/sent", parameters=ListParameters, answers={200: MessageList})
async def list_sent(call: Call, parameters: ListParameters, _body: None) -> Answer:
    """List the threads that the caller wrote in, each by the newest message of the caller."""
    return await _folder(call, "sent", parameters)


@operation("GET", "/messages/{folder}/{id:int}", parameters=FolderViewParameters, answers={200: Thread}, errors={404: _NO_SUCH_THREAD})
async def view_message(call: Call, parameters: FolderViewParameters, _body: None) -> Answer:
    """Return the messages of a thread, the oldest first, and mark it read."""
    return await _view(call, parameters)


@operation("GET", "/messages/{id:int}", parameters=ViewParameters, answers={200: Thread}, errors={400: _STRICT, 404: _NO_SUCH_THREAD})
async def view_message_without_folder(call: Call, parameters: ViewParameters, _body: None) -> Answer:
    """Return the messages of a thread, the oldest first, and mark it read."""
    _check_not_strict(call)
    return await _view(call, parameters)


@operation(
    "PUT",
    "/messages/{folder}/{id:int}",
    parameters=FolderThreadParameters,
    body=StatusChange,
    answers={204: None},
    errors={400: "The status is neither read nor unread.", 404: _NO_SUCH_THREAD},
)
async def update_message(call: Call, parameters: FolderThreadParameters, body: StatusChange) -> Answer:
    """Mark a thread read or unread; the same in both folders."""
    await call.write(mailboxes.mark, call.user_id, parameters.id, read=body.message_status == "read", now=call.now)
    return Answer(204)


@operation(
    "POST",
    "/messages",
    parameters=SendParameters,
    body=NewMessage,
    answers={201: MessageItem},
    errors={400: _REFUSED, 404: _NO_SUCH_THREAD},
)
async def create_message(call: Call, parameters: SendParameters, body: NewMessage) -> Answer:
    """Send a message; or, with the number of a thread in the body, answer in it."""
    if body.id is None or body.id == "":
        return await _send(call, None, body)
    return await _send(call, number_of(body.id) or 0, body, parameters.keep_unread)


@operation(
    "POST",
    "/messages/{id:int}",
    parameters=ReplyParameters,
    body=NewMessage,
    answers={201: MessageItem},
    errors={400: _REFUSED, 404: _NO_SUCH_THREAD},
)
async def reply(call: Call, parameters: ReplyParameters, body: NewMessage) -> Answer:
    """Answer in a thread, and mark it read."""
    return await _send(call, parameters.id, body, parameters.keep_unread)


@operation(
    "POST",
    "/messages/{folder}/{id:int}",
    parameters=FolderReplyParameters,
    body=NewMessage,
    answers={201: MessageItem},
    errors={400: _REFUSED, 404: _NO_SUCH_THREAD},
)
async def reply_in_folder(call: Call, parameters: FolderReplyParameters, body: NewMessage) -> Answer:
    """Answer in a thread, and mark it read; the same in both folders."""
    return await _send(call, parameters.id, body, parameters.keep_unread)


@operation("DELETE", "/messages/{folder}/{id:int}", parameters=FolderThreadParameters, answers={204: None}, errors={404: _NO_SUCH_THREAD})
async def delete_message(call: Call, parameters: FolderThreadParameters, _body: None) -> Answer:
    """Delete a thread from both folders, for the caller alone; nothing is un-sent."""
    return await _delete(call, parameters.id)


@operation("DELETE", "/messages/{id:int}", parameters=ThreadParameters, answers={204: None}, errors={400: _STRICT, 404: _NO_SUCH_THREAD})
async def delete_message_without_folder(call: Call, parameters: ThreadParameters, _body: None) -> Answer:
    """Delete a thread from both folders, for the caller alone; nothing is un-sent."""
    _check_not_strict(call)
    return await _delete(call, parameters.id)


OPERATIONS: Final[Operations] = (
    list_recipients,
    list_inbox,
    list_sent,
    create_message,
    view_message_without_folder,
    reply,
    delete_message_without_folder,
    view_message,
    update_message,
    reply_in_folder,
    delete_message,
)
"""Everything here, in the order of routing."""


def _check_not_strict(call: Call) -> None:
    if call.settings.schoology.strict:
        raise errors.invalid("Name a folder: inbox or sent")


async def _folder(call: Call, folder: Folder, parameters: ListParameters) -> Answer:
    page = page_of(parameters.start or parameters.start_id, parameters.limit)
    lines, more, unread = await call.read(_page, call.user_id, folder, page)
    url = call.url(f"/messages/{folder}")
    items = [_item(line, "read" if line.read else "unread", Links(here=f"{url}/{line.thread_id}")) for line in lines]
    if folder == "sent":  # as the service is (§4.2)
        items = [structs.replace(item, author_id=None, message_status=None) for item in items]
    items = await _with_attachments(call, parameters.with_attachments, lines, items)
    own = links(url, page, {"with_attachments": parameters.with_attachments}, more=more)
    return Answer(200, MessageList(message=items, links=own, unread_count=UNSET if unread is None else str(unread)))


def _page(tx: Tx, user_id: int, folder: Folder, page: Page) -> tuple[list[ThreadLine], bool, int | None]:
    lines, more = mailboxes.page(tx, user_id, folder, page.start, page.limit)
    return lines, more, mailboxes.unread_count(tx, user_id) if folder == "inbox" else None


async def _view(call: Call, parameters: ViewParameters) -> Answer:
    lines = await call.read(mailboxes.thread, call.user_id, parameters.id)
    opened = not flag(parameters.keep_unread)
    if opened and not all(line.read for line in lines):  # what came meanwhile was not shown, and stays unread
        await call.write(threads.mark_read, call.user_id, parameters.id, call.now, up_to=lines[-1].message_id)
    items = [_item(line, "read" if opened or line.read else "unread") for line in lines]
    return Answer(200, Thread(message=await _with_attachments(call, parameters.with_attachments, lines, items)))


async def _with_attachments(call: Call, wanted: str, lines: list[ThreadLine], items: list[MessageItem]) -> list[MessageItem]:
    if not flag(wanted):
        return items
    found = await call.read(attached, [line.message_id for line in lines])
    return [
        structs.replace(item, attachments=attachments_of(call, found[line.message_id])) for item, line in zip(items, lines, strict=True)
    ]


async def _send(call: Call, thread_id: int | None, body: NewMessage, keep_unread: str = "") -> Answer:
    """Begin a thread, or answer in one; once for each idempotency key."""
    user_id, settings = call.user_id, call.settings
    message = private_message(body)

    def unit(tx: Tx) -> object:
        if thread_id is None:
            line = private.send(tx, settings, user_id, message, call.now, DIALECT)
            return msgspec.to_builtins(structs.replace(_item(line), recipient_ids=as_sent(body.recipient_ids)))
        line = private.reply(tx, settings, user_id, thread_id, message, call.now, DIALECT, keep_unread=flag(keep_unread))
        return msgspec.to_builtins(_item(line))

    return Answer(201, msgspec.convert(await call.send(unit), MessageItem))


async def _delete(call: Call, thread_id: int) -> Answer:
    await call.write(mailboxes.delete, call.user_id, thread_id, call.now)
    return Answer(204)


def _item(line: ThreadLine, status: MessageStatus | None = None, own: Links | UnsetType = UNSET) -> MessageItem:
    return MessageItem(
        id=line.thread_id,
        subject=line.subject,
        recipient_ids=",".join(map(str, line.recipient_ids)),
        last_updated=line.at // SECOND,
        author_id=line.author_id or 0,
        message_status=status,
        message=line.content,
        links=own,
    )


def _recipient(person: Person) -> RecipientItem:
    return RecipientItem(
        id=str(person.id),
        name=f"{person.first_name} {person.last_name}".strip(),
        school=person.school or "",
        picture_url=person.picture or "",
    )
