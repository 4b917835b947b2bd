"""How letters end. Whom one reached become contacts of its author; when it failed its author is told in the mailbox, at once.

A letter that reached nobody is a draft again (``letters.is_editable``): nobody has it in the inbox any more, and it can be changed and
sent anew. Whoever got the mail, or has read it in the inbox, was reached: such a letter stays sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, func, insert, or_, select, update

from postroom.directory import address_books, named_mailboxes
from postroom.directory.records import Mailbox
from postroom.directory.values import chunks
from postroom.messages import alerts, failure_texts, letter_records, mail_filters, misses, options, search, threads
from postroom.messages.alerts import NewAlert
from postroom.messages.failure_texts import Failure
from postroom.messages.records import MailOptions, MessageStatus
from postroom.messages.report_texts import Unreached
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients

_AT_ONCE: Final = 20
"""Letters whose failure is told together, so that memory stays bounded."""

_m: Final = messages.c
_r: Final = recipients.c

_MAILED: Final = and_(_r.state == "delivered", _r.email.is_not(None))
_OTHERS: Final = or_(_r.user_id.is_(None), _r.user_id != _m.author_id)


def finish(tx: Tx, settings: Settings, letters: Mapping[int, MessageStatus], now: int) -> None:
    """Do what is to be done at the end of letters that were just settled. The caller holds the locks of their rows."""
    for chunk in chunks(sorted(letters)):
        _learn(tx, chunk, now)
    failed = sorted(number for number, status in letters.items() if status == "error")
    tell(tx, settings, failed, now)
    for chunk in chunks(failed):
        _take_back(tx, chunk)
    for chunk in chunks(sorted(letters)):
        mail_filters.await_sent(tx, chunk)


def tell(tx: Tx, settings: Settings, message_ids: Sequence[int], now: int) -> None:
    """Put into the inboxes of the authors of letters, unread and important, who was not reached and why; and raise alerts.

    These letters stand in the inbox only: no mail is sent. Six statements for each 20.
    """
    for some in chunks(message_ids, _AT_ONCE):
        columns = (_m.id, _m.author_id, _m.dialect, _m.subject, _m.options, func.coalesce(_m.sent_at, _m.created_at).label("sent_at"))
        rows = tx.execute(select(*columns).where(_m.id.in_(some), _m.author_id.is_not(None)).order_by(_m.id)).all()
        missed = misses.unreached(tx, some)
        if rows:
            _tell(tx, rows, [_daemon_letter(row, missed[row.id], settings.letters.daemon, now) for row in rows], now)


def _tell(tx: Tx, rows: Sequence[Row[*tuple[Any, ...]]], daemon_letters: list[dict[str, Any]], now: int) -> None:
    written = tx.execute(insert(messages).returning(_m.id, _m.in_reply_to), daemon_letters)
    told_in = {about: number for number, about in written}
    senders = {row.id: letter_records.decoded(row.options).sender for row in rows}
    line = {"state": "delivered", "received_at": now, "settled_at": now, "important": True}
    tx.execute(
        insert(recipients),
        [
            {"message_id": told_in[row.id], "user_id": row.author_id, "email": senders[row.id].email, "name": senders[row.id].name, **line}
            for row in rows
        ],
    )
    raised = [
        NewAlert(
            user_id=row.author_id,
            message_id=row.id,
            told_in=told_in[row.id],
            sender=named_mailboxes.written(senders[row.id]),
            subject=row.subject,
            created_at=now,
        )
        for row in rows
    ]
    alerts.raise_all(tx, raised)
    search.index(tx, sorted(told_in.values()))


def _daemon_letter(row: Row[*tuple[Any, ...]], missed: Sequence[Unreached], daemon: str, now: int) -> dict[str, Any]:
    failure = Failure(subject=row.subject, sent_at=row.sent_at, unreached=[person for person in missed if person.email is not None])
    return {
        "kind": "summary",
        "dialect": row.dialect,
        "in_reply_to": row.id,
        "subject": failure_texts.SUBJECT,
        "content": failure_texts.render(failure),
        "content_format": "html",
        "language": "en",
        "shared": True,
        "mail": options.encoded(MailOptions(sender=Mailbox("", daemon), importance="highest", signature=False)),
        "status": "sent",
        "created_at": now,
        "modified_at": now,
        "sent_at": now,
        "settled_at": now,
    }


def _learn(tx: Tx, message_ids: Sequence[int], now: int) -> None:
    """Make contacts of those whom letters reached by mail, but for their authors themselves."""
    columns = (_m.author_id, func.coalesce(_r.name, "").label("name"), _r.email)
    reached = select(*columns).join(messages, _m.id == _r.message_id).where(_m.id.in_(message_ids), _MAILED, _OTHERS)
    rows = tx.execute(reached.where(_m.author_id.is_not(None)).order_by(_r.id))
    address_books.learn(tx, [(row.author_id, Mailbox(row.name, row.email)) for row in rows], now)


def _take_back(tx: Tx, message_ids: Sequence[int]) -> None:
    """Make drafts again of those of the letters that reached nobody; what came before them stands for their threads again."""
    read = and_(_r.read_at.is_not(None), _OTHERS)
    reached = select(_r.message_id).join(messages, _m.id == _r.message_id).where(_r.message_id.in_(message_ids), or_(_MAILED, read))
    back = sorted(set(message_ids).difference(tx.scalars(reached)))
    if not back:
        return
    answers = select(_m.id, _m.author_id, _m.thread_id).where(_m.id.in_(back), _m.thread_id.is_not(None), _m.author_id.is_not(None))
    thread_of = {row.id: row for row in tx.execute(answers)}
    if thread_of:
        threads.lock(tx, [row.thread_id for row in thread_of.values()])
    had = and_(_r.message_id.in_(back), _r.received_at.is_not(None))
    lines = tx.execute(update(recipients).where(had).values(received_at=None).returning(_r.message_id, _r.user_id)).all()
    for line in lines:
        if line.message_id in thread_of and line.user_id is not None:
            threads.promote_line(tx, line.user_id, thread_of[line.message_id].thread_id)
    tx.execute(update(messages).where(_m.id.in_(back)).values(sent_at=None))
    for row in thread_of.values():
        threads.promote_sent(tx, row.author_id, [row.thread_id])
