"""Sending and sending again: the roll of a draft is frozen and queued in the transaction that answers the author.

Whether it is one recipient or a hundred thousand, the number of statements is the same.
"""

from typing import Any

from sqlalchemy import func, insert, literal, select, update

from postroom.clock import DAY
from postroom.directory import addresses
from postroom.errors import Forbidden, WrongState
from postroom.messages import attachments, audience, drafts, labels, mail_filters, queueing, reports, roll, search, threads
from postroom.messages.records import AudienceChange, DraftContent, Language, Message
from postroom.settings import Settings
from postroom.storage import wakeup
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients, users


def submit(tx: Tx, settings: Settings, author_id: int, message_id: int, language: Language, now: int) -> None:  # noqa: PLR0917 - as units are called
    """Send a draft: freeze its roll and queue it (USOS ``send_message``).

    Raises the first of these that holds: ``NotFound("message", id)``; ``WrongState`` with ``draft_required``,
    ``subject_required``, ``content_required``, ``recipients_outdated``, ``recipients_required``;
    ``Forbidden("inst_address_unassigned")``. A roll of people who all lack an address, or are all on the suppression list, is not
    empty: it is sent, to nobody. Of two simultaneous calls one sends, the other gets ``draft_required``.
    """
    draft = drafts.locked_draft(tx, author_id, message_id)
    _check_texts(draft)
    if not draft.roll_valid(now):
        raise WrongState("recipients_outdated")
    counts = roll.counts(tx, [message_id])[message_id]
    if counts.recipients == 0:
        raise WrongState("recipients_required")
    _check_sender(tx, author_id, draft)
    _start(tx, settings, draft, {"status": "pending", "language": language, "sent_at": now, "modified_at": now}, now)
    if draft.send_to_myself:
        _list_author(tx, author_id, message_id)
    if draft.thread_id is not None:
        threads.lock(tx, [draft.thread_id])
    lane = queueing.lane_of(settings.delivery, counts.emails)
    if queueing.queue_listed(tx, settings.delivery, [message_id], lane, now, to_inboxes=True) == 0:
        reports.settle(tx, settings, [message_id], now)
    search.index(tx, [message_id])
    labels.put_by_sender(tx, message_id)
    mail_filters.await_arrivals(tx, message_id)
    if draft.thread_id is not None:
        threads.add_answer(tx, author_id, message_id, draft.thread_id, now)
    wakeup.notify(tx)


def create_and_submit(  # noqa: PLR0917 - as units are called
    tx: Tx,
    settings: Settings,
    author_id: int,
    content: DraftContent,
    recipients_group: AudienceChange,
    language: Language,
    now: int,
    dialect: str,
) -> int:
    """Write a message, address it and send it, all or nothing; return its number (USOS ``create_and_send_message``).

    People are written to at their primary addresses. Raises, in this order, what these raise: ``drafts.create``,
    ``audience.update`` when it is strict, ``submit``.
    """
    message_id = drafts.create(tx, author_id, content, now, dialect)
    audience.update(tx, author_id, message_id, recipients_group, strict=True, now=now)
    roll.refresh(tx, author_id, message_id, "primary_only", now)
    submit(tx, settings, author_id, message_id, language, now)
    return message_id


def retry(tx: Tx, settings: Settings, author_id: int, message_id: int, language: Language, now: int) -> None:  # noqa: PLR0917 - as units are called
    """Send a message again to those, and only those, whom it failed to reach (USOS ``retry_send_message``).

    Failed and expired recipients, the copy to oneself included, and those whom the suppression list does not hold back any more
    (``queueing.queue_failed``) return to the queue with all tries before them; what happened so far stays in ``attempts``. Links
    live anew from now on, except withdrawn ones. The date of sending stays; a letter that lost it is sent now (``endings``). When there
    is nobody to send to, nothing changes.
    Raises, in this order: ``NotFound("message", id)``, ``WrongState("error_required")``, ``Forbidden("inst_address_unassigned")``.
    """
    message = drafts.locked(tx, author_id, message_id)
    if message.status != "error":
        raise WrongState("error_required")
    _check_sender(tx, author_id, message)
    if queueing.queue_failed(tx, settings.delivery, message_id, now) == 0:
        return
    again = {"sent_at": func.coalesce(messages.c.sent_at, now), "settled_at": None}
    _start(tx, settings, message, {"status": "pending", "language": language, "modified_at": now, **again}, now)
    wakeup.notify(tx)


def _check_texts(draft: Message) -> None:
    if not draft.subject.strip():
        raise WrongState("subject_required")
    if not draft.content.strip():
        raise WrongState("content_required")


def _check_sender(tx: Tx, author_id: int, message: Message) -> None:
    if message.from_address_id is not None and not addresses.is_assigned(tx, message.from_address_id, author_id):
        raise Forbidden("inst_address_unassigned")


def _start(tx: Tx, settings: Settings, message: Message, values: dict[str, Any], now: int) -> None:
    """Make the message pending and start the clock of its links. The lock on its row keeps its status as it was read."""
    tx.execute(update(messages).where(messages.c.id == message.id).values(values))
    end = now + message.attachments_lifetime * DAY
    attachments.start_clock(tx, message.id, end, queueing.last_try(settings.delivery, now))


def _list_author(tx: Tx, author_id: int, message_id: int) -> None:
    """Put the copy to oneself on the roll."""
    author = select(literal(message_id), users.c.id, queueing.own_address(), literal("self")).where(users.c.id == author_id)
    tx.execute(insert(recipients).from_select(["message_id", "user_id", "email", "role"], author))
