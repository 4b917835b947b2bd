"""Finding messages by their words: subject, text, whom they are from and whom they went to.

Each message is one document, whoever has it. Its words are folded (``directory.names``), each with a letter in front that says where
it stands, so that both databases need nothing but an index of words: FTS5 on SQLite, GIN on PostgreSQL. A word of a query fits every word
that it begins: ``nowak`` finds *Nowakowska*, ``owak`` does not (our choice; the contract's look for any piece of a text costs a look
at every message). All words of a query have to fit.

Nobody finds a message by a hidden recipient but its author. Whoever writes messages calls ``index`` once their rolls are made.
"""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, cast, column, delete, false, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import TSQUERY

from postroom.directory import names, people
from postroom.messages import letter_records, options
from postroom.storage import bulk
from postroom.storage.database import Tx
from postroom.storage.tables import institutional_addresses, message_words, messages, recipients, users

MAX_QUERY: Final = 200
"""Characters of a query that count."""
MAX_WORDS: Final = 8
"""Words of a query that count."""

_MAX_TEXT: Final = 50_000
"""Characters of a text in which it is found."""
_MAX_NAMED: Final = 100
"""Recipients of a message by whom it is found."""

WRITTEN: Final = "t"
"""In front of words of subject and text; of the author; of To and Cc; and of recipients whom only the author may know of."""
SENDER: Final = "s"
NAMED: Final = "n"
HIDDEN: Final = "h"

_TAG: Final = re.compile(r"<(?:style|script)\b.*?(?:</(?:style|script)\s*>|$)|<!--.*?(?:-->|$)|<[^<>]*>", re.IGNORECASE | re.DOTALL)

_index: Final = table("message_index", column("rowid"))

_m: Final = messages.c
_r: Final = recipients.c


def text_of(content: str, content_format: str) -> str:
    """Return what one reads of a text: of HTML all but its tags, and all on one line."""
    plain = html.unescape(_TAG.sub(" ", content)) if content_format == "html" else content
    return " ".join(plain.split())


def index(tx: Tx, message_ids: Sequence[int], *, again: bool = False) -> None:
    """Make messages found by what they are now; ``again``: they were found by something else before.

    Two statements, or three, and one for each message of a person that is no letter.
    """
    if again:
        tx.execute(delete(message_words).where(message_words.c.message_id.in_(message_ids)))
    rows = tx.execute(_said().where(_m.id.in_(message_ids)).order_by(_m.id)).all()
    documents = [{"message_id": row.id, "words": " ".join(_words(row, _listed(tx, row)))} for row in rows]
    bulk.insert_rows(tx, message_words, documents)


def fits(tx: Tx, message_id: ColumnElement[int], query: str, where: str) -> ColumnElement[bool]:
    """Return, in SQL, whether a message has all the words of a query in one of the places; one of no word fits nothing.

    ``where``: the letters of the places, such as ``WRITTEN + SENDER``.
    """
    wanted = names.words_of(query[:MAX_QUERY])[:MAX_WORDS]
    if not wanted:
        return false()
    if tx.dialect.name == "sqlite":
        match = " AND ".join("({})".format(" OR ".join(f'"{place}{word}" *' for place in where)) for word in wanted)
        return message_id.in_(select(_index.c.rowid).where(literal_column(_index.name).op("MATCH")(match)))
    match = " & ".join("({})".format(" | ".join(f"'{place}{word}':*" for place in where)) for word in wanted)
    vector = func.array_to_tsvector(func.string_to_array(message_words.c.words, literal_column("' '")))
    return message_id.in_(select(message_words.c.message_id).where(vector.bool_op("@@")(cast(match, TSQUERY))))


def _said() -> Select[Any]:
    a = institutional_addresses.c
    columns = (
        _m.id,
        _m.kind,
        _m.subject,
        func.substr(_m.content, 1, _MAX_TEXT).label("content"),
        _m.content_format,
        _m.shared,
        _m.letter,
        _m.options,
        _m.mail,
        func.coalesce(a.name, people.full_name()).label("name"),
        func.coalesce(a.email, users.c.email, users.c.alt_email, "").label("email"),
    )
    source = messages.outerjoin(users, users.c.id == _m.author_id).outerjoin(institutional_addresses, a.id == _m.from_address_id)
    return select(*columns).select_from(source)


def _listed(tx: Tx, row: Row[Any]) -> list[tuple[str, str]]:
    """Return with whom a message is found, and in which place: what its author wrote, or the beginning of its roll."""
    if row.kind == "summary":  # there is nobody but the one whom it is for
        return []
    if row.letter:
        own = letter_records.decoded(row.options)
        return [*((NAMED, written) for written in (*own.to, *own.cc)), *((HIDDEN, written) for written in own.bcc)]
    name = func.coalesce(_r.name, people.full_name())
    roll = select(_r.role, name.label("name"), func.coalesce(_r.email, users.c.email, "").label("email"))
    roll = roll.select_from(recipients.outerjoin(users, users.c.id == _r.user_id)).where(_r.message_id == row.id)
    lines = tx.execute(roll.order_by(_r.id).limit(_MAX_NAMED)).all()
    return [(NAMED if row.shared and line.role != "bcc" else HIDDEN, f"{line.name} {line.email}") for line in lines]


def _words(row: Row[Any], listed: list[tuple[str, str]]) -> Iterator[str]:
    wanted = options.decoded(row.mail).sender
    sender = letter_records.decoded(row.options).sender if row.letter else f"{row.name} {row.email}"
    sender = sender if wanted is None else f"{wanted.name} {wanted.email}"
    said = f"{row.subject} {text_of(row.content, row.content_format)}"
    for place, written in ((WRITTEN, said), (SENDER, sender), *listed):
        yield from (f"{place}{word}" for word in names.words_of(written))
