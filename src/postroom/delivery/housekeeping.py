"""What has to be cleared away from time to time.

Each step is bounded, works in short transactions, and is safe to run in every worker at once; one that fails is tried
again the next time and keeps no other from its work. Rows go first, files after the commit: a crash in between leaves
files that nobody needs, and the sweep finds those.
"""

import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Final

import structlog

from postroom.clock import DAY, SECOND
from postroom.delivery import copy_queue, presence, queue
from postroom.directory import clients, grants, sessions, suppressions, throttle
from postroom.directory.values import chunks
from postroom.errors import Unavailable
from postroom.messages import answering, attachments, filtering, idempotency, notifications, reports, retention, search, uploads
from postroom.storage.blobs import LISTED, PARTS
from postroom.storage.store import Store

Step = Callable[[Store, int], Awaitable[int]]
"""Clears away a bounded number of things that are over at a time (ms), and returns how many; 0 when it finds none."""

_LIMIT: Final = 1_000
"""Rows that one step touches at most, so that nobody waits for it long; others may write between two of them."""

_FEW: Final = 100
"""Messages whose end, or whose report, one step writes at most; and people whose digests it writes."""

_ACTING: Final = 10
"""Letters that one step answers, and messages that it lets filters look at: each takes some twenty statements, while on SQLite nobody else
writes."""

_LONGEST: Final = 30.0
"""Seconds for which steps of one kind are repeated, so that the others get their turn."""

_SAFE_AGE: Final = DAY
"""Age from which a file that no row names belongs to nobody: uploads take minutes, and clocks differ by less."""

_COPIES_KEPT: Final = 30 * DAY
"""How long a copy in a Sent folder can be asked about after it was made, or given up."""

_log: Final = structlog.get_logger("postroom.delivery")


async def clear(store: Store, now: int) -> None:
    """Run every step until it finds nothing more, for ``_LONGEST`` at most, and log what was done. Raises nothing."""
    cleared: dict[str, int] = {}
    for name, step in _STEPS.items():
        try:
            cleared[name] = await _in_rounds(step, store, now)
        except Unavailable as error:
            _log.warning("not_cleared", step=name, reason=str(error))
        except Exception:  # noqa: BLE001 - whatever it is, the other steps have nothing to do with it
            _log.exception("not_cleared", step=name)
    if any(cleared.values()):
        _log.info("cleared", **cleared)


async def sweep(store: Store, part: int, now: int) -> int:
    """Delete the files in one part of the store of blobs that nobody needs, left behind by a crash; return how many.

    Needed is what an upload names, or an attachment whose link was not withdrawn, and whatever is younger than ``_SAFE_AGE``.
    """
    deleted = 0
    async with aclosing(store.blobs.listed(part, now - _SAFE_AGE)) as listed:
        async for keys in listed:
            deleted += await _delete_unused(store, keys)
    return deleted


async def _in_rounds(step: Step, store: Store, now: int) -> int:
    """Repeat a step until there is no more to do; return how much there was.

    A busy API uses up thousands of nonces in a minute, so one step a minute would never catch up.
    """
    total, end = 0, time.monotonic() + _LONGEST
    while done := await step(store, now):
        total += done
        if time.monotonic() >= end:
            break
    return total


async def _expire(store: Store, now: int) -> int:
    """Give up whom nobody could try in time."""
    return await store.database.write(queue.expire, store.settings, now, _LIMIT)


async def _withdraw_links(store: Store, now: int) -> int:
    """Withdraw links whose time is over, and delete their files."""
    keys = await store.database.write(attachments.retire_expired, now, _LIMIT)
    await _delete_unused(store, keys)
    return len(keys)


async def _forget_uploads(store: Store, now: int) -> int:
    """Forget files that no message has taken over in time, and delete them."""
    keys = await store.database.write(uploads.remove_expired, now, _LIMIT)
    await _delete_unused(store, (key for key in keys if key is not None))
    return len(keys)


async def _remove_messages(store: Store, now: int) -> int:
    """Delete messages that are not to be kept any longer; counts the lines of their rolls too."""
    removed = await store.database.write(retention.remove_due, now, _LIMIT)
    await _delete_unused(store, removed.blob_keys)
    return removed.rows


async def _sweep_somewhere(store: Store, now: int) -> int:
    """Sweep one part of the store of blobs.

    A part taken at random needs no memory of where one stopped, and has different workers look at different parts. One look
    a minute comes by each part every four hours or so, and reads 4,000 names when there are a million files.
    """
    return await sweep(store, random.randrange(PARTS), now)  # noqa: S311 - not for secrets


