"""From a message to mail: rendered once to a skeleton, in which each recipient fills a few bytes.

What goes into which header stands in ``fields``, how the parts nest in ``mime``. Here they come together: everything that
is the same for all recipients is encoded, checked and made ready for the wire once; ``Skeleton.fill`` joins bytes.

Every mail is ASCII with CRLF line ends and lines below 999 bytes, so every relay takes it as it is.
"""

import asyncio
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from postroom.delivery import bodies, fields, headers, mime, text
from postroom.delivery.bodies import Letter
from postroom.delivery.contexts import MAX_NAMED, Context, File
from postroom.delivery.mail import Mail, joined, sealed
from postroom.delivery.mime import Part, Piece, Values
from postroom.delivery.records import Due
from postroom.errors import Invalid, NotFound, Unavailable
from postroom.messages import calendars, message_ids, options, templates
from postroom.messages.records import MAX_MAIL_FILES, MailOptions
from postroom.settings import Settings
from postroom.storage.secrets import Vault
from postroom.storage.store import Store

MAX_SHOWN: Final = 1_000
"""Recipients of single mails whom the author's copy names at most: few programs bear longer headers."""

_SLOT_SIZE: Final = 100
"""Bytes that a slot takes, about."""

_MANY_NAMED: Final = 500
"""Recipients in the headers from which a message is rendered in a thread of its own."""

_LONG_OPTIONS: Final = 1_000
"""Characters of options from which it is: they may hold a calendar."""

Contents = Mapping[int, Sequence[bytes]]
"""Files by their numbers, each in lines of base64 (``mime.base64_pieces``)."""


class Skeleton(Struct, frozen=True, kw_only=True):
    """A rendered message. One that is shared has the same bytes for all recipients; else each has a mail of its own."""

    message_id: int
    domain: str
    vault: Vault
    head: bytes
    """The fields before ``To``."""
    tail: tuple[Piece, ...]
    """Everything after ``Message-ID``."""
    is_template: bool
    is_html: bool
    size: int
    """Bytes held in memory."""
    sender: str
    """The address in From: routes are chosen by it."""
    delivery_receipt: bool
    """Whether mail servers are to tell when it was delivered (RFC 3461: ``NOTIFY=SUCCESS,FAILURE,DELAY``)."""
    null_sender: bool
    """Whether it goes out with the null return path, so that nothing comes back (RFC 3834 section 3.3)."""
    common: Mail | None
    """The mail of a shared message."""

    def fill(self, recipient: Due) -> Mail:
        """Return the mail for one recipient.

        Raises ``Invalid`` when the address or name cannot stand in a header, and when a value of the template is missing.
        """
        if self.common is not None:
            return self.common
        if recipient.email is None:
            raise Invalid("email", "no address")
        own = headers.mailbox("To", recipient.name, recipient.email)
        identifier = f"Message-ID: {message_ids.made(self.vault, self.domain, self.message_id, recipient.id)}\r\n".encode("ascii")
        if not self.is_template:
            return joined((self.head, own, identifier, *self.tail))  # type: ignore[arg-type]  # only templates have slots
        plain = {name: text.normalised(value) for name, value in templates.decoded(recipient.variables).items()}
        escaped = {name: html.escape(value) for name, value in plain.items()} if self.is_html else plain
        values = Values(plain, escaped)
        filled = [piece if isinstance(piece, bytes) else sealed(piece.fill(values)) for piece in self.tail]
        return joined((self.head, own, identifier, *filled))


async def render(store: Store, context: Context, *, mailing: bool) -> Skeleton:
    """Read the files of a message and render it; what takes long is done in a thread.

    Raises as ``skeleton``; also ``Invalid`` when the files are too large together or one is gone, and ``Unavailable`` when one
    cannot be read now.
    """
    contents = await _contents(store, context)
    if _is_quick(context):
        return skeleton(context, store.settings, store.vault, mailing=mailing)
    return await asyncio.to_thread(skeleton, context, store.settings, store.vault, mailing=mailing, contents=contents)


