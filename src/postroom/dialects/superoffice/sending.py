"""Mails that a person sends, and keeps as drafts (wire/superoffice.md §1.1, §1.2, §7).

A call is accepted as a whole or not at all: every mail of it is on disk, and in the queue, or nothing is. Then it waits for the outcomes.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct, field, structs

from postroom.dialects import blobs
from postroom.dialects.item_numbers import key_of, number_of
from postroom.dialects.superoffice import mail_entities, mail_folders, mail_letters, mailbox, outcomes, servers
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailConnectionInfo, EMailEntity, EMailFlags
from postroom.dialects.superoffice.errors import malformed
from postroom.dialects.superoffice.operation import Methods, method
from postroom.directory.mail_servers import Connection
from postroom.errors import Invalid, PostroomError, TooLarge
from postroom.messages import copies, items, letters
from postroom.messages.copies import ImapAccount
from postroom.messages.item_details import load
from postroom.messages.item_sources import FolderName
from postroom.messages.items import Key
from postroom.messages.letter_outcomes import Outcome
from postroom.messages.letter_records import Letter, SavedLetter
from postroom.messages.letters import Desk
from postroom.storage.database import Tx

MAX_MAILS: Final = 100
"""Mails of one call."""


class SendEMailsRequest(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Mails, the server that is to send them, and the folder that is to keep them."""

    outgoing_connection_info: EMailConnectionInfo | None = None
    emails: list[EMailEntity] = field(default_factory=list)
    sent_items_connection_info: EMailConnectionInfo | None = None


