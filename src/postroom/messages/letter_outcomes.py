"""What became of letters so far, for who waits for it: of everybody whom a mail goes to, how many it has reached, and what was said."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from sqlalchemy import func, select

from postroom.directory.values import chunks
from postroom.storage.database import Tx
from postroom.storage.tables import recipients

_r: Final = recipients.c
_BEFORE_A_TRY: Final = frozenset({"listed", "queued", "sending"})
_TO_BE_TRIED: Final = frozenset({*_BEFORE_A_TRY, "deferred", "unknown"})


class Outcome(Struct, frozen=True, kw_only=True):
    """One letter."""

    delivered: int = 0
    """Recipients whose mail a mail server took."""
    untried: int = 0
    """... of whom nothing is known yet."""
    waiting: int = 0
    """... whom it may still reach, these included."""
    reply: str = ""
    """The last words of a mail server, or of ours, about some that it did not reach; empty if there are none."""


def of(tx: Tx, message_ids: Iterable[int]) -> dict[int, Outcome]:
    """Return the outcome of each letter. One statement for each 500."""
    found = dict.fromkeys(message_ids, Outcome())
    for chunk in chunks(found):
        columns = (_r.message_id, _r.state, func.count().label("number"), func.max(_r.reply_code).label("code"))
        counts = select(*columns, func.max(_r.reply_text).label("text")).where(_r.message_id.in_(chunk), _r.email.is_not(None))
        for row in tx.execute(counts.group_by(_r.message_id, _r.state).order_by(_r.message_id, _r.state)):
            known = found[row.message_id]
            found[row.message_id] = Outcome(
                delivered=known.delivered + row.number * (row.state == "delivered"),
                untried=known.untried + row.number * (row.state in _BEFORE_A_TRY),
                waiting=known.waiting + row.number * (row.state in _TO_BE_TRIED),
                reply=known.reply or (" ".join(str(part) for part in (row.code, row.text) if part) if row.state != "delivered" else ""),
            )
    return found
