"""What a person sees of the items of their mailbox: in a list, and as a whole.

Everybody is named as the mail names them. Hidden recipients are shown to the author alone, and so are the recipients of a message of which
each got a mail of their own.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, Select, Text, bindparam, case, cast, func, null, select

from postroom.directory import named_mailboxes, people
from postroom.directory.records import Mailbox
from postroom.directory.values import chunks
from postroom.messages import attachments, item_sources, labels, letter_records, markup, message_ids, options, search
from postroom.messages.item_sources import FolderName
from postroom.messages.items import Found, Key
from postroom.messages.records import Attachment, MailOptions
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import attachments as files
from postroom.storage.tables import institutional_addresses, messages, recipients, users

INTRODUCTION: Final = 200
"""Characters of a text that lists show."""
MAX_SHOWN: Final = 100
"""Recipients that are shown of a message that is no letter."""

_READ_FOR_INTRODUCTION: Final = 4_000
_UID: Final = re.compile(r"^UID(?:;[^:\r\n]*)?:([^\r\n]{1,500})", re.MULTILINE | re.IGNORECASE)

_m: Final = messages.c
_r: Final = recipients.c


class Item(Struct, frozen=True, kw_only=True):
    """One item. Addresses stand as in a header: ``"Name" <address>``, several with commas between them."""

    key: Key
    message_id: int
    thread_id: int
    at: int
    folder: FolderName
    home: FolderName
    """Where it would stand if the person had not put it elsewhere."""
    folder_id: int | None
    sender: str
    to: str
    cc: str
    bcc: str
    address: str
    """The one of the person by which it came or went; empty if it was none."""
    subject: str
    introduction: str
    content: str
    """HTML is made safe (``markup``) unless it was asked for as it is; it shows files by their Content-IDs. Empty in lists."""
    content_format: str
    important: bool
    unread: bool
    replied_at: int | None
    """When the person last answered it, here or as they said (``filing.mark_replied``)."""
    has_files: bool
    calendar_uid: str
    """Of the event that it brings; empty if there is none."""
    size: int
    """Bytes of the text and the files."""
    label_ids: list[int]
    identifier: str
    """Message-ID, without angle brackets, as is the next."""
    answers: str
    tells_of: int | None
    """The message of the person's whose outcome the server tells in this one."""
    files: list[Attachment]
    """Empty in lists."""
    mail: MailOptions

    @property
    def answered(self) -> bool:
        """Whether the person answered it."""
        return self.replied_at is not None


class Reader(Struct, frozen=True, kw_only=True):
    """Who reads, and what it takes to name messages."""

    settings: Settings
    vault: Vault
    user_id: int


def load(tx: Tx, reader: Reader, found: Sequence[Found], *, whole: bool = False, safe: bool = True) -> list[Item]:
    """Return items in the order given, ``whole`` with their texts and files. Four statements for each 500, one more for files.

    Unless ``safe``, HTML is as its author wrote it: for programs that take care of it themselves.
    """
    rows: dict[Key, Row[Any]] = {}
    for own in (False, True):
        for chunk in chunks(one.id for one in found if bool(one.own) == own):
            table = messages if own else recipients
            some = _selected(own=own, whole=whole).where(table.c.id.in_(chunk))
            rows |= {Key(own, row.item): row for row in tx.execute(some, {"reader": reader.user_id})}
    labelled = labels.of_items(tx, rows)
    attached = attachments.of_messages(tx, [one.message_id for one in found]) if whole else {}
    return [
        _item(
            reader,
            one,
            rows[one.key],
            labelled.get(one.key, []),
            attached.get(one.message_id, []),
            content=_content(rows[one.key], attached.get(one.message_id, []), safe=safe) if whole else "",
        )
        for one in found
        if one.key in rows
    ]


@cache
def _selected(*, own: bool, whole: bool) -> Select[Any]:
    """Build the statement, once: whatever acts for many people reads a few items of each."""
    a = institutional_addresses.c
    answer = messages.alias("answer")
    sizes = select(func.coalesce(func.sum(files.c.size), 0)).where(files.c.message_id == _m.id).correlate(messages).scalar_subquery()
    answered = select(func.max(answer.c.sent_at)).where(answer.c.in_reply_to == _m.id, answer.c.author_id == bindparam("reader"))
    item = messages.c if own else recipients.c
    columns = (
        item.id.label("item"),
        item.important,
        item_sources.is_unread(own, messages if own else recipients).label("unread"),
        (null() if own else _r.email).label("came_by"),
        (null() if own else _r.name).label("called"),
        _m.id,
        _m.kind,
        _m.in_reply_to,
        _m.subject,
        (_m.content if whole else func.substr(_m.content, 1, _READ_FOR_INTRODUCTION)).label("content"),
        (func.length(_m.content) + sizes).label("size"),
        _m.content_format,
        _m.shared,
        _m.letter,
        _m.status,
        _m.sent_at,
        _m.options,
        _m.mail,
        func.coalesce(item.replied_at, answered.correlate(messages).scalar_subquery()).label("replied_at"),
        item_sources.has_files(_m.id).correlate(messages).label("has_files"),
        case((_m.letter, null()), else_=_roll()).label("roll"),
        func.coalesce(a.name, people.full_name()).label("author"),
        func.coalesce(a.email, users.c.email, users.c.alt_email).label("author_email"),
    )
    source = messages if own else messages.join(recipients, _r.message_id == _m.id)
    source = source.outerjoin(users, users.c.id == _m.author_id).outerjoin(institutional_addresses, a.id == _m.from_address_id)
    return select(*columns).select_from(source)


