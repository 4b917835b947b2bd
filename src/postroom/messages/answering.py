"""Letters that addresses answer by themselves, as their owners have settled (ONLYOFFICE contract §1b Autoreply; RFC 3834).

Sending a letter only notes whom it came to (``autoreplies.await_replies``); the worker decides what is answered, so that sending costs
the same however many are away. An answer is a letter of its own, marked as automatic, and such letters are never answered.
"""

import re
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Row, Select, and_, delete, func, select

from postroom.clock import DAY
from postroom.directory import address_books, named_mailboxes, owned_addresses
from postroom.directory.address_books import Search
from postroom.directory.mail_accounts import Autoreply
from postroom.directory.records import Mailbox
from postroom.errors import PostroomError
from postroom.messages import autoreplies, letter_records, letters, options
from postroom.messages.letter_records import MAX_SUBJECT, Letter
from postroom.messages.letters import Desk
from postroom.messages.records import MailOptions
from postroom.settings import Settings
from postroom.storage import advisory
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import due_autoreplies, mail_accounts, messages, recipients, users

INTERVAL: Final = 4 * DAY
"""Milliseconds for which nobody is answered again by the same address (ours; a setting of the original, of which both 1 and 4 are told)."""

_LOCK_CLASS: Final = 0x41775179
"""Name space of our advisory locks on PostgreSQL: 'Away'."""

_MACHINE: Final = re.compile(
    r"no-?reply|do-?not-?reply|mailer-daemon|mail-daemon|postmaster|postman|notify|bounces?|owner-.*|.*-(?:request|owner|bounces)",
    re.IGNORECASE,
)
"""Local parts behind which nobody reads (RFC 3834 section 2, and what the original looks for)."""
_LIST_FIELDS: Final = ("list-", "precedence", "auto-submitted", "x-auto-response-suppress", "x-loop")
"""How header fields of mail begin that is from a list or a program."""

_m: Final = messages.c
_r: Final = recipients.c
_c: Final = mail_accounts.c

_log: Final = structlog.get_logger("postroom.messages")


def send_due(tx: Tx, settings: Settings, vault: Vault, now: int, limit: int) -> int:
    """Answer those of the next ``limit`` letters that are to be answered; return how many letters were looked at.

    Any number of workers may call this at the same time.
    """
    next_ones = select(due_autoreplies.c.recipient_id).order_by(due_autoreplies.c.recipient_id).limit(limit)
    numbers = list(tx.scalars(next_ones.with_for_update(skip_locked=True)))
    if not numbers:
        return 0
    tx.execute(delete(due_autoreplies).where(due_autoreplies.c.recipient_id.in_(numbers)))
    came = tx.execute(_came().where(_r.id.in_(numbers)).order_by(_r.id)).all()
    advisory.lock(
        tx, _LOCK_CLASS, {row.user_id for row in came}
    )  # of two letters of one author, the second sees that the first was answered
    senders = {row.id: letter_records.decoded(row.options).sender for row in came}
    owners = owned_addresses.owners(tx, [row.email for row in came] + [sender.email for sender in senders.values()])
    for row in came:
        sender = senders[row.id]
        if _is_personal(sender, options.decoded(row.mail)) and _is_between_two(row, sender, owners) and _is_wanted(tx, row, sender, now):
            _answer(tx, settings, vault, row, sender, now)
    return len(numbers)


def _came() -> Select[Any]:
    columns = (_r.id, _r.user_id, _r.email, _m.author_id, _m.dialect, _m.subject, _m.options, _m.mail, _m.sent_at)
    account = (_c.autoreply, _c.signature, _c.signature_on)
    joined = recipients.join(messages, _m.id == _r.message_id).join(users, users.c.id == _r.user_id)
    joined = joined.join(mail_accounts, and_(_c.user_id == _r.user_id, _c.email == func.lower(_r.email)))
    in_inbox = and_(_r.received_at.is_not(None), _r.deleted_at.is_(None), _m.sent_at.is_not(None), users.c.active)
    return select(*columns, *account).select_from(joined).where(in_inbox)


def _is_personal(sender: Mailbox, mail: MailOptions) -> bool:
    """Tell whether somebody wrote a letter who reads what comes back: no program, no list."""
    by_program = mail.automatic or mail.marked_generated or any(field.name.lower().startswith(_LIST_FIELDS) for field in mail.headers)
    return not by_program and not _MACHINE.fullmatch(sender.email.partition("@")[0])


def _is_between_two(row: Row[Any], sender: Mailbox, owners: dict[str, list[int]]) -> bool:
    """Tell whether the address is this person's alone, who must not answer for others, and that of the author is another's."""
    return owners.get(row.email.lower()) == [row.user_id] and row.user_id not in owners.get(sender.email.lower(), [])


def _is_wanted(tx: Tx, row: Row[Any], sender: Mailbox, now: int) -> bool:
    wanted = msgspec.json.decode(row.autoreply, type=Autoreply)
    over = wanted.until_end and wanted.end + DAY <= now  # the last day counts as a whole
    if not wanted.on or over or wanted.begin > row.sent_at:
        return False
    last = autoreplies.last(tx, row.user_id, row.email, sender.email)
    if last is not None and last > now - INTERVAL:
        return False
    return not wanted.only_contacts or address_books.count(tx, row.user_id, Search(info_kind="email", info=sender.email)) > 0


def _answer(tx: Tx, settings: Settings, vault: Vault, row: Row[Any], sender: Mailbox, now: int) -> None:  # noqa: PLR0917 - one letter
    """Send an answer. One that cannot be sent is given up, so that nobody waits for it: nothing was written then.

    Letters do not go to each address, nor through a server whose login was encrypted with another secret key.
    """
    wanted = msgspec.json.decode(row.autoreply, type=Autoreply)
    signature = f'<div class="tlmail_signature">{row.signature}</div>' if row.signature_on else ""
    answer = Letter(
        sender=row.email,
        to=(named_mailboxes.written(sender),),
        subject=f"{wanted.subject} Re: {row.subject}".strip()[:MAX_SUBJECT],
        body=f"{wanted.html}{signature}",
        automatic_reply=True,
        mime_reply_to=options.decoded(row.mail).message_id,
    )
    try:
        letters.send(tx, Desk(settings=settings, vault=vault, author_id=row.user_id, dialect=row.dialect, now=now), answer)
    except PostroomError as error:
        _log.warning("not_answered", recipient=row.id, reason=type(error).__name__)
