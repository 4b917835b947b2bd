"""What filters do (``mail_filters``): with messages that have come or were sent, and with those that stand in a mailbox already.

Sending only notes whom a message came to that has filters; the worker lets them act, so that sending costs the same however many have
some. What the person has put elsewhere meanwhile is left alone. A folder or a label that is not there any more is passed over.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct
from sqlalchemy import delete, exists, not_, select

from postroom.directory import mail_accounts, named_mailboxes
from postroom.errors import NotFound
from postroom.messages import filing, item_lists, items, labels, mail_filters, threads
from postroom.messages.item_details import Item, Reader, load
from postroom.messages.item_lists import Wanted
from postroom.messages.items import Found, Key
from postroom.messages.mail_filters import Action, Condition, Filter, Place, Rule
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import due_autoreplies, due_filters, messages, recipients

LOOKED_THROUGH: Final = 10_000
"""Messages of each folder, the newest ones, that a filter acts on when it is applied to what is there."""
SHOWN_OF: Final = 1_000
"""Messages of each folder, the newest ones, among which it is shown what a filter is for."""

_d: Final = due_filters.c


class _Ready(Struct, frozen=True):
    """A rule, and the addresses that messages must have come by, or gone from; ``None``: any."""

    rule: Rule
    emails: frozenset[str] | None


def act_due(tx: Tx, settings: Settings, vault: Vault, now: int, limit: int) -> int:
    """Let filters act on the next ``limit`` (500 at most) messages that they are to look at; return how many were looked at.

    What somebody who is away may have to answer comes later: they answer what a filter removes, too. Any number of workers may call this at
    the same time.
    """
    answered = not_(exists().where(due_autoreplies.c.recipient_id == _d.recipient_id))
    next_ones = select(due_filters).where(answered).order_by(_d.id).limit(limit)
    due = tx.execute(next_ones.with_for_update(skip_locked=True, of=due_filters)).all()
    if not due:
        return 0
    tx.execute(delete(due_filters).where(_d.id.in_([row.id for row in due])))
    of_person = _by_person(tx, [row.message_id for row in due if row.message_id], [row.recipient_id for row in due if row.recipient_id])
    found = {user_id: items.find(tx, user_id, keys) for user_id, keys in of_person.items()}
    threads.lock(tx, {one.thread_id for some in found.values() for one in some})  # of all people at once, and so in one order
    filters = mail_filters.of_people(tx, sorted(found))
    for user_id, some in sorted(found.items()):
        reader = Reader(settings=settings, vault=vault, user_id=user_id)
        _act_in_turn(tx, reader, [one for one in filters.get(user_id, []) if one.enabled], some, now)
    return len(due)


def standing(tx: Tx, user_id: int, rule: Rule, limit: int) -> list[Found]:
    """Return the newest ``limit`` messages of each folder that a filter is for, the newest first. Two statements for each folder."""
    found = [one for folder in rule.folders for one in item_lists.page(tx, user_id, Wanted(folder=folder), 0, limit)[0]]
    return sorted(found, key=lambda one: (one.at, one.own, one.id), reverse=True)


def fitting(tx: Tx, reader: Reader, rule: Rule, found: Sequence[Found]) -> list[Item]:
    """Return those of some messages that a filter is for, in the order given. Five statements for each 500."""
    (ready,) = _ready(tx, reader.user_id, [rule])
    return [item for item in load(tx, reader, found) if _fits(ready, item)]


def apply(tx: Tx, reader: Reader, rule: Rule, keys: Iterable[Key], now: int) -> int:
    """Let a filter act on those of some messages that it is for; return how many these are."""
    fit = fitting(tx, reader, rule, items.find(tx, reader.user_id, keys))
    _act(tx, reader.user_id, rule, [item.key for item in fit], now)
    return len(fit)


def _by_person(tx: Tx, message_ids: Sequence[int], recipient_ids: Sequence[int]) -> dict[int, list[Key]]:
    found: dict[int, list[Key]] = {}
    wrote = select(messages.c.author_id, messages.c.id).where(messages.c.id.in_(message_ids))
    got = select(recipients.c.user_id, recipients.c.id).where(recipients.c.id.in_(recipient_ids))
    for own, rows in ((True, wrote), (False, got)):
        for user_id, number in tx.execute(rows):
            if user_id is not None:
                found.setdefault(user_id, []).append(Key(own, number))
    return found


def _act_in_turn(tx: Tx, reader: Reader, filters: Sequence[Filter], found: Sequence[Found], now: int) -> None:
    if not filters:  # taken away meanwhile
        return
    in_turn = _ready(tx, reader.user_id, [one.rule for one in filters])
    fit: list[list[Key]] = [[] for _ in in_turn]
    for item in load(tx, reader, found):  # one after the other: what its long headers say is read once
        for ready, keys in zip(in_turn, fit, strict=True):
            if _fits(ready, item):
                keys.append(item.key)
                if ready.rule.is_last or any(action.deed == "remove" for action in ready.rule.actions):
                    break
    for ready, keys in zip(in_turn, fit, strict=True):
        _act(tx, reader.user_id, ready.rule, keys, now)


def _ready(tx: Tx, user_id: int, rules: Sequence[Rule]) -> list[_Ready]:
    accounts = mail_accounts.of_person(tx, user_id) if any(rule.account_ids for rule in rules) else []
    email_of = {account.id: account.address.email.lower() for account in accounts}
    return [
        _Ready(rule, frozenset(email_of[number] for number in rule.account_ids if number in email_of) if rule.account_ids else None)
        for rule in rules
    ]


def _fits(ready: _Ready, item: Item) -> bool:
    rule = ready.rule
    if item.folder not in rule.folders or rule.with_files not in {None, item.has_files}:
        return False
    if ready.emails is not None and item.address.lower() not in ready.emails:
        return False
    holding = (_holds(condition, item) for condition in rule.conditions)
    return any(holding) if rule.combined == "any" and rule.conditions else all(holding)


def _holds(condition: Condition, item: Item) -> bool:
    wanted = condition.value.strip().lower()
    said = _said(condition.place, *_headers(condition.place, item))
    if condition.test in {"matches", "not_matches"}:
        return (wanted in said.whole) == (condition.test == "matches")
    return (wanted in said.together) == (condition.test == "contains")


def _headers(place: Place, item: Item) -> tuple[str, ...]:
    match place:
        case "subject":
            return (item.subject,)
        case "from":
            return (item.sender,)
        case "to":
            return (item.to,)
        case "cc":
            return (item.cc,)
        case "to_or_cc":
            return (item.to, item.cc)


class _Said(Struct, frozen=True):
    """What stands where a condition looks, in small letters: each form as a whole, and all of them in lines, which no value spans."""

    whole: frozenset[str]
    together: str


@lru_cache(maxsize=8)
def _said(place: Place, *headers: str) -> _Said:
    """Take headers apart: of each mailbox how it is written, its address and its name.

    A header may name thousands, for as many people one after the other, and for many conditions.
    """
    if place == "subject":
        forms = [header.strip() for header in headers]
    else:
        written = [one for header in headers for one in ([header] if place == "from" else named_mailboxes.split(header))]
        mailboxes = [mailbox for one in written if (mailbox := named_mailboxes.parse(one)) is not None]
        forms = [*written, *(mailbox.email for mailbox in mailboxes), *(mailbox.name for mailbox in mailboxes if mailbox.name)]
    small = [form.lower() for form in forms]
    return _Said(frozenset(small), "\n".join(small))


def _act(tx: Tx, user_id: int, rule: Rule, keys: list[Key], now: int) -> None:
    for action in rule.actions if keys else ():
        try:
            _do(tx, user_id, action, keys, now)
        except NotFound:
            pass  # the folder or the label was taken away: nothing was written, and what else the filter does goes on


def _do(tx: Tx, user_id: int, action: Action, keys: list[Key], now: int) -> None:
    match action.deed:
        case "remove":
            filing.remove(tx, user_id, keys, now)
        case "move":
            filing.move(tx, user_id, keys, action.folder, now, folder_id=action.folder_id)
        case "label":
            labels.put(tx, user_id, action.label_id, keys)
        case "mark_important":
            filing.mark_important(tx, user_id, keys, important=True)
        case "mark_read":
            filing.mark_read(tx, user_id, keys, now, read=True)
