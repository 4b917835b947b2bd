"""Letters: mails that people write and send from their own addresses, to whomever, as with a mail program (ONLYOFFICE contract §1a, §1b).

A letter is one mail that names all its recipients (``shared``). While it is a draft, its addresses are kept as they were written,
nonsense included; its roll is made when it is sent. What is sent is what the call says, never what the draft held before. People of the
organisation among the recipients have it in their inbox at once, and get the mail like everybody else.

Everything that can be refused is refused before anything is written: a failed call leaves no draft behind and changes none. What
can only be found wrong later (a calendar that cannot be read, a file that is not there) is a failure of delivery: ``endings``.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import Row, func, insert, select, update

from postroom.directory import account_servers, named_mailboxes, owned_addresses, people
from postroom.directory.mail_servers import Connection
from postroom.directory.owned_addresses import OwnedAddress
from postroom.directory.records import Mailbox
from postroom.directory.values import LARGEST_ID, one_line
from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import (
    autoreplies,
    calendars,
    connections,
    labels,
    letter_files,
    letter_identifiers,
    letter_records,
    letter_rolls,
    letter_threads,
    mail_filters,
    message_ids,
    options,
    queueing,
    reports,
    search,
    threads,
)
from postroom.messages.letter_files import Chosen
from postroom.messages.letter_identifiers import Named
from postroom.messages.letter_records import MAX_BODY, MAX_RECIPIENTS, MAX_SUBJECT, Letter, LetterOptions, SavedLetter
from postroom.messages.letter_rolls import Entry
from postroom.messages.records import Calendar, MailOptions, NewAttachment, Role
from postroom.messages.texts import check_line, check_text
from postroom.settings import Settings
from postroom.storage import bulk, wakeup
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import attachments, messages

EMPTY_BODY: Final = "<p>&nbsp;</p>"
"""Stands in for a body that is not given (contract §1a.2)."""

_m: Final = messages.c


class Desk(Struct, frozen=True, kw_only=True):
    """Who writes, when, and through which dialect."""

    settings: Settings
    vault: Vault
    author_id: int
    dialect: str
    now: int


class _Prepared(Struct, frozen=True):
    """A letter that may be written."""

    letter: Letter
    sender: OwnedAddress
    files: Chosen
    stored: Row[*tuple[Any, ...]] | None
    """What is there of it already, locked."""
    identifier: str
    """The Message-ID that is to be kept as given; empty for none."""
    calendar_file_id: int | None = None
    """Under which its calendar is to be shown as a file."""


def save_draft(tx: Tx, desk: Desk, letter: Letter, message_id: int = 0) -> SavedLetter:
    """Keep a letter as a draft, a new one for number 0; the addresses of recipients are not checked.

    Raises the first of these that holds: ``Invalid("from", …)`` (``required``, ``malformed``), ``NotFound("account", address)``,
    ``Forbidden("address_revoked")``,
    ``NotFound("message", id)``, ``WrongState("draft_required")``, ``TooLarge`` named ``stored_body``, ``attachments``, ``files``,
    ``recipients``, ``subject``, ``body``, ``text`` or ``headers``, and ``Invalid`` for the last four, a ``filename`` and ``message_id``.
    A draft of the author's that has the given Message-ID is changed, in place of a new one; what was sent keeps it for itself.
    """
    named = letter_identifiers.find(tx, desk.vault, desk.author_id, letter.identifier)
    if named is not None and named.is_sent:
        letter, named = structs.replace(letter, identifier=""), None
    return _save(tx, desk, letter, _number(message_id, named), is_template=False)


def save_template(tx: Tx, desk: Desk, letter: Letter, message_id: int = 0) -> SavedLetter:
    """Keep a letter as a template. Raises as ``save_draft``, but ``WrongState("template_required")``."""
    return _save(tx, desk, letter, message_id, is_template=True)


def send(tx: Tx, desk: Desk, letter: Letter, message_id: int = 0, connection: Connection | None = None) -> SavedLetter:
    """Send a letter: a new one for number 0, else a draft, or a template, which is consumed.

    With a ``connection``, which ``mail_servers.check`` has passed, it leaves through that alone; without, through the server of the
    author's default account if that has one, else through the relays.

    Raises the first of these that holds (contract §1a.5): ``Invalid("from", "required")``; ``Invalid("to", "required")`` when there is
    nobody in To, Cc and Bcc; what ``save_draft`` raises; ``Invalid("from", "refused")`` for an address that letters do not leave
    from; ``Invalid`` named ``to``, ``cc`` or ``bcc`` for an entry that letters do not go to;
    ``Unavailable`` when the author's own login cannot be decrypted. Of two simultaneous calls for one draft
    one sends, the other gets ``draft_required``. The number of statements does not depend on the number of recipients.

    A letter whose given Message-ID one of the author's has already, which was sent, is not sent again: what is returned is that one, and
    the new files as files that nobody needs. A draft that has it, or a letter that reached nobody, is sent in its place.
    """
    named = letter_identifiers.find(tx, desk.vault, desk.author_id, letter.identifier)
    if named is not None and named.is_sent:
        unneeded = [file.blob_key for file in letter.new_files]
        return SavedLetter(
            message_id=named.message_id, blob_keys=unneeded, identifier=named.identifier, sent_at=named.sent_at, is_repeated=True
        )
    message_id = _number(message_id, named)
    if letter.sender.strip() and not (letter.to or letter.cc or letter.bcc):
        raise Invalid("to", "required")
    prepared = _prepare(tx, desk, letter, message_id)
    connection = connection or account_servers.default(tx, desk.vault, desk.author_id, "smtp")
    if named_mailboxes.strict(prepared.sender.email) is None:
        raise Invalid("from", "refused")
    entries = list(_entries(letter))
    if letter.calendar_file is not None and _hindrance(prepared) is None:
        prepared = structs.replace(prepared, calendar_file_id=bulk.reserve_ids(tx, attachments, 1)[0])
    thread = letter_threads.find(tx, desk.vault, desk.author_id, letter, message_id)
    if thread.thread_id is not None:
        threads.lock(tx, [thread.thread_id])
    kept = _options(prepared, is_template=False)
    state = {"status": "pending", "sent_at": desk.now, "settled_at": None, "superseded_at": None, **thread.columns()}
    saved = _write(tx, desk, prepared, {**state, "options": kept}, own_connection=connection is not None)
    if connection is not None:
        connections.keep(tx, desk.vault, saved.message_id, connection)
    if letter.calendar_file is not None and prepared.calendar_file_id is not None:
        letter_files.insert_calendar(tx, prepared.calendar_file_id, saved.message_id, letter.calendar_file, desk.now)
    queued = _queue(tx, desk, saved.message_id, entries, prepared)
    search.index(tx, [saved.message_id], again=prepared.stored is not None)
    if thread.thread_id is not None:
        threads.add_answer(tx, desk.author_id, saved.message_id, thread.thread_id, desk.now, keep_unread=True)
    _let_mailboxes_act(tx, desk, saved.message_id, prepared, entries)
    if not queued:
        reports.settle(tx, desk.settings, [saved.message_id], desk.now)
    wakeup.notify(tx)
    return structs.replace(saved, sent_at=desk.now)


def add_file(tx: Tx, author_id: int, message_id: int, new: NewAttachment, now: int) -> int:
    """Attach a file that is in the blob store already to a draft or a template; return the number of the attachment.

    Raises ``NotFound("message", id)``, ``WrongState("draft_required")``, and as ``letter_files.insert_checked``. Then the caller deletes
    the blob.
    """
    if not _is_at_home(_locked(tx, author_id, message_id)):
        raise WrongState("draft_required")
    number = letter_files.insert_checked(tx, message_id, new, now)
    tx.execute(update(messages).where(_m.id == message_id).values(modified_at=now))
    return number


def remove_file(tx: Tx, author_id: int, message_id: int, attachment_id: int, now: int) -> list[str]:
    """Take a file from a draft or a template, if it has it; return the key of its blob, to be deleted after the commit.

    Raises ``NotFound("message", id)``, ``WrongState("draft_required")``.
    """
    if not _is_at_home(_locked(tx, author_id, message_id)):
        raise WrongState("draft_required")
    gone = letter_files.remove(tx, message_id, attachment_id)
    if gone:
        tx.execute(update(messages).where(_m.id == message_id).values(modified_at=now))
    return gone


def draft(tx: Tx, author_id: int, message_id: int) -> int:
    """Return the number of a draft of the author's, or of a letter that reached nobody, as it was given; 0 for anything else."""
    own = (_m.author_id == author_id, _m.letter, _m.deleted_at.is_(None))
    known = select(_m.id, _m.status, _m.sent_at).where(_m.id == message_id, *own) if 0 < message_id <= LARGEST_ID else None
    row = None if known is None else tx.execute(known).one_or_none()
    return row.id if row is not None and is_editable(row) else 0


