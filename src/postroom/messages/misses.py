"""Who did not get a message, and why: what reports, and the letters that tell of failures, are made of."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, func, select

from postroom.directory import people
from postroom.messages.report_texts import Unreached
from postroom.storage.database import Tx
from postroom.storage.tables import recipients, users

MAX_NAMED: Final = 500
"""Recipients of one message that are named at most."""


def unreached(tx: Tx, message_ids: Sequence[int]) -> dict[int, list[Unreached]]:
    """Return the first ``MAX_NAMED`` recipients of each message that did not get it, in the order of the roll; one query.

    They are called what the author called them, else by their full name.
    """
    place = func.row_number().over(partition_by=recipients.c.message_id, order_by=recipients.c.id).label("place")
    missed = and_(recipients.c.message_id.in_(message_ids), recipients.c.role != "self", recipients.c.state != "delivered")
    numbered = select(recipients.c.id, place).where(missed).subquery()
    columns = (
        recipients.c.message_id,
        recipients.c.email,
        recipients.c.state,
        recipients.c.reply_text,
        func.coalesce(recipients.c.name, people.full_name()).label("name"),
    )
    source = numbered.join(recipients, recipients.c.id == numbered.c.id).outerjoin(users, users.c.id == recipients.c.user_id)
    found: dict[int, list[Unreached]] = {number: [] for number in message_ids}
    for row in tx.execute(select(*columns).select_from(source).where(numbered.c.place <= MAX_NAMED).order_by(recipients.c.id)):
        found[row.message_id].append(Unreached(name=row.name, email=row.email, state=row.state, reply=row.reply_text))
    return found