def skeleton(context: Context, settings: Settings, vault: Vault, *, mailing: bool, contents: Contents | None = None) -> Skeleton:
    """Render a message; ``mailing`` says that it goes to many, ``contents`` holds the files.

    Raises ``Invalid`` for what no mail can be made of.
    """
    letter = _letter(context, settings, vault)
    head = sealed(b"".join(fields.origin(letter)))
    tail = tuple(
        sealed(piece) if isinstance(piece, bytes) else piece
        for piece in mime.merged([*fields.description(letter, mailing=mailing), *_content(letter, vault, contents or {})])
    )
    headers.structured(
        "Message-ID", message_ids.made(vault, settings.mail.domain, context.message_id, 0)
    )  # a domain that cannot stand there
    common = _common(letter, vault, head, tail) if context.shared else None
    return Skeleton(
        message_id=context.message_id,
        domain=settings.mail.domain,
        vault=vault,
        head=head,
        tail=() if common else tail,
        is_template=bool(letter.mark),
        is_html=context.content_format == "html",
        size=common.size if common else len(head) + sum(len(piece) if isinstance(piece, bytes) else _SLOT_SIZE for piece in tail),
        sender=fields.sender(letter),
        delivery_receipt=letter.options.delivery_receipt and not letter.options.automatic,
        null_sender=letter.options.automatic != "",
        common=common,
    )


async def render_copy(store: Store, context: Context) -> bytes:
    """Return ``copy`` of a message, with its files. Raises as ``render``."""
    contents = await _contents(store, context)
    return await asyncio.to_thread(copy, context, store.settings, store.vault, contents)


def copy(context: Context, settings: Settings, vault: Vault, contents: Contents | None = None) -> bytes:
    """Return the mail as its author keeps it: everybody named (``contexts.load_copy``), the hidden ones too; dots are not stuffed.

    A template shows its placeholders. When there are more people than ``MAX_SHOWN``, none is named, unless each mail of a shared
    message names them. Raises ``Invalid``.
    """
    letter = _letter(context, settings, vault)
    shown = {name: f"{{{name}}}" for name in letter.names}
    values = Values(shown, shown)
    named = [("To", context.to), ("Cc", context.cc), ("Bcc", context.bcc)]
    if sum(len(people) for _, people in named) > (MAX_NAMED if context.shared else MAX_SHOWN):
        named = [("To", ())]
    pieces = [
        *fields.origin(letter),
        *(headers.mailboxes(name, people) for name, people in named if people or name == "To"),
        headers.structured("Message-ID", _own_id(letter, vault)),
        *fields.description(letter, mailing=False),
        *_content(letter, vault, contents or {}),
    ]
    return b"".join(piece if isinstance(piece, bytes) else piece.fill(values) for piece in pieces)


def _is_quick(context: Context) -> bool:
    few = len(context.to) + len(context.cc) <= _MANY_NAMED
    return context.content_format == "plain" and not context.files and len(context.mail) <= _LONG_OPTIONS and few


def _letter(context: Context, settings: Settings, vault: Vault) -> Letter:
    wanted = options.decoded(context.mail)
    options.check(wanted, shared=context.shared)
    if context.shared and context.template:
        raise Invalid("template", "a shared message has no values of its recipients")
    if context.content_format == "plain" and wanted.text is not None:
        raise Invalid("text", "only HTML has a text part beside it")
    if context.answers is not None and not wanted.in_reply_to:
        answered = _shared_id(options.decoded(context.answers_mail), settings, vault, context.answers)
        wanted = structs.replace(wanted, in_reply_to=answered, references=wanted.references or (answered,))
    return bodies.letter(context, wanted, settings, vault.sign("placeholder", str(context.message_id)))


