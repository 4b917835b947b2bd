"""What a person has chosen about mails that tell of private messages."""

from typing import Final, Literal, get_args

from msgspec import Struct
from sqlalchemy import select, update

from postroom.directory.values import LARGEST_ID
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx
from postroom.storage.tables import users

Notify = Literal["off", "each", "digest"]
"""No mails, one for each message, at most one a day."""

CHOICES: Final[tuple[Notify, ...]] = get_args(Notify)


class Preference(Struct, frozen=True, kw_only=True):
    """One person's choice."""

    notify: Notify
    content: bool
    """Whether the mails may hold what was written."""


def checked(choice: str) -> Notify:
    """Return one of the choices. Raises ``Invalid("notify", …)``."""
    for known in CHOICES:
        if choice == known:
            return known
    raise Invalid("notify", f"one of {', '.join(CHOICES)}")


def get(tx: Tx, user_id: int) -> Preference:
    """Return what a person has chosen. Raises ``NotFound("user", id)``."""
    row = None
    if 0 < user_id <= LARGEST_ID:
        row = tx.execute(select(users.c.notify, users.c.notify_content).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFound("user", user_id)
    return Preference(notify=row.notify, content=row.notify_content)


def choose(tx: Tx, user_id: int, preference: Preference, now: int) -> None:
    """Keep a person's choice; digests begin with what comes from now on. Raises ``NotFound("user", id)``."""
    values: dict[str, object] = {"notify": preference.notify, "notify_content": preference.content, "modified_at": now}
    if preference.notify == "digest" and get(tx, user_id).notify != "digest":
        values["notified_at"] = now
    known = 0 < user_id <= LARGEST_ID
    if not known or tx.execute(update(users).where(users.c.id == user_id).values(values)).rowcount == 0:
        raise NotFound("user", user_id)