def is_editable(row: Row[*tuple[Any, ...]]) -> bool:
    """Tell by ``status`` and ``sent_at`` whether a letter may be changed and sent: a draft, a template, or one that reached nobody."""
    return bool(row.status == "draft" or (row.status == "error" and row.sent_at is None))


def _is_at_home(row: Row[*tuple[Any, ...]]) -> bool:
    """Tell whether a letter is editable and not in a folder of its author's own: the folders are the contract's (§1a.5 row 9)."""
    return is_editable(row) and row.folder_id is None


def _let_mailboxes_act(tx: Tx, desk: Desk, message_id: int, prepared: _Prepared, entries: list[Entry]) -> None:
    """Let the mailboxes that a letter came to do what their owners want done by itself."""
    letter, sender = prepared.letter, prepared.sender.email
    labels.put_by_sender(tx, message_id, sender)
    mail_filters.await_arrivals(tx, message_id)
    if not (letter.automatic_reply or letter.calendar):
        autoreplies.await_replies(tx, desk.author_id, message_id)
    if letter.automatic_reply:
        autoreplies.note(tx, desk.author_id, sender, [entry.mailbox.email for entry in entries if entry.role == "to"], desk.now)


def _save(tx: Tx, desk: Desk, letter: Letter, message_id: int, *, is_template: bool) -> SavedLetter:
    prepared = _prepare(tx, desk, letter, message_id, is_template=is_template)
    saved = _write(tx, desk, prepared, {"options": _options(prepared, is_template=is_template)})
    search.index(tx, [saved.message_id], again=prepared.stored is not None)
    return saved