async def _forget_nonces(store: Store, now: int) -> int:
    """Forget nonces whose timestamp alone would be refused; twice the window leaves room for a clock that is set back."""
    oldest = now // SECOND - 2 * store.settings.oauth.timestamp_window
    return await store.database.write(clients.prune_nonces, oldest, _LIMIT)


async def _forget_answers(store: Store, now: int) -> int:
    """Forget the answers of calls that can be repeated no more."""
    return await store.database.write(idempotency.forget, now - idempotency.LIFETIME, _LIMIT)


async def _forget_requests(store: Store, now: int) -> int:
    """Forget request tokens that nobody exchanged in time."""
    return await store.database.write(grants.forget_requests, now, _LIMIT)


async def _forget_tokens(store: Store, now: int) -> int:
    """Forget access tokens that expired long ago."""
    return await store.database.write(grants.forget_tokens, now - grants.KEPT, _LIMIT)


async def _forget_sessions(store: Store, now: int) -> int:
    """Forget sessions of programs that are over."""
    return await store.database.write(sessions.forget, now, _LIMIT)


async def _forget_logins(store: Store, now: int) -> int:
    """Forget wrong passwords that are held against nobody any more."""
    return await store.database.write(throttle.forget, now - throttle.REMEMBERED, _LIMIT)


async def _forget_copies(store: Store, now: int) -> int:
    """Forget copies in Sent folders that were made, or given up, long ago."""
    return await store.database.write(copy_queue.forget, now - _COPIES_KEPT, _LIMIT)


async def _settle_messages(store: Store, now: int) -> int:
    """Settle messages that nobody settled though nobody of them is open: a worker that stood still for long may leave one behind."""
    return await store.database.write(reports.settle_forgotten, store.settings, now, _FEW)


async def _forget_suppressions(store: Store, now: int) -> int:
    """Take addresses off the suppression list whose time is over."""
    return await store.database.write(suppressions.prune_expired, now, _LIMIT)


async def _report_bounces(store: Store, now: int) -> int:
    """Tell authors of bounces that came after the end of a message."""
    return await store.database.write(reports.report_late_bounces, store.settings, now, _FEW)


async def _send_digests(store: Store, now: int) -> int:
    """Tell people of unread private messages, who want to hear of them once a day."""
    return await store.database.write(notifications.queue_digests, store.settings, now, _FEW)


async def _answer_letters(store: Store, now: int) -> int:
    """Let addresses answer by themselves that are to; counts the letters that were looked at."""
    return await store.database.write(answering.send_due, store.settings, store.vault, now, _ACTING)


async def _filter_messages(store: Store, now: int) -> int:
    """Let filters act on what came and what was sent; counts the messages that were looked at."""
    return await store.database.write(filtering.act_due, store.settings, store.vault, now, _ACTING)


async def _index_messages(store: Store, now: int) -> int:
    """Let messages be found that were there before the index was."""
    del now
    return await store.database.write(search.index_older, _FEW)


async def _forget_workers(store: Store, now: int) -> int:
    """Forget workers that have told nothing for long."""
    return await store.database.write(presence.prune, now)


_STEPS: Final[dict[str, Step]] = {
    "expired": _expire,
    "settled": _settle_messages,
    "answered": _answer_letters,
    "filtered": _filter_messages,  # behind the answers, for which it waits
    "links": _withdraw_links,
    "uploads": _forget_uploads,
    "bounces": _report_bounces,
    "digests": _send_digests,
    "retained": _remove_messages,
    "orphans": _sweep_somewhere,
    "nonces": _forget_nonces,
    "answers": _forget_answers,
    "requests": _forget_requests,
    "tokens": _forget_tokens,
    "sessions": _forget_sessions,
    "logins": _forget_logins,
    "copies": _forget_copies,
    "suppressions": _forget_suppressions,
    "workers": _forget_workers,
    "indexed": _index_messages,
}


async def _delete_unused(store: Store, keys: Iterable[str]) -> int:
    """Delete those of the blobs that no attachment and no upload needs; return how many."""
    deleted = 0
    for some in chunks(keys, LISTED):
        used = await store.database.read(attachments.blobs_in_use, some)
        for key in some:
            if key not in used:
                await store.blobs.delete(key)
                deleted += 1
    return deleted