class SendRequest(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Mails."""

    emails: list[EMailEntity] = field(default_factory=list)


class SaveRequest(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail."""

    email: EMailEntity | None = None


class SaveDraftRequest(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mail."""

    entity: EMailEntity | None = None


class _Kept(Struct, frozen=True):
    """What the store has of a mail that was sent."""

    size: int
    account_id: int


@method("SendEMails", SendEMailsRequest, list[EMailEntity])
async def send_emails(call: Call, request: SendEMailsRequest) -> list[EMailEntity]:
    """Send mails, and tell of each whether a mail server has taken it for one recipient or more (IsSent).

    If none got away the answer is an error with the words of the mail server. A mail with a MessageID is sent once, however often the call
    is repeated.
    """
    settings, copy_info = call.settings, request.sent_items_connection_info
    server = servers.checked(settings, "OutgoingConnectionInfo", request.outgoing_connection_info, "smtp")
    copy_server = servers.checked(settings, "SentItemsConnectionInfo", copy_info, "imap")
    folder = servers.folder(copy_server, copy_info) if copy_server is not None and copy_info is not None else None
    return await sent(call, request.emails, _checked(request.emails), server, folder)


@method("Send", SendRequest, list[EMailEntity])
async def send(call: Call, request: SendRequest) -> list[EMailEntity]:
    """Send mails as SendEMails does without connections."""
    return await sent(call, request.emails, _checked(request.emails))


@method("Save", SaveRequest, EMailEntity)
async def save(call: Call, request: SaveRequest) -> EMailEntity | None:
    """Keep a mail as a draft, in place of the draft that EmailItemId or MessageID names; anything else is copied into a new one."""
    return await _saved(call, "Email", request.email)


@method("SaveDraft", SaveDraftRequest, EMailEntity)
async def save_draft(call: Call, request: SaveDraftRequest) -> EMailEntity | None:
    """Keep a mail as a draft, as Save does."""
    return await _saved(call, "Entity", request.entity)


async def sent(
    call: Call, emails: Sequence[EMailEntity], places: Sequence[str], server: Connection | None = None, folder: ImapAccount | None = None
) -> list[EMailEntity]:
    """Send mails, which the request calls by ``places``, and wait for the outcomes; return the mails with these.

    Raises as ``outcomes.check``, and what the core raises with the place of what is wrong.
    """
    async with written(call, emails, places) as given:
        saved = await call.write(_send_all, desk(call), [*zip(places, emails, given, strict=True)], server, folder)
    await blobs.delete_unused(call.store, [key for one in saved for key in one.blob_keys])
    found = await delivered(call, saved, places)
    kept = await call.read(_kept, call, saved)
    return [_told(email, one, found[one.message_id], kept.get(one.message_id)) for email, one in zip(emails, saved, strict=True)]


def _checked(emails: Sequence[EMailEntity]) -> list[str]:
    """Return what the request calls each of its mails."""
    if not emails:
        raise malformed("The parameters dictionary contains a null entry for parameter 'Emails'.")
    if len(emails) > MAX_MAILS:
        raise TooLarge("Emails", MAX_MAILS)
    return [f"Emails[{number}]" for number in range(len(emails))]


async def delivered(call: Call, saved: Sequence[SavedLetter], places: Sequence[str]) -> dict[int, Outcome]:
    """Wait for the outcomes of letters. Raises as ``outcomes.check``, unless nobody is to wait for them."""
    found = await outcomes.awaited(call, [one.message_id for one in saved])
    if call.settings.superoffice.wait:
        outcomes.check(saved, places, found)
    return found


@asynccontextmanager
async def written(call: Call, emails: Sequence[EMailEntity], places: Sequence[str]) -> AsyncIterator[list[Letter]]:
    """Make letters of mails, with their files in the blob store; these are deleted again when what is done with the letters fails."""
    given = await call.write(mail_letters.letters_of, call, emails, places)  # it may number addresses
    made: list[Letter] = []
    try:
        for letter, email, place in zip(given, emails, places, strict=True):
            try:
                made.append(structs.replace(letter, new_files=tuple(await mail_letters.store_files(call, email))))
            except PostroomError as error:
                raise mail_letters.placed(error, place) from None
        yield made
    except BaseException:
        await blobs.delete_unused(call.store, [file.blob_key for letter in made for file in letter.new_files])
        raise


def desk(call: Call) -> Desk:
    """Return who writes."""
    return Desk(settings=call.settings, vault=call.store.vault, author_id=call.user_id, dialect="superoffice", now=call.now)


def _send_all(
    tx: Tx, who: Desk, given: Sequence[tuple[str, EMailEntity, Letter]], server: Connection | None, folder: ImapAccount | None
) -> list[SavedLetter]:
    saved = []
    for place, email, letter in given:
        try:
            one = letters.send(tx, who, letter, _draft(tx, who.author_id, email), server)
        except PostroomError as error:
            raise mail_letters.placed(error, place) from None
        if folder is not None and not one.is_repeated:
            _request_copy(tx, who, one.message_id, folder)
        saved.append(one)
    return saved


def _request_copy(tx: Tx, who: Desk, message_id: int, folder: ImapAccount) -> None:
    try:
        copies.request(tx, who.settings, who.vault, message_id, folder, now=who.now)
    except Invalid as error:
        raise Invalid(f"SentItemsConnectionInfo.{error.parameter.capitalize()}", error.reason) from None


async def _saved(call: Call, name: str, email: EMailEntity | None) -> EMailEntity | None:
    if email is None:
        raise malformed(f"The parameters dictionary contains a null entry for parameter '{name}'.")
    async with written(call, [email], [name]) as given:
        saved = await call.write(_save, desk(call), email, given[0], name)
    await blobs.delete_unused(call.store, saved.blob_keys)
    return await call.read(_shown, call, saved.message_id)


def _save(tx: Tx, who: Desk, email: EMailEntity, letter: Letter, name: str) -> SavedLetter:
    try:
        return letters.save_draft(tx, who, letter, _draft(tx, who.author_id, email))
    except PostroomError as error:
        raise mail_letters.placed(error, name) from None


def _draft(tx: Tx, author_id: int, email: EMailEntity) -> int:
    """Return the number of the draft that a mail is, or 0: what was sent, or came, stays as it is, and a new one is made."""
    key = key_of(email.email_item_id)
    return letters.draft(tx, author_id, key.id) if key.own else 0


def _shown(tx: Tx, call: Call, message_id: int) -> EMailEntity | None:
    found = items.get(tx, call.user_id, Key(own=True, id=message_id))
    return mailbox.entity(tx, call, found, with_files=True, safe=False)  # as its author wrote it, to be sent so


def _kept(tx: Tx, call: Call, saved: Sequence[SavedLetter]) -> dict[int, _Kept]:
    """Return what is kept of letters; nothing of those that their author deleted. Ten statements for each 500."""
    found = items.find(tx, call.user_id, [Key(own=True, id=one.message_id) for one in saved])
    accounts = mail_entities.account_numbers(tx, call.user_id)
    return {one.message_id: _Kept(one.size, accounts.get(one.address.lower(), 0)) for one in load(tx, mailbox.reader(call), found)}


def _told(email: EMailEntity, saved: SavedLetter, outcome: Outcome, kept: _Kept | None) -> EMailEntity:
    """Return a mail as it was given, with what is known of it now."""
    home: FolderName = "sending" if outcome.waiting else "sent" if outcome.delivered else "drafts"
    email.email_item_id = number_of(Key(own=True, id=saved.message_id))
    email.message_id = saved.identifier
    email.sent = saved.sent_at or 0
    email.size, email.account_id = (kept.size, kept.account_id) if kept is not None else (0, 0)
    email.is_sent = outcome.delivered > 0
    email.flags = EMailFlags.SEEN | (EMailFlags.DRAFT if home == "drafts" else EMailFlags.NONE)
    email.folder_name = mail_folders.name_of(home)
    return email


METHODS: Final[Methods] = (send_emails, send, save, save_draft)