def _prepare(tx: Tx, desk: Desk, letter: Letter, message_id: int, *, is_template: bool | None = None) -> _Prepared:
    """Check whatever is to be checked of a draft; ``is_template`` says what it must be, ``None``: either. Nothing is written."""
    sender = _sender(tx, desk.author_id, letter.sender)
    stored = _locked(tx, desk.author_id, message_id) if message_id > 0 else None
    if stored is not None:
        _check_stored(desk.settings, stored, is_template=is_template)
    wanted = [file for file in letter.files if stored is None or file.attachment_id != _calendar_file(stored)]
    files = letter_files.choose(tx, desk.author_id, letter_files.distinct(wanted))
    if len(letter.to) + len(letter.cc) + len(letter.bcc) > MAX_RECIPIENTS:
        raise TooLarge("recipients", MAX_RECIPIENTS)
    check_line("subject", letter.subject, MAX_SUBJECT)
    check_text("body", letter.body, MAX_BODY)
    check_text("text", letter.text or "", MAX_BODY)
    options.check_headers(letter.headers)
    return _Prepared(letter, sender, files, stored, letter_identifiers.kept(desk.vault, letter.identifier))


def _number(message_id: int, named: Named | None) -> int:
    """Return the number of the letter that is meant. Raises ``WrongState("message_id_in_use")`` if two are."""
    if named is not None and message_id not in {0, named.message_id}:
        raise WrongState("message_id_in_use")
    return message_id if named is None else named.message_id


def _sender(tx: Tx, author_id: int, given: str) -> OwnedAddress:
    if not given.strip():
        raise Invalid("from", "required")
    mailbox = named_mailboxes.parse(given)
    if mailbox is None:
        raise Invalid("from", "malformed")
    return owned_addresses.find(tx, author_id, mailbox.email)


def _locked(tx: Tx, author_id: int, message_id: int) -> Row[*tuple[Any, ...]]:
    """Return what there is of a letter, and keep others from changing it until this transaction ends."""
    columns = (_m.id, _m.status, _m.sent_at, _m.folder_id, _m.mail, _m.options, func.length(_m.content).label("size"))
    own = select(*columns).where(_m.id == message_id, _m.author_id == author_id, _m.letter, _m.deleted_at.is_(None))
    row = tx.execute(own.with_for_update(key_share=True)).one_or_none() if 0 < message_id <= LARGEST_ID else None
    if row is None:
        raise NotFound("message", message_id)
    return row


def _check_stored(settings: Settings, stored: Row[*tuple[Any, ...]], *, is_template: bool | None) -> None:
    fits = is_template is None or letter_records.decoded(stored.options).is_template == is_template
    if not (fits and _is_at_home(stored)):
        raise WrongState("template_required" if is_template else "draft_required")
    if stored.size > settings.letters.max_stored_body:
        raise TooLarge("stored_body", settings.letters.max_stored_body)


def _entries(letter: Letter) -> Iterator[Entry]:
    """Yield whom a letter goes to, each address once: in the first header that names it."""
    seen: set[str] = set()
    headers: tuple[tuple[Role, tuple[str, ...]], ...] = (("to", letter.to), ("cc", letter.cc), ("bcc", letter.bcc))
    for role, given in headers:
        for written in given:
            mailbox = named_mailboxes.strict(written)
            if mailbox is None:
                raise Invalid(role, f"not an address: {one_line(written, 100)!r}")
            if mailbox.email.lower() not in seen:
                seen.add(mailbox.email.lower())
                yield Entry(mailbox, role)