def _roll() -> ColumnElement[str]:
    """Return, in SQL, the beginning of the roll of a message: a line for each recipient, of role, name and address, with tabs between."""
    roll, person = recipients.alias("roll"), users.alias("person")
    full_name = func.trim(func.coalesce(person.c.first_name + " " + person.c.last_name, ""))
    email = func.coalesce(roll.c.email, person.c.email, "")
    line = (roll.c.role + "\t" + func.coalesce(roll.c.name, full_name) + "\t" + email).label("line")
    first = select(line).select_from(roll.outerjoin(person, person.c.id == roll.c.user_id)).where(roll.c.message_id == _m.id)
    listed = first.order_by(roll.c.id).limit(MAX_SHOWN).correlate(messages).subquery("listed")
    return select(func.aggregate_strings(cast(listed.c.line, Text), "\n")).correlate(messages).scalar_subquery()


def _item(reader: Reader, found: Found, row: Row[Any], label_ids: list[int], attached: list[Attachment], *, content: str) -> Item:
    own = found.key.own
    mail = options.decoded(row.mail)
    to, cc, bcc = _named(row, own=own)
    home = _home(row, own=own)
    introduction = search.text_of(row.content[:_READ_FOR_INTRODUCTION], row.content_format)[:INTRODUCTION]
    return Item(
        key=found.key,
        message_id=found.message_id,
        thread_id=found.thread_id,
        at=found.at,
        folder=_FOLDERS.get(found.place or "", "own" if found.folder_id is not None else home),
        home=home,
        folder_id=found.folder_id,
        sender=_sender(reader.settings, row),
        to=to,
        cc=cc,
        bcc=bcc,
        address=_address(row, own=own),
        subject=row.subject,
        introduction=introduction,
        content=content,
        content_format=row.content_format,
        important=row.important,
        unread=bool(row.unread),
        replied_at=row.replied_at,
        has_files=bool(row.has_files),
        calendar_uid=_uid(mail.calendar.ics) if mail.calendar is not None else "",
        size=int(row.size),
        label_ids=label_ids,
        identifier=_identifier(reader, found, row, mail.message_id),
        answers=mail.in_reply_to.strip("<>"),
        tells_of=row.in_reply_to if row.kind == "summary" else None,
        files=attached,
        mail=mail,
    )


def _content(row: Row[Any], attached: list[Attachment], *, safe: bool) -> str:
    shown = {file.content_id or "" for file in attached}
    return markup.safe(row.content, row.content_format, shown) if safe else row.content


_FOLDERS: Final[dict[str, FolderName]] = {"trash": "trash", "spam": "spam"}


def _home(row: Row[Any], *, own: bool) -> FolderName:
    if not own:
        return "inbox"
    if row.sent_at is not None:
        return "sending" if row.status == "pending" else "sent"
    return "templates" if letter_records.decoded(row.options).is_template else "drafts"


def _sender(settings: Settings, row: Row[Any]) -> str:
    if row.letter:
        return named_mailboxes.written(letter_records.decoded(row.options).sender)
    wanted = options.decoded(row.mail).sender
    if wanted is not None:
        return named_mailboxes.written(Mailbox(wanted.name, wanted.email or settings.no_reply))
    return named_mailboxes.written(Mailbox(row.author or settings.mail.organisation, row.author_email or settings.no_reply))


def _named(row: Row[Any], *, own: bool) -> tuple[str, str, str]:
    """Return To, Cc and Bcc, as far as the reader may know of them."""
    if row.letter:
        kept = letter_records.decoded(row.options)
        return _together(kept.to), _together(kept.cc), _together(kept.bcc) if own else ""
    if not (own or row.shared):
        return _written(row.called or "", row.came_by or ""), "", ""
    lines = [line.split("\t") for line in (row.roll or "").split("\n") if line]
    to, cc, bcc = (
        _together(_written(name, email) for role, name, email in lines if role == wanted and (name or email))
        for wanted in ("to", "cc", "bcc")
    )
    return to, cc, bcc if own else ""


def _written(name: str, email: str) -> str:
    """Return a mailbox, or whoever has none in quotes: a comma in a name parts nobody in two."""
    whole = named_mailboxes.written(Mailbox(name, email))
    return whole if email else whole.removesuffix(" <>")


def _together(addresses: Iterable[str]) -> str:
    return ", ".join(addresses)


def _address(row: Row[Any], *, own: bool) -> str:
    if not own:
        return row.came_by or ""
    return letter_records.decoded(row.options).sender.email if row.letter else row.author_email or ""


def _uid(ics: str) -> str:
    found = _UID.search(ics)
    return found[1].strip() if found else "?"


def _identifier(reader: Reader, found: Found, row: Row[Any], given: str) -> str:
    """Return the Message-ID of the mail that the person got, or sent."""
    recipient = None if row.shared or found.own else found.id
    return given.strip("<>") or message_ids.made(reader.vault, reader.settings.mail.domain, row.id, recipient).strip("<>")
