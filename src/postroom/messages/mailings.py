"""Messages that a program sends in its own name, to bare addresses: written, queued and kept for a time only (USOS ``services/mailing``).

They have no author and no draft. What is wrong with one is found before the transaction (``checked``), so that writing it cannot
fail halfway; what is accepted together is durable together, and takes the same number of statements for one message as for a
thousand. Each recipient gets a mail of its own. ``mailing_templates`` does the same for one text with placeholders.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import bindparam, insert

from postroom.clock import DAY
from postroom.directory import emails
from postroom.directory.records import Mailbox
from postroom.directory.values import chunks
from postroom.errors import Invalid, TooLarge
from postroom.messages import options, queueing, reports
from postroom.messages.queueing import Line
from postroom.messages.records import MAX_CONTENT, MAX_SUBJECT, ContentFormat, Lane, Language, MailOptions
from postroom.messages.texts import check_line, check_text
from postroom.settings import Settings
from postroom.storage import bulk, plain, wakeup
from postroom.storage.database import Tx
from postroom.storage.tables import messages

MAX_RECIPIENTS: Final = 10_000
"""Of one message, repeated ones counted."""
MAX_TOGETHER: Final = 50_000
"""Messages, and recipients, that one call sends to at most."""
MAX_FROM_NAME: Final = 100
MAX_FROM_EMAIL: Final = 100
KEPT: Final = 7 * DAY
"""Milliseconds that a message can be asked about after it was sent (contract §1.5)."""

_SHOWN: Final = 100
"""Characters of a bad address that an error shows."""

_ROWS: Final = 1_000
"""Messages that are written together, so that memory stays bounded."""

_COLUMNS: Final = (
    "dialect",
    "client_id",
    "subject",
    "content",
    "content_format",
    "language",
    "summary_email",
    "template",
    "mail",
    "status",
    "created_at",
    "modified_at",
    "sent_at",
    "retain_until",
)
_CREATE: Final = plain.compiled(lambda _: insert(messages).values({name: bindparam(name) for name in _COLUMNS}).returning(messages.c.id))


class Letter(Struct, frozen=True, kw_only=True):
    """What a program wants to have sent, but for the recipients."""

    subject: str
    content: str
    content_format: ContentFormat = "plain"
    language: Language = "pl"
    sender: Mailbox
    """Who stands in From; without an address the no-reply address under this name."""
    summary_email: str | None = None
    """Where the summary report goes; ``None``: there is none."""


class Mailing(Struct, frozen=True, kw_only=True):
    """A letter and its recipients, both checked."""

    letter: Letter
    emails: list[str]


def checked(letter: Letter, recipients: Sequence[str]) -> Mailing:
    """Check a message and bring its addresses into their normal form, each once regardless of case, in the order given.

    Raises ``Invalid`` and ``TooLarge``, named ``subject``, ``content``, ``sender_name``, ``sender_email``, ``summary_email`` or
    ``recipients``, in this order.
    """
    check_line("subject", letter.subject, MAX_SUBJECT)
    check_text("content", letter.content, MAX_CONTENT)
    check_not_blank("subject", letter.subject)
    check_not_blank("content", letter.content)
    return Mailing(letter=with_addresses(letter), emails=_addresses(recipients))


def check_not_blank(parameter: str, text: str) -> None:
    """Check that there is something to read. Raises ``Invalid``."""
    if not text.strip():
        raise Invalid(parameter, "it is empty")


def with_addresses(letter: Letter) -> Letter:
    """Check sender and ``summary_email`` of a letter and return it with their addresses in normal form. Raises as ``checked``."""
    name, email = letter.sender.name, letter.sender.email
    check_line("sender_name", name, MAX_FROM_NAME)
    check_not_blank("sender_name", name)
    if len(email) > MAX_FROM_EMAIL:
        raise TooLarge("sender_email", MAX_FROM_EMAIL)
    return structs.replace(
        letter,
        sender=Mailbox(name, _address("sender_email", email) if email else ""),
        summary_email=None if letter.summary_email is None else _address("summary_email", letter.summary_email),
    )


def send(tx: Tx, settings: Settings, client_id: int, mailing: Mailing, now: int) -> int:
    """Send one message and return its number; three statements for up to 500 recipients."""
    number = create(tx, client_id, mailing.letter, now)
    lane = queueing.lane_of(settings.delivery, len(mailing.emails))
    queue(tx, settings, [Line(number, email) for email in mailing.emails], lane, now)
    return number


def send_all(tx: Tx, settings: Settings, client_id: int, mailings: Sequence[Mailing], now: int) -> list[int]:
    """Send several messages and return their numbers in their order; their recipients together decide on the lane."""
    if not mailings:
        return []
    numbers = bulk.reserve_ids(tx, messages, len(mailings))
    for some in chunks(zip(numbers, mailings, strict=True), _ROWS):
        bulk.insert_rows(tx, messages, [{"id": number, **_row(client_id, mailing.letter, now)} for number, mailing in some])
    lines = [Line(number, email) for number, mailing in zip(numbers, mailings, strict=True) for email in mailing.emails]
    queue(tx, settings, lines, queueing.lane_of(settings.delivery, len(lines)), now)
    return numbers


def create(tx: Tx, client_id: int, letter: Letter, now: int, *, template: bool = False) -> int:
    """Write a checked message, pending and with nobody on its roll yet; return its number."""
    return int(plain.run(tx, (_CREATE, _row(client_id, letter, now, template=template)))[0][0][0])


def queue(tx: Tx, settings: Settings, lines: Sequence[Line], lane: Lane, now: int) -> None:
    """Put recipients on the rolls of messages just written, and wake the workers; whose recipients are all suppressed is done at once."""
    done = queueing.queue_new(tx, settings.delivery, lines, lane, now)
    if done:
        reports.settle(tx, settings, done, now)
    wakeup.notify(tx)


def _row(client_id: int, letter: Letter, now: int, *, template: bool = False) -> dict[str, Any]:
    return {
        "dialect": "usos",
        "client_id": client_id,
        "subject": letter.subject,
        "content": letter.content,
        "content_format": letter.content_format,
        "language": letter.language,
        "summary_email": letter.summary_email,
        "template": template,
        "mail": options.encoded(MailOptions(sender=letter.sender)),
        "status": "pending",
        "created_at": now,
        "modified_at": now,
        "sent_at": now,
        "retain_until": now + KEPT,
    }


def _addresses(given: Sequence[str]) -> list[str]:
    if len(given) > MAX_RECIPIENTS:
        raise TooLarge("recipients", MAX_RECIPIENTS)
    good = emails.checked("recipients", given)
    if not good:
        raise Invalid("recipients", "it is empty")
    return good


def _address(parameter: str, given: str) -> str:
    normal = emails.normalise(given)
    if normal is None:
        raise Invalid(parameter, f"not an address: {given[:_SHOWN]!r}")
    return normal
