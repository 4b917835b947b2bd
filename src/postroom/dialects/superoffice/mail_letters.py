"""Mails as programs give them, made letters of (wire/superoffice.md §1.2, §4.2, §7): what each property becomes.

Empty objects in lists count for nothing, since clients send them. The date, the size and the flags are ours to say.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from postroom.dialects.item_numbers import key_of
from postroom.dialects.superoffice import addressing, mail_entities
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.carriers import EMailAddress, EMailAttachment, EMailEntity, EMailPriority
from postroom.dialects.superoffice.errors import SuperOfficeError
from postroom.directory import mail_accounts
from postroom.directory.mail_accounts import MailAccount
from postroom.directory.named_mailboxes import written
from postroom.directory.records import Mailbox
from postroom.errors import Invalid, NotFound, PostroomError, TooLarge
from postroom.messages import attachments, items, letter_files
from postroom.messages.letter_records import Letter, LetterFile
from postroom.messages.records import CustomHeader, Importance, NewAttachment
from postroom.storage.database import Tx

_PIECE: Final = 262_144
"""Bytes of a file that are written at a time."""

_IMPORTANCE: Final[dict[EMailPriority, Importance]] = {
    EMailPriority.HIGHEST: "highest",
    EMailPriority.HIGH: "high",
    EMailPriority.NORMAL: "normal",
    EMailPriority.LOW: "low",
    EMailPriority.LOWEST: "lowest",
}
_PROPERTIES: Final = {
    "from": "From",
    "to": "To",
    "cc": "Cc",
    "bcc": "Bcc",
    "recipients": "To",
    "subject": "Subject",
    "body": "HTMLBody",
    "stored_body": "HTMLBody",
    "text": "PlainBody",
    "headers": "CustomHeaderList",
    "message_id": "MessageID",
    "filename": "Attachments",
    "attachments": "Attachments",
    "files": "Attachments",
}


def letters_of(tx: Tx, call: Call, emails: Sequence[EMailEntity], places: Sequence[str]) -> list[Letter]:
    """Return mails as letters, without the files that came with the call; addresses are completed in the mails themselves.

    ``places``: what the request calls each. Raises as the rest of this module, with the place of what is wrong.
    """
    addressing.complete(tx, call.settings, call.user_id, _everybody(emails))
    accounts = mail_accounts.number_all(tx, call.user_id)
    found = []
    for email, place in zip(emails, places, strict=True):
        try:
            found.append(_letter(tx, call, email, accounts))
        except PostroomError as error:
            raise placed(error, place) from None
    return found


async def store_files(call: Call, email: EMailEntity) -> list[NewAttachment]:
    """Put the files that came with a mail into the blob store; their bytes are let go, and their sizes noted.

    Raises ``TooLarge`` for ``attachments`` and ``files`` before anything is kept; when it raises later, what it kept is deleted.
    """
    given = [file for file in email.attachments if file.stream is not None]
    letter_files.check_sizes([len(file.stream or b"") for file in given])
    kept: list[NewAttachment] = []
    try:
        for file in given:
            kept.append(await _store(call, file))
    except BaseException:
        for new in kept:
            await call.store.blobs.delete(new.blob_key)
        raise
    return kept


def placed(error: PostroomError, place: str) -> Exception:
    """Return an error of the core with the place in the request that it is about."""
    match error:
        case Invalid(parameter=parameter) if parameter in _PROPERTIES:
            return Invalid(f"{place}.{_PROPERTIES[parameter]}", error.reason)
        case TooLarge(parameter=parameter) if parameter in _PROPERTIES:
            return TooLarge(f"{place}.{_PROPERTIES[parameter]}", error.limit)
        case NotFound(kind="account"):
            return SuperOfficeError(403, "SoSentryException", f"{place}.From: {error.key} is no address of the caller's.")
        case _:
            return error


def _letter(tx: Tx, call: Call, email: EMailEntity, accounts: Sequence[MailAccount]) -> Letter:
    if email.from_ is None or not (email.from_.address or "").strip():
        email.from_ = default_sender(accounts, email.account_id)
    return Letter(
        sender="" if email.from_ is None else addressing.written(email.from_),
        to=_written("to", email.to),
        cc=_written("cc", email.cc),
        bcc=_written("bcc", email.bcc),
        subject=email.subject or "",
        body=email.html_body or "",
        text=email.plain_body or None,
        important=email.priority in {EMailPriority.HIGHEST, EMailPriority.HIGH},
        importance=_IMPORTANCE.get(email.priority),
        mime_reply_to=(email.in_reply_to.message_id or "") if email.in_reply_to else "",
        files=_known_files(tx, call.user_id, email),
        headers=_headers(email),
        identifier=(email.message_id or "").strip(),
    )


def default_sender(accounts: Sequence[MailAccount], account_id: int = 0) -> EMailAddress | None:
    """Return the address that a person writes from: of this account, else of the default one; ``None`` for one who has none."""
    chosen = [account for account in accounts if account.id == account_id] or [account for account in accounts if account.is_default]
    return EMailAddress(address=chosen[0].address.email, name=chosen[0].address.name) if chosen else None


def _written(header: str, addresses: Iterable[EMailAddress]) -> tuple[str, ...]:
    found = []
    for one in addresses:
        email = (one.address or "").strip()
        if not email and (one.name or one.person_id or one.email_id):
            raise Invalid(header, f"no address is known of {one.name or one.person_id or one.email_id}")
        if email:
            found.append(written(Mailbox(one.name or "", email)))
    return tuple(found)


def _headers(email: EMailEntity) -> tuple[CustomHeader, ...]:
    return tuple(CustomHeader(header.name, value) for header in email.custom_header_list if header.name for value in header.values)


def _known_files(tx: Tx, user_id: int, email: EMailEntity) -> tuple[LetterFile, ...]:
    """Return the files that came without bytes: by number, or by what the mail calls them that the request names.

    Raises ``Invalid("attachments", …)`` for one that is not there.
    """
    named = [file for file in email.attachments if file.stream is None and (file.id or file.filename)]
    if not named:
        return ()
    of_mail = _files_of(tx, user_id, email.email_item_id)
    found = []
    for file in named:
        given = (file.id or "").strip().removeprefix("<").removesuffix(">")
        number = of_mail.get(given) or (int(given) if given.isascii() and given.isdecimal() and len(given) < 11 else 0)  # noqa: PLR2004 - digits of a number
        found.append(LetterFile(attachment_id=number, filename=file.filename or given))
    missing = letter_files.choose(tx, user_id, found).missing
    if missing:
        raise Invalid("attachments", f"no Stream, and no such file: {missing[0]}")
    return tuple(found)


def number_files(tx: Tx, user_id: int, email: EMailEntity) -> None:
    """Call the files of an item, which came without bytes, by their numbers: these hold in another mail too."""
    of_mail = _files_of(tx, user_id, email.email_item_id)
    for file in email.attachments:
        if file.stream is None and file.id in of_mail:
            file.id = str(of_mail[file.id])


def _files_of(tx: Tx, user_id: int, item: int) -> dict[str, int]:
    """Return the numbers of the files of an item by what they are called."""
    found = items.find(tx, user_id, [key_of(item)]) if item > 0 else []
    if not found:
        return {}
    files = attachments.of_messages(tx, [found[0].message_id])[found[0].message_id]
    return {mail_entities.attachment_id(file): file.id for file in mail_entities.readable(files)}


async def _store(call: Call, file: EMailAttachment) -> NewAttachment:
    content = memoryview(file.stream or b"")
    async with call.store.blobs.writer() as blob:
        for start in range(0, len(content), _PIECE):
            await blob.write(bytes(content[start : start + _PIECE]))
        key = await blob.commit()
    file.size, file.stream = len(content), None
    return NewAttachment(
        blob_key=key,
        filename=file.filename or "file",
        content_type=file.type or "",
        size=file.size,
        description=file.description or "",
        content_id=file.id,
    )


def _everybody(emails: Iterable[EMailEntity]) -> list[EMailAddress]:
    return [one for email in emails for one in (*([email.from_] if email.from_ else []), *email.to, *email.cc, *email.bcc)]