def _options(prepared: _Prepared, *, is_template: bool) -> str:
    letter, sender = prepared.letter, prepared.sender
    kept = LetterOptions(
        sender=Mailbox(sender.name, sender.email),
        to=_as_written(letter.to),
        cc=_as_written(letter.cc),
        bcc=_as_written(letter.bcc),
        is_template=is_template,
    )
    return letter_records.encoded(kept)


def _as_written(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for address in addresses if (line := one_line(address, named_mailboxes.MAX_WRITTEN)))


def _write(tx: Tx, desk: Desk, prepared: _Prepared, values: dict[str, Any], *, own_connection: bool = False) -> SavedLetter:
    letter, stored = prepared.letter, prepared.stored
    number = bulk.reserve_ids(tx, messages, 1)[0] if stored is None else stored.id
    is_plain = not letter.body and letter.text is not None
    body = "" if is_plain else letter.body or EMPTY_BODY
    mail = _mail(desk, prepared, number, text=None if is_plain else letter.text, own_connection=own_connection)
    row = {
        "letter": True,
        "shared": True,
        "important": letter.important,
        "subject": letter.subject,
        "content": letter.text if is_plain else body,
        "content_format": "plain" if is_plain else "html",
        "language": people.get(tx, desk.author_id).language,
        "from_address_id": prepared.sender.address_id,
        "mail": options.encoded(mail),
        "modified_at": desk.now,
        **({"given_id": prepared.identifier} if prepared.identifier else {}),
        **values,
    }
    if stored is None:
        new = {"id": number, "author_id": desk.author_id, "dialect": desk.dialect, "created_at": desk.now}
        tx.execute(insert(messages).values({**new, **row}))
    else:
        tx.execute(update(messages).where(_m.id == number).values(row))
    gone = letter_files.replace(tx, number, prepared.files, body, desk.now)
    letter_files.add(tx, number, letter.new_files, body, desk.now)
    return SavedLetter(message_id=number, blob_keys=gone, identifier=mail.message_id)


def _mail(desk: Desk, prepared: _Prepared, number: int, *, text: str | None, own_connection: bool) -> MailOptions:
    """Return what the mail is to be like. Its Message-ID is made when it is saved first, and stays."""
    letter, sender = prepared.letter, prepared.sender
    stored = "" if prepared.stored is None else options.decoded(prepared.stored.mail).message_id
    return MailOptions(
        sender=None if sender.address_id is not None else Mailbox(sender.name, sender.email),
        importance=letter.importance or ("highest" if letter.important else None),
        read_receipt=letter.read_receipt,
        delivery_receipt=letter.delivery_receipt,
        automatic="replied" if letter.automatic_reply else "",
        marked_generated=bool(letter.calendar),
        in_reply_to=letter_threads.answered(letter),
        message_id=prepared.identifier or stored or message_ids.made(desk.vault, desk.settings.mail.domain, number).strip("<>"),
        text=text,
        signature=False,
        headers=letter.headers,
        calendar=_calendar(letter.calendar, prepared.calendar_file_id) if letter.calendar else None,
        own_connection=own_connection,
    )


def _calendar_file(stored: Row[*tuple[Any, ...]]) -> int | None:
    """Return the number of the file by which a letter that reached nobody shows its calendar: each sending makes its own one."""
    calendar = options.decoded(stored.mail).calendar
    return None if calendar is None else calendar.file_id


def _calendar(ics: str, file_id: int | None) -> Calendar:
    """Return a calendar as it is kept, even one that lets delivery fail; lone surrogates become question marks."""
    return Calendar(ics.encode("utf-8", "replace").decode(), calendars.filename(ics), file_id)


def _hindrance(prepared: _Prepared) -> str | None:
    """Return why no mail can be made of a letter; ``None`` if nothing is known against it."""
    if prepared.files.missing:
        return f"no mail could be made: not there: {one_line(', '.join(prepared.files.missing), 200)}"
    if prepared.letter.calendar:
        try:
            calendars.scheduling_method(prepared.letter.calendar)
        except Invalid as error:
            return f"no mail could be made: {error}"
    return None


def _queue(tx: Tx, desk: Desk, message_id: int, entries: list[Entry], prepared: _Prepared) -> int:
    """Make the roll; return how many are queued."""
    hindrance = _hindrance(prepared)
    if hindrance is not None:
        letter_rolls.make_undeliverable(tx, message_id, entries, hindrance, desk.now)
        return 0
    letter_rolls.make(tx, message_id, entries, desk.now, important=prepared.letter.important)
    delivery = desk.settings.delivery
    return queueing.queue_listed(tx, delivery, [message_id], queueing.lane_of(delivery, len(entries)), desk.now, to_inboxes=True)
