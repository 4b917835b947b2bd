"""What has to be cleared away from time to time: each step is bounded, and safe to run in every worker at once."""

from typing import Final

import structlog

from postroom.clock import SECOND
from postroom.delivery import queue
from postroom.directory import clients
from postroom.messages import attachments
from postroom.storage.store import Store

_LIMIT: Final = 1_000
"""Rows that one step touches at most; the rest waits for the next round."""

_log: Final = structlog.get_logger("postroom.delivery")


async def clear(store: Store, now: int) -> None:
    """Give up whom nobody could try in time, delete files whose links are over, forget old nonces. Raises ``Unavailable``.

    A nonce may be forgotten when its timestamp alone would be refused; twice the window leaves room for a clock that is set back.
    """
    expired = await store.database.write(queue.expire, store.settings, now, _LIMIT)
    keys = await store.database.write(attachments.retire_expired, now, _LIMIT)
    for key in keys:
        await store.blobs.delete(key)
    oldest = now // SECOND - 2 * store.settings.usos.timestamp_window
    nonces = await store.database.write(clients.prune_nonces, oldest, _LIMIT)
    if expired or keys or nonces:
        _log.info("cleared", expired=expired, files=len(keys), nonces=nonces)