def _common(letter: Letter, vault: Vault, head: bytes, tail: Iterable[Piece]) -> Mail:
    """Return the mail of a shared message: everybody but the hidden recipients is named in it."""
    context = letter.context
    if len(context.to) + len(context.cc) > MAX_NAMED:
        raise Invalid("recipients", f"more than {MAX_NAMED} cannot be named in one mail")
    named = [headers.mailboxes("To", context.to), *([headers.mailboxes("Cc", context.cc)] if context.cc else [])]
    own = sealed(b"".join([*named, headers.structured("Message-ID", _own_id(letter, vault))]))
    return joined((head, own, *tail))  # type: ignore[arg-type]  # a shared message is no template, so it has no slots


def _own_id(letter: Letter, vault: Vault) -> str:
    return _shared_id(letter.options, letter.settings, vault, letter.context.message_id, letter.context.only_recipient)


def _shared_id(own: MailOptions, settings: Settings, vault: Vault, message: int, recipient: int | None = None) -> str:
    """Return the Message-ID that a message has with everybody: the given one, else ours."""
    if own.message_id:
        return options.identifier("message_id", own.message_id)
    return message_ids.made(vault, settings.mail.domain, message, recipient)


def _content(letter: Letter, vault: Vault, contents: Contents) -> Part:
    """Return all parts in one. An author cannot guess a boundary, so no content holds it."""
    number = letter.context.message_id
    boundary = f"=_{number}_{vault.sign('boundary', str(number))}"
    inline, attached = (_files(letter.context, kind, contents) for kind in ("inline", "attachment"))
    texts = bodies.text_parts(letter)
    if letter.context.content_format == "html":
        texts.append(bodies.html_part(letter))
    elif inline:
        raise Invalid("attachments", "only HTML has inline parts")
    if letter.options.calendar is not None:
        ics, filename = letter.options.calendar.ics, letter.options.calendar.filename
        method = calendars.method(ics)
        texts.append(mime.calendar(ics, method))
        if filename:
            attached = [mime.calendar_file(ics, method, filename), *attached]
    main = mime.multipart("alternative", f"{boundary}_a", texts)
    related = mime.multipart("related", f"{boundary}_r", [main, *inline], root="multipart/alternative")
    return mime.multipart("mixed", f"{boundary}_m", [related, *attached])


def _files(context: Context, disposition: str, contents: Contents) -> list[Part]:
    return [mime.file(file, contents[file.id]) for file in _parts(context) if file.disposition == disposition]


def _parts(context: Context) -> list[File]:
    """Return the files that are parts of the mail; not that of the calendar, which is made of the calendar itself. Raises ``Invalid``."""
    calendar = options.decoded(context.mail).calendar if context.files else None
    return [file for file in context.files if calendar is None or file.id != calendar.file_id]


async def _contents(store: Store, context: Context) -> dict[int, list[bytes]]:
    """Read the files. Raises ``Invalid("attachments", …)`` when they are too large together, or one is gone."""
    files = _parts(context)
    if sum(file.size for file in files) > MAX_MAIL_FILES:
        raise Invalid("attachments", f"more than {MAX_MAIL_FILES} bytes in one mail")
    return {file.id: await _read(store, file) for file in files}


async def _read(store: Store, file: File) -> list[bytes]:
    """Return a file in lines of base64. It is encoded as it is read, so that it is never in memory twice."""
    if file.withdrawn:
        raise Invalid("attachments", f"{_shown(file)} was withdrawn")
    pieces: list[bytes] = []
    size, rest = 0, b""
    try:
        async for chunk in store.blobs.read(file.blob_key, 0, file.size):
            size += len(chunk)
            rest += chunk
            cut = len(rest) - len(rest) % mime.LINE_BYTES
            pieces += mime.base64_pieces(rest[:cut])
            rest = rest[cut:]
    except NotFound:
        raise Invalid("attachments", f"{_shown(file)} is gone") from None
    except OSError as error:  # not the fault of the message: it may be there the next time
        raise Unavailable(f"attachment store: {error.strerror}") from error
    if size != file.size:
        raise Invalid("attachments", f"{_shown(file)} is not whole")
    return [*pieces, *mime.base64_pieces(rest)]


def _shown(file: File) -> str:
    return f"file {file.id} ({file.filename})"
