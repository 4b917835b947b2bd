"""Which thread a letter belongs to, by the Message-ID of the mail that it answers (ONLYOFFICE contract §1a.6 step 10).

| it answers | it belongs to |
|---|---|
| nothing | a thread of its own |
| a message that its author sees, of the same subject (``subjects``) | the thread of that message |
| such a message, of another subject | a thread of its own |
| a mail that is none of ours, which another letter of its author answered under the same subject | the thread of that letter |
| ... under another subject | a thread of its own |
| ... which none answered | a thread of its own, which the next one that answers the mail will join |
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Integer, Row, bindparam, select

from postroom.errors import Invalid
from postroom.messages import message_ids, options, subjects, threads
from postroom.messages.letter_records import Letter
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import messages

_m: Final = messages.c
_FOUND: Final = (_m.id, _m.subject, threads.NUMBER.label("thread_id"))
_NOT_OWN: Final = _m.id != bindparam("own", type_=Integer)
_PARENT: Final = threads.seen(*_FOUND).where(_m.id == threads.MESSAGE, _NOT_OWN)
_GIVEN: Final = threads.seen(*_FOUND).where(_m.given_id == bindparam("given"), _NOT_OWN).order_by(_m.id.desc()).limit(1)
_SIBLING: Final = select(*_FOUND).where(_m.foreign_parent == bindparam("parent"), threads.SENT, _NOT_OWN).order_by(_m.id.desc()).limit(1)


class Place(Struct, frozen=True, kw_only=True):
    """Where a letter stands; see the columns of ``messages``."""

    thread_id: int | None = None
    in_reply_to: int | None = None
    foreign_parent: str | None = None

    def columns(self) -> dict[str, Any]:
        """Return the values of the columns."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


def answered(letter: Letter) -> str:
    """Return the Message-ID that a letter says it answers; empty for none, and for what could not stand in a header."""
    try:
        return options.identifier("in_reply_to", letter.mime_reply_to.strip()).strip("<>")
    except Invalid:
        return ""


def find(tx: Tx, vault: Vault, author_id: int, letter: Letter, message_id: int) -> Place:
    """Find the place of a letter, whose own number is ``message_id`` (0: it is new); two statements at most."""
    identifier = answered(letter)
    if not identifier:
        return Place()
    parent = message_ids.message_of(vault, identifier)
    if parent is not None:
        seen = tx.execute(_PARENT, {"person": author_id, "message": parent, "own": message_id}).first()
    else:
        seen = tx.execute(_GIVEN, {"person": author_id, "given": identifier, "own": message_id}).first()
    if seen is not None:
        return Place(thread_id=seen.thread_id, in_reply_to=seen.id) if _alike(seen, letter) else Place()
    sibling = tx.execute(_SIBLING, {"person": author_id, "parent": identifier, "own": message_id}).first()
    if sibling is None:
        return Place(foreign_parent=identifier)
    return Place(thread_id=sibling.thread_id, foreign_parent=identifier) if _alike(sibling, letter) else Place()


def _alike(row: Row[*tuple[Any, ...]], letter: Letter) -> bool:
    return subjects.normalised(row.subject) == subjects.normalised(letter.subject)
