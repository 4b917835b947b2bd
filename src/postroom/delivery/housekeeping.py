"""What has to be cleared away from time to time: each step is bounded, and safe to run in every worker at once."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from postroom.clock import SECOND
from postroom.delivery import queue
from postroom.directory import clients
from postroom.messages import attachments
from postroom.storage.store import Store

_LIMIT: Final = 1_000
"""Rows that one step touches at most, so that nobody waits for it long; others may write between two of them."""

_ROUNDS: Final = 200
"""Steps of one kind at a time at most."""

_log: Final = structlog.get_logger("postroom.delivery")


async def clear(store: Store, now: int) -> None:
    """Give up whom nobody could try in time, delete files whose links are over, forget old nonces. Raises ``Unavailable``.

    A nonce may be forgotten when its timestamp alone would be refused; twice the window leaves room for a clock that is set back.
    """
    expired = await _in_rounds(lambda: store.database.write(queue.expire, store.settings, now, _LIMIT))
    files = await _in_rounds(lambda: _delete_files(store, now))
    oldest = now // SECOND - 2 * store.settings.usos.timestamp_window
    nonces = await _in_rounds(lambda: store.database.write(clients.prune_nonces, oldest, _LIMIT))
    if expired or files or nonces:
        _log.info("cleared", expired=expired, files=files, nonces=nonces)


async def _delete_files(store: Store, now: int) -> int:
    keys = await store.database.write(attachments.retire_expired, now, _LIMIT)
    for key in keys:
        await store.blobs.delete(key)
    return len(keys)


async def _in_rounds(step: Callable[[], Awaitable[int]]) -> int:
    """Repeat a step that returns how many rows it touched, until there is no more to do; return how many there were.

    A busy API uses up thousands of nonces in a minute, so one step a minute would never catch up.
    """
    total = 0
    for _ in range(_ROUNDS):
        done = await step()
        total += done
        if done < _LIMIT:
            break
    return total
